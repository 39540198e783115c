// Who is signed in: the token, calls over HTTP with it, and the websocket.

import { Connection, Refused } from "./connection.js";

/** In the tab alone, and gone with it. */
const KEY = "roomcast.token";

/** After these the token is of no use here. */
const USELESS = new Set(["auth_failed", "admin_required"]);

/** What was pasted, without what comes with copying it. */
export function tidy(text) {
  const token = text.trim().replace(/^bearer\s+/i, "");
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
    throw new Refused({ code: "no_token", message: "That is no token: three parts with dots between them are expected" });
  }
  return token;
}

export class Session {
  #token = null;
  #connection;
  #on;

  /**
   * `on.state(state)` is told how the connection is, `on.frame(event, data)` what it brings, `on.expiring(data)` that
   * the token runs out, `on.over(error)` that it is of no use any more, `on.problem(error)` of the rest.
   */
  constructor(url, on) {
    this.#on = on;
    this.#connection = new Connection(url, {
      token: async () => this.#token,
      state: (state) => this.#state(state),
      frame: (event, data) => this.#frame(event, data),
      sent: () => {},
      problem: (error) => on.problem(error),
      expiring: (data) => on.expiring(data),
    });
  }

  /** The token of this tab, if there is one from before. */
  static kept() {
    return sessionStorage.getItem(KEY);
  }

  get isOpen() {
    return this.#token !== null;
  }

  /** Signs in with a token that an administrator's call is answered with. */
  async begin(token) {
    await this.#call(token, "GET", "/api/v1/rejected?limit=1");
    this.#keep(token);
    this.#connection.connect({});
  }

  /** Connects again, after the hub had said to stay away. */
  again() {
    this.#connection.connect({});
  }

  /** Takes a fresh token of the same user, on the same websocket. */
  async renew(token) {
    await this.#connection.refresh(token);
    this.#keep(token);
  }

  /** Signs out, and forgets the token. */
  end() {
    this.#token = null;
    sessionStorage.removeItem(KEY);
    this.#connection.disconnect();
  }

  /** A call of the API; its answer, or `Refused`. */
  async call(method, path, body) {
    const token = this.#token;
    try {
      return await this.#call(token, method, path, body);
    } catch (error) {
      if (token === this.#token && USELESS.has(error.code)) this.#over(error);
      throw error;
    }
  }

  async #call(token, method, path, body) {
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(path, { method, headers, body: text, cache: "no-store" }).catch(() => {
      throw new Refused({ code: "unreachable", message: "The hub cannot be reached" });
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const error = answer.error ?? answer.results?.[0]?.error;
    throw new Refused(error ?? { code: `http_${response.status}`, message: response.statusText });
  }

  #keep(token) {
    this.#token = token;
    sessionStorage.setItem(KEY, token);
  }

  #over(error) {
    this.end();
    this.#on.over(error);
  }

  #state(state) {
    // the hub refuses the token itself, and would again
    if (state.phase === "closed" && state.text.startsWith("Closed, 4401")) {
      this.#over(new Refused({ code: "auth_failed", message: state.text }));
    } else {
      this.#on.state(state);
    }
  }

  #frame(event, data) {
    if (event === "connected") {
      this.#connection.request("subscribe:system").catch((error) => this.#on.problem(error));
    } else if (event === "unsubscribed" && data.type === "system" && data.reason === "permission") {
      this.#over(new Refused({ code: "admin_required", message: "The fresh token is not an administrator’s" }));
      return;
    }
    this.#on.frame(event, data);
  }
}
