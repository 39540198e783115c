// One pane: somebody, a connection, rooms and the events that come.

import { Connection } from "./connection.js";
import { clock, parts, say } from "./dom.js";
import { Rooms } from "./rooms.js";
import { Stream } from "./stream.js";
import { fetchToken } from "./token.js";

/** How many of the user's campaigns are joined at first. */
const FIRST_CAMPAIGNS = 5;
const DEMO_CAMPAIGNS = ["demo-1", "demo-2", "demo-3"];
/** What outlives the connection it came from: the next one does not make it untrue. */
const LASTING = new Set(["access_denied", "admin_required", "invalid_payload", "room_full", "room_limit", "unknown_event"]);

export class Pane {
  #ui;
  #connection;
  #rooms;
  #stream;
  #hear;
  #identity = null;
  #state = { phase: "closed" };
  #fresh = true;
  #problem = null;

  /** `hear(event, data)` is told of every event. */
  constructor(root, url, hear) {
    this.#ui = parts(root);
    this.#hear = hear;
    this.#stream = new Stream(this.#ui);
    this.#connection = new Connection(url, {
      state: (state) => this.#setState(state),
      frame: (name, data, text) => this.#frame(name, data, text),
      sent: (name, data) => this.#stream.sent(name, data),
      problem: (error) => this.#show(error),
      token: fetchToken,
    });
    this.#rooms = new Rooms(this.#ui.chips, (event, data) => this.#ask(event, data));
    this.#listen();
  }

  /** Connects as whoever the form names. */
  connect() {
    const { sub, permissions, owned, participating } = this.#ui;
    const identity = {
      sub: sub.value.trim(), permissions: permissions.value, owned: owned.value, participating: participating.value,
    };
    if (JSON.stringify(identity) !== JSON.stringify(this.#identity)) {
      this.#rooms.forget();
      this.#fresh = true;
    }
    this.#identity = identity;
    this.#hide();
    this.#connection.connect(identity);
  }

  get connected() {
    return this.#state.phase === "connected";
  }

  /** The id of whoever is connected, or was last. */
  get userId() {
    return this.#identity?.sub ?? "";
  }

  /** The first campaign whose room it is in. */
  get campaignId() {
    return this.#rooms.campaigns()[0];
  }

  /** Events a second. */
  get rate() {
    return this.#stream.rate();
  }

  /** A token of whoever sits here. */
  token() {
    return fetchToken(this.#identity);
  }

  /** Called once a second. */
  tick() {
    this.#stream.tick();
    const { retryAt } = this.#state;
    const left = retryAt ? Math.max(0, Math.ceil((retryAt - performance.now()) / 1000)) : 0;
    say(this.#ui.retry, left ? `again in ${left} s` : "");
  }

  #listen() {
    const { identity, disconnect, join, kind, room, dismiss, sub } = this.#ui;
    identity.addEventListener("submit", (event) => {
      event.preventDefault();
      this.connect();
    });
    identity.addEventListener("input", () => this.#nameButton());
    disconnect.addEventListener("click", () => {
      this.#connection.disconnect();
      sub.focus();
    });
    join.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#join(kind.value, room.value.trim());
      room.value = "";
    });
    kind.addEventListener("change", () => this.#describeRoom());
    dismiss.addEventListener("click", () => {
      this.#hide();
      this.#ui.list.focus();
    });
    window.addEventListener("online", () => this.#connection.hurry());
  }

  #join(kind, id) {
    if (kind === "campaign") this.#rooms.join({ type: kind, campaignId: id });
    else if (kind === "user") this.#rooms.join({ type: kind, userId: id || this.userId });
    else this.#rooms.join({ type: kind });
  }

  #describeRoom() {
    const { kind, room } = this.#ui;
    room.disabled = kind.value === "system";
    room.required = kind.value === "campaign";
    room.placeholder = { campaign: "demo-4", user: this.userId, system: "" }[kind.value];
  }

  #ask(event, data) {
    const answer = this.#connection.request(event, data);
    answer.catch((error) => {
      // all others come as events, too; this one at most once a second
      if (error.code === "rate_limited") this.#show(error);
    });
    return answer;
  }

  #setState(change) {
    const { socketId, expiresAt, ...before } = this.#state;
    const keeps = change.phase === "connected" && before.phase === "connected" ? { socketId, expiresAt } : {};
    this.#state = { ...keeps, ...change };
    const state = this.#state;
    if (state.phase !== "connected") this.#rooms.lost();
    this.#ui.state.dataset.phase = state.phase;
    say(this.#ui.state, state.text);
    say(this.#ui.socket, state.socketId ?? "–");
    say(this.#ui.expiry, state.expiresAt ? clock(new Date(state.expiresAt)) : "–");
    this.#ui.disconnect.disabled = state.phase === "closed";
    this.#ui.joinButton.disabled = state.phase !== "connected";
    this.#nameButton();
    this.#describeRoom();
  }

  #nameButton() {
    const { connect, sub } = this.#ui;
    const other = this.#identity !== null && sub.value.trim() !== this.#identity.sub;
    const closed = this.#state.phase === "closed";
    say(connect, other ? "Switch" : closed ? "Connect" : "Reconnect");
    connect.classList.toggle("primary", other || closed);
  }

  #frame(name, data, text) {
    this.#stream.received(name, data, text);
    this.#rooms.hear(name, data);
    this.#hear(name, data);
    if (name === "connected") this.#joinFirst();
    if (name === "initial:campaigns") this.#joinOwn(data);
    if (name === "error") this.#show({ ...data, about: data.event && [data.event, data.campaignId ?? data.userId].filter(Boolean).join(" ") });
  }

  #joinFirst() {
    if (this.#problem && !LASTING.has(this.#problem.code)) this.#hide();
    if (!this.#fresh) {
      this.#rooms.rejoin();
      return;
    }
    if (this.#may("system:read")) this.#rooms.join({ type: "system" });
    if (this.#may()) for (const campaignId of DEMO_CAMPAIGNS) this.#rooms.join({ type: "campaign", campaignId });
    else this.#rooms.join({ type: "user", userId: this.userId });
  }

  #joinOwn(campaigns) {
    if (this.#fresh && !this.#may()) {
      for (const { campaignId } of campaigns.slice(0, FIRST_CAMPAIGNS)) this.#rooms.join({ type: "campaign", campaignId });
    }
    this.#fresh = false;
  }

  /** Whether an admin sits here, or somebody with this permission. */
  #may(permission) {
    const has = this.#identity.permissions.split(",").map((word) => word.trim());
    return has.includes("admin") || (permission !== undefined && has.includes(permission));
  }

  #show({ code, message, about }) {
    const { problem, problemCode, problemText, problemCount } = this.#ui;
    const again = this.#problem?.code === code && this.#problem.about === about;
    this.#problem = { code, about, count: again ? this.#problem.count + 1 : 1 };
    say(problemCode, code);
    say(problemText, about ? `${message} · ${about}` : message);
    say(problemCount, this.#problem.count > 1 ? `× ${this.#problem.count}` : "");
    problem.hidden = false;
  }

  #hide() {
    this.#problem = null;
    this.#ui.problem.hidden = true;
  }
}
