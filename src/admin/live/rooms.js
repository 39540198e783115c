// The rooms that a pane wants to be in, as chips with the newest status of each campaign.

import { make } from "./dom.js";
import { roomName } from "./events.js";

const RETRY_MS = 1_000;

export class Rooms {
  #list;
  #ask;
  #wanted = new Map();

  /** `ask(event, data)` sends a request and gives a promise of its answer. */
  constructor(list, ask) {
    this.#list = list;
    this.#ask = ask;
  }

  /** Forgets all of them: somebody else sits here now. */
  forget() {
    this.#wanted.clear();
    this.#draw();
  }

  /** Names of campaigns among the rooms. */
  campaigns() {
    return [...this.#wanted.values()].filter(({ room }) => room.type === "campaign").map(({ room }) => room.campaignId);
  }

  /** Joins a room, again where it is in it already. */
  join(room) {
    const name = roomName(room);
    const known = this.#wanted.get(name) ?? { room, status: undefined, at: -Infinity };
    this.#wanted.set(name, { ...known, state: "joining" });
    this.#draw();
    this.#send("subscribe", room).then(
      () => this.#set(name, { state: "joined" }),
      (error) => this.#refused(name, error),
    );
  }

  leave(room) {
    const name = roomName(room);
    this.#set(name, { state: "leaving" });
    const gone = () => this.#wanted.delete(name) && this.#draw();
    this.#send("unsubscribe", room).then(gone, (error) => error.code === "not_connected" && gone());
  }

  /** A new connection: in all of them again. */
  rejoin() {
    for (const { room } of [...this.#wanted.values()]) this.join(room);
  }

  /** The connection is gone. */
  lost() {
    for (const name of this.#wanted.keys()) this.#set(name, { state: "away" });
  }

  /** Keeps up with what the hub says of rooms. */
  hear(event, data) {
    if (event === "campaign:status" || event === "campaign:status_changed") this.#status(data);
    if (event === "unsubscribed" && data.reason) {
      this.#wanted.delete(roomName(data));
      this.#draw();
    }
  }

  /** A snapshot or an event changes what is shown unless its timestamp is older. */
  #status({ campaignId, status, timestamp }) {
    const name = roomName({ type: "campaign", campaignId });
    const at = timestamp ? Date.parse(timestamp) : -Infinity;
    if (this.#wanted.has(name) && at >= this.#wanted.get(name).at) this.#set(name, { status, at });
  }

  #send(verb, { type, ...data }) {
    return this.#ask(`${verb}:${type}`, data);
  }

  #refused(name, error) {
    if (error.code === "not_connected") return; // it is asked for again after the next connect
    if (error.more?.retryAfterMs === undefined) {
      this.#wanted.delete(name);
      this.#draw();
      return;
    }
    setTimeout(() => {
      const wanted = this.#wanted.get(name);
      if (wanted?.state === "joining") this.join(wanted.room);
    }, Math.max(error.more.retryAfterMs, RETRY_MS));
  }

  #set(name, change) {
    const wanted = this.#wanted.get(name);
    if (!wanted) return;
    Object.assign(wanted, change);
    this.#draw();
  }

  /** Chips stay the same elements, so that the focus stays where it is. */
  #draw() {
    const chips = new Map([...this.#list.children].map((chip) => [chip.dataset.room, chip]));
    for (const [name, wanted] of this.#wanted) {
      const chip = chips.get(name) ?? this.#chip(name, wanted.room);
      chips.delete(name);
      chip.dataset.state = wanted.state;
      chip.querySelector(".chip-status").textContent = wanted.status ?? (wanted.status === null ? "no status" : "");
      chip.querySelector(".chip-state").textContent = wanted.state === "joined" ? "" : ` (${wanted.state})`;
    }
    this.#remove([...chips.values()]);
  }

  #remove(chips) {
    for (const chip of chips) {
      const next = chip.nextElementSibling ?? chip.previousElementSibling;
      const focused = chip.contains(document.activeElement);
      chip.remove();
      if (focused) next?.firstElementChild.focus();
    }
  }

  #chip(name, room) {
    const button = make("button", { type: "button", class: "chip", title: "Leave this room" },
      make("span", { class: "hidden", text: "Leave " }),
      make("span", { class: "chip-room", text: name }),
      make("span", { class: "chip-status" }),
      make("span", { class: "chip-state hidden" }),
      make("span", { class: "chip-x", "aria-hidden": "true", text: "×" }));
    button.addEventListener("click", () => this.leave(room));
    const chip = make("li", { "data-room": name }, button);
    this.#list.append(chip);
    return chip;
  }
}
