// The last refused messages, with their reasons: read when the hub says that there are more.

import { make, parts, say } from "./dom.js";
import { attempt, count, outside, when } from "./ui.js";

/** Between two readings, in milliseconds. */
const REST_MS = 2_000;

export class RefusedMessages {
  #ui;
  #session;
  #items = [];
  #seen;
  #readAt = -Infinity;
  #waits = false;
  #read;

  constructor(root, session) {
    this.#ui = parts(root);
    this.#session = session;
    this.#ui.reason.addEventListener("change", () => this.#show());
    this.#read = attempt(this.#ui.outcome, async () => {
      this.#items = (await session.call("GET", "/api/v1/rejected?limit=100")).items;
      this.#choices();
      return this.#show();
    });
  }

  /** The hub has refused so many. */
  note(total) {
    this.#waits ||= total !== this.#seen;
    this.#seen = total;
    this.tick();
  }

  /** Reads what waits to be read, not too often. */
  tick() {
    if (!this.#waits || !this.#session.isOpen || performance.now() - this.#readAt < REST_MS) return;
    this.#waits = false;
    this.#readAt = performance.now();
    this.#read();
  }

  /** The reasons that there are, each with how many of the last have it. */
  #choices() {
    const { reason } = this.#ui;
    const counts = new Map();
    for (const item of this.#items) counts.set(item.reason, (counts.get(item.reason) ?? 0) + 1);
    const chosen = reason.value;
    const options = [...counts].sort(([, a], [, b]) => b - a).map(([name, number]) => make("option", { value: name, text: `${name} (${number})` }));
    reason.replaceChildren(make("option", { value: "", text: "every reason" }), ...options);
    reason.value = counts.has(chosen) ? chosen : "";
  }

  #show() {
    const { reason, list, outcome } = this.#ui;
    const shown = this.#items.filter((item) => reason.value === "" || item.reason === reason.value);
    list.replaceChildren(...shown.map(item));
    const said = shown.length ? `The last ${count(shown.length, "message")}, newest first` : "None was refused";
    say(outcome, said);
    return said;
  }
}

function item({ at, source, channel, reason, message, expected }) {
  return make("li", { class: "item" },
    make("div", { class: "item-head" }, make("strong", { class: "reason-word", text: reason }), outside(channel, { class: "mono outside" }),
      make("span", { class: "small", text: `${source}, ${when(at)}` })),
    make("p", {}, outside(expected)),
    make("pre", { class: "outside", text: message }));
}
