// Sockets: searched by user and room, disconnected, tokens revoked.

import { make, parts } from "./dom.js";
import { button, confirmed, count, inTurn, outside, when } from "./ui.js";

const PAGE = 50;

export class People {
  #ui;
  #session;
  #openRoom;
  #query = {};
  #cursor = null;
  #run;

  /** `openRoom(room)` shows a room. */
  constructor(root, session, openRoom) {
    this.#ui = parts(root);
    this.#session = session;
    this.#openRoom = openRoom;
    this.#run = inTurn(this.#ui.outcome);
    const { form, user, room, more, disconnect, revoke } = this.#ui;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search({ userId: user.value.trim(), room: room.value.trim() });
    });
    more.addEventListener("click", () => this.#run(() => this.#page()));
    disconnect.addEventListener("click", () => this.#run(() => this.#disconnectUser(this.#query.userId)));
    revoke.addEventListener("click", () => this.#run(() => this.#revoke(this.#query.userId)));
  }

  /** What is shown. */
  get query() {
    return this.#query;
  }

  /** Shows the sockets of a user, or of a room, or all. */
  search({ userId = "", room = "" } = {}, { focus = false } = {}) {
    this.#ui.user.value = userId;
    this.#ui.room.value = room;
    return this.#run(async () => {
      await this.#load({ userId, room });
      if (focus) this.#ui.title.focus();
    });
  }

  async #load(query) {
    this.#query = query;
    this.#cursor = null;
    this.#ui.list.replaceChildren();
    this.#ui.title.replaceChildren();
    this.#ui.actions.hidden = query.userId === "";
    await this.#page();
  }

  async #page() {
    const { userId, room } = this.#query;
    const asked = new URLSearchParams({ limit: PAGE });
    for (const [name, value] of Object.entries({ userId, room, cursor: this.#cursor })) if (value) asked.set(name, value);
    const { items, nextCursor = null } = await this.#session.call("GET", `/api/v1/connections?${asked}`);
    this.#cursor = nextCursor;
    this.#ui.list.append(...items.map((item) => this.#item(item)));
    this.#ui.more.hidden = nextCursor === null;
    this.#head(userId, room);
  }

  #head(userId, room) {
    const shown = this.#ui.list.childElementCount;
    const title = [`${count(shown, "socket")}${this.#cursor ? ", and more" : ""}`];
    if (userId) title.push(" of ", outside(userId));
    if (room) title.push(" in ", outside(room));
    this.#ui.title.replaceChildren(...title);
  }

  #item({ socketId, userId, connectedAt, lastActivity, rooms, transport, metadata }) {
    const fact = (name, value) => make("div", {}, make("dt", { text: name }), make("dd", {}, value));
    const { ip, userAgent, version } = metadata;
    const facts = [
      fact("Transport", transport), fact("Since", when(connectedAt)), fact("Last heard", when(lastActivity)), fact("Address", outside(ip)),
    ];
    if (version) facts.push(fact("Version", outside(version)));
    if (userAgent) facts.push(fact("Agent", outside(userAgent)));
    const inRooms = rooms.map((room) => make("li", {}, button(room, () => this.#openRoom(room), { class: "chip outside" })));
    return make("li", { class: "item", "data-socket": socketId },
      make("div", { class: "item-head" },
        button(userId, () => this.search({ userId }, { focus: true }), { class: "link outside", title: "Search this user" }),
        outside(socketId, { class: "mono outside" }),
        button("Disconnect", () => this.#run(() => this.#disconnect(socketId, userId)), { class: "danger", "aria-label": `Disconnect ${socketId} of ${userId}` })),
      make("dl", { class: "facts" }, ...facts),
      make("ul", { class: "chips", "aria-label": "Rooms" }, ...inRooms));
  }

  async #disconnect(socketId, userId) {
    const question = { title: "Disconnect this socket?", text: `${socketId} of ${userId} is told to stay away.`, yes: "Disconnect" };
    if (!(await confirmed(question))) return "";
    await this.#session.call("DELETE", `/api/v1/connections/${encodeURIComponent(socketId)}`);
    return this.#after("1 socket disconnected");
  }

  async #disconnectUser(userId) {
    const question = { title: "Disconnect all sockets?", text: `All sockets of ${userId} are told to stay away.`, yes: "Disconnect all" };
    if (!(await confirmed(question))) return "";
    const { disconnected } = await this.#session.call("DELETE", `/api/v1/users/${encodeURIComponent(userId)}/connections`);
    return this.#after(`${count(disconnected, "socket")} disconnected`);
  }

  async #revoke(userId) {
    const question = {
      title: "Revoke all tokens?", text: `Every token of ${userId} that was issued until now is refused from now on, on every node. This cannot be taken back.`, yes: "Revoke",
    };
    if (!(await confirmed(question))) return "";
    const { disconnected } = await this.#session.call("POST", `/api/v1/users/${encodeURIComponent(userId)}/revoke`);
    return this.#after(`Tokens revoked, ${count(disconnected, "socket")} closed`);
  }

  /** Shows what is left, and puts the focus where it makes sense. */
  async #after(said) {
    if (!this.#session.isOpen) return said;
    await this.#load(this.#query);
    this.#ui.title.focus();
    return said;
  }
}
