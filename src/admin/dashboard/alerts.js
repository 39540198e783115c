// What comes into the system room beside the hub's own figures, and a test alert into it.

import { make, parts } from "./dom.js";
import { attempt, outside, when } from "./ui.js";

const KEPT = 100;
const TONES = { warning: "warn", degraded: "warn", error: "bad", critical: "bad", unhealthy: "bad" };

export class Alerts {
  #ui;
  #session;

  /** `publishes`: whether this address takes messages. */
  constructor(root, session, publishes) {
    this.#ui = parts(root);
    this.#session = session;
    const { form, publish, elsewhere, outcome } = this.#ui;
    publish.hidden = !publishes;
    elsewhere.hidden = publishes;
    const send = attempt(outcome, () => this.#send());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (publishes) send();
    });
    form.addEventListener("input", () => this.#hint());
    this.#hint();
  }

  hear(event, data) {
    if (event === "system:alert") this.#add(data.level, data.title, data.message, data);
    else if (event === "system:service_status" && data.service !== "roomcast") this.#add(data.status, data.service, "", data);
    else if (event === "gap") {
      const text = `Events from ${when(data.since)} to ${when(data.until)} may be missing`;
      this.#add("warning", `Gap: ${data.source}`, text, { timestamp: data.until });
    }
  }

  #add(word, title, text, { timestamp, metadata, metrics }) {
    const { list, empty } = this.#ui;
    const head = make("div", { class: "item-head" },
      make("strong", { class: "level", "data-tone": TONES[word] ?? "", text: word }), outside(title),
      make("span", { class: "small", text: when(timestamp) }));
    const row = make("li", { class: "item" }, head);
    if (text) row.append(make("p", {}, outside(text)));
    const more = metadata ?? metrics;
    if (more) row.append(make("pre", { class: "outside", text: JSON.stringify(more) }));
    list.prepend(row);
    if (list.childElementCount > KEPT) list.lastElementChild.remove();
    empty.hidden = true;
  }

  #alert() {
    const { level, title, message } = this.#ui;
    return { level: level.value, title: title.value, message: message.value };
  }

  async #send() {
    await this.#session.call("POST", "/api/v1/system/alerts", this.#alert());
    return "Published";
  }

  #hint() {
    const quoted = JSON.stringify(this.#alert()).replaceAll("'", "'\\''");
    this.#ui.shell.textContent = `roomcast publish system:alerts '${quoted}'`;
  }
}
