// One connection over the plain JSON websocket: token, first message, requests and replies, coming back.

/** What a close code means, for people. The hub's reason is shown beside it. */
const CLOSES = {
  1000: "closed",
  1001: "the hub went away",
  1002: "protocol error",
  1003: "binary messages are refused",
  1006: "connection lost, or refused",
  1009: "the message was too big",
  1011: "the hub failed",
  1012: "the hub restarts",
  1013: "too far behind",
  4401: "the token was refused or ran out",
  4403: "disconnected by an administrator",
  4408: "no sign of life",
  4429: "over a limit",
};

/** After these a client does not come back by itself. */
const STAY_AWAY = new Set([4401, 4403, 4429]);

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** A connection that lived this long was a good one: the next wait is short again. */
const GOOD_MS = 5_000;

/** An answer that is an error with a code. */
export class Refused extends Error {
  constructor({ code, message, ...more }) {
    super(message);
    this.code = code;
    this.more = more;
  }
}

const notConnected = () => new Refused({ code: "not_connected", message: "Not connected" });

export class Connection {
  #url;
  #on;
  #socket = null;
  #identity = null;
  #attempt = 0;
  #since = 0;
  #timer = 0;
  #nextId = 1;
  #waiting = new Map();

  /**
   * `on.state(state)` is told of every change, `on.frame(name, data, text)` of every event,
   * `on.sent(name, data)` of every request, `on.problem(error)` of what goes wrong outside of events.
   * `on.token(identity)` is asked for a token each time; with `on.expiring(data)` the token is not refreshed by itself.
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  /** Connects as somebody, whatever it was before. */
  connect(identity) {
    this.#drop();
    this.#identity = identity;
    this.#attempt = 0;
    this.#open();
  }

  /** Closes, and stays so. */
  disconnect() {
    this.#drop();
    this.#identity = null; // so that a token still on its way leads nowhere
    this.#tell({ phase: "closed", text: "Disconnected" });
  }

  /** Tries at once what it was going to try later. */
  hurry() {
    if (this.#timer) this.#open();
  }

  /** Sends a request; resolves with its data, rejects with `Refused`. */
  request(event, data) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(notConnected());
    }
    const id = this.#nextId++;
    socket.send(JSON.stringify({ event, data, id }));
    this.#on.sent(event, data);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Takes a fresh token of the same user without closing. */
  async refresh(fresh) {
    const token = fresh ?? (await this.#on.token(this.#identity));
    await this.request("auth:refresh", { token });
  }

  #tell(state) {
    this.#on.state(state);
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#socket?.close(1000);
    this.#socket = null;
    for (const { reject } of this.#waiting.values()) {
      reject(notConnected());
    }
    this.#waiting.clear();
  }

  async #open() {
    this.#drop();
    this.#tell({ phase: "connecting", text: "Connecting" });
    const identity = this.#identity;
    let token;
    try {
      token = await this.#on.token(identity);
    } catch (error) {
      if (identity !== this.#identity || this.#socket) return;
      this.#on.problem(error instanceof Refused ? error : new Refused({ code: "no_token", message: "The hub cannot be reached" }));
      if (error instanceof Refused) this.#tell({ phase: "closed", text: "Closed: no token" });
      else this.#later("the hub cannot be reached");
      return;
    }
    // somebody else was asked for meanwhile
    if (identity === this.#identity && !this.#socket) this.#dial(token);
  }

  #dial(token) {
    const socket = new WebSocket(this.#url, "roomcast.json");
    this.#socket = socket;
    const ours = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onopen = ours(() => socket.send(JSON.stringify({ event: "auth", data: { token } })));
    socket.onmessage = ours(({ data }) => this.#receive(data));
    socket.onclose = ours(({ code, reason }) => this.#closed(code, reason));
  }

  #receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#on.problem(new Refused({ code: "not_json", message: "The hub sent something that is not JSON" }));
      return;
    }
    if (frame?.reply !== undefined) this.#reply(frame);
    else if (typeof frame?.event === "string") this.#event(frame, text);
  }

  #reply({ reply, ok, data, error }) {
    const asked = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    if (ok) asked?.resolve(data);
    else asked?.reject(new Refused(error ?? { code: "internal", message: "No error given" }));
  }

  #event({ event, data }, text) {
    if (event === "connected") {
      this.#since = performance.now();
      this.#tell({ phase: "connected", text: "Connected", socketId: data.socketId, expiresAt: data.expiresAt });
    } else if (event === "auth:refreshed") {
      this.#tell({ phase: "connected", text: "Connected", expiresAt: data.expiresAt });
    } else if (event === "auth:expiring") {
      if (this.#on.expiring) this.#on.expiring(data);
      else this.refresh().catch((error) => this.#on.problem(error));
    }
    this.#on.frame(event, data, text);
  }

  #closed(code, reason) {
    this.#drop();
    if (this.#since && performance.now() - this.#since > GOOD_MS) this.#attempt = 0;
    this.#since = 0;
    const what = `${code}${reason ? ` ${reason}` : ""}: ${CLOSES[code] ?? "closed"}`;
    if (STAY_AWAY.has(code)) this.#tell({ phase: "closed", text: `Closed, ${what}` });
    else this.#later(what);
  }

  /** Waits longer each time, never exactly as long as others do. */
  #later(why) {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempt++);
    const wait = longest * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#open(), wait);
    this.#tell({ phase: "waiting", text: `Lost, ${why}`, retryAt: performance.now() + wait });
  }
}
