// Rooms: the largest, all, and who is in one.

import { grouped, make, parts } from "./dom.js";
import { button, count, inTurn, outside } from "./ui.js";

const PAGE = 100;

export class RoomList {
  #ui;
  #session;
  #openUser;
  #run;
  #next = null;

  /** `openUser(userId)` shows a user's sockets. */
  constructor(root, session, openUser) {
    this.#ui = parts(root);
    this.#session = session;
    this.#openUser = openUser;
    this.#run = inTurn(this.#ui.outcome);
    const { form, room, largest, all, more } = this.#ui;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(room.value.trim());
    });
    largest.addEventListener("click", () => this.largest());
    all.addEventListener("click", () => this.#run(() => this.#all()));
    more.addEventListener("click", () => this.#run(() => this.#next?.()));
  }

  /** Shows the ten largest. */
  largest() {
    return this.#run(async () => {
      const { topRooms } = await this.#session.call("GET", "/api/v1/reports/usage");
      this.#begin("The largest rooms");
      this.#add(topRooms.map((room) => this.#room(room)));
    });
  }

  /** Shows who is in a room. */
  open(room, { focus = false } = {}) {
    this.#ui.room.value = room;
    return this.#run(async () => {
      this.#begin("");
      await this.#members(room, null);
      if (focus) this.#ui.title.focus();
    });
  }

  async #all() {
    this.#begin("All rooms");
    await this.#page(null);
  }

  async #page(cursor) {
    const { items, nextCursor } = await this.#session.call("GET", `/api/v1/rooms?${query(cursor)}`);
    this.#add(items.map((room) => this.#room(room)), nextCursor && (() => this.#page(nextCursor)));
  }

  async #members(room, cursor) {
    const path = `/api/v1/rooms/${encodeURIComponent(room)}?${query(cursor)}`;
    const { memberCount, members, nextCursor } = await this.#session.call("GET", path).catch((error) => {
      throw error.code === "not_found" ? Object.assign(error, { message: "Nobody is in this room" }) : error;
    });
    this.#ui.title.replaceChildren(`${count(memberCount, "member")} of `, outside(room));
    this.#add(members.map((member) => this.#member(member)), nextCursor && (() => this.#members(room, nextCursor)));
  }

  #begin(title) {
    this.#ui.title.textContent = title;
    this.#ui.list.replaceChildren();
    this.#ui.more.hidden = true;
  }

  #add(items, next) {
    this.#ui.list.append(...items);
    this.#next = next ?? null;
    this.#ui.more.hidden = !next;
  }

  #room({ room, memberCount }) {
    return make("li", { class: "item row-item" },
      button(room, () => this.open(room, { focus: true }), { class: "link outside" }), make("span", { class: "number", text: grouped(memberCount) }));
  }

  #member({ socketId, userId }) {
    return make("li", { class: "item row-item" },
      button(userId, () => this.#openUser(userId), { class: "link outside" }), outside(socketId, { class: "mono outside" }));
  }
}

function query(cursor) {
  return new URLSearchParams(cursor ? { limit: PAGE, cursor } : { limit: PAGE });
}
