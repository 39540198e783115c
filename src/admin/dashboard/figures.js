// The figures that the hub sends each second into the system room, each with its last minutes.

import { Chart, SHOWN_S } from "./chart.js";
import { grouped, make, perSecond, say, span } from "./dom.js";

/** After this long without news figures are not shown as if they were of now, in seconds. */
const STALE_S = 5;
/** How far events may be behind before the hub calls itself degraded, in milliseconds. */
const BEHIND_MS = 1_000;
const STATUS = { healthy: "operational", degraded: "degraded", unhealthy: "unhealthy" };

const ms = (value) => `${grouped(value)} ms`;
/** `counts`: it only grows, and what it grew by is shown. */
const FIGURES = [
  { key: "connections", name: "Connections", show: grouped },
  { key: "users", name: "Users", show: grouped },
  { key: "rooms", name: "Rooms", show: grouped },
  { key: "eventsPerSecond", name: "Events a second", show: perSecond },
  { key: "deliveriesPerSecond", name: "Deliveries a second", show: perSecond },
  { key: "delayMs", name: "Delay", show: ms, isBad: (value) => value > BEHIND_MS },
  { key: "gaps", name: "Gaps", show: grouped, counts: true },
  { key: "refused", name: "Refused messages", show: grouped, counts: true },
  { key: "slowConsumers", name: "Slow clients", show: grouped, counts: true },
];
const PARTS = [
  { key: "redis", name: "Redis" },
  { key: "database", name: "Database" },
];

/** Seconds of a clock that is never set. */
const seconds = () => performance.now() / 1_000;

/** A counter and what it grew by, each second. */
class Growth {
  #last;
  #steps = [];

  /** What it grew by since the last time; a hub that began anew counts from 0. */
  step(now, value) {
    const grew = this.#last === undefined ? 0 : value < this.#last ? value : value - this.#last;
    this.#last = value;
    this.#steps.push({ now, grew });
    while (this.#steps[0].now < now - SHOWN_S) this.#steps.shift();
    return grew;
  }

  get sum() {
    return this.#steps.reduce((sum, { grew }) => sum + grew, 0);
  }
}

class Tile {
  #figure;
  #chart;
  #growth = new Growth();
  #value = make("strong", { text: "–" });
  #note = make("span", { class: "small", text: "" });

  constructor(figure) {
    this.#figure = figure;
    this.#chart = new Chart(figure.counts ? `${figure.name}, new each second` : figure.name, figure.show);
    const head = make("div", { class: "tile-head" }, make("span", { text: figure.name }), this.#note);
    this.element = make("li", { class: "tile", "data-figure": figure.key }, head, this.#value, this.#chart.element);
  }

  push(now, value) {
    if (typeof value !== "number") return;
    const { counts, show, isBad } = this.#figure;
    say(this.#value, show(value));
    const grew = this.#growth.step(now, value);
    this.#chart.push(now, counts ? grew : value);
    const recent = this.#growth.sum;
    say(this.#note, counts ? (recent ? `+${grouped(recent)} in 5 min` : "none in 5 min") : `most ${show(this.#chart.most)}`);
    const tone = counts ? (recent ? "warn" : "") : isBad?.(value) ? "bad" : "";
    this.element.dataset.tone = tone;
  }

  pass(now, stale) {
    this.#chart.draw(now);
    if (stale) say(this.#value, "–");
  }
}

export class Figures {
  #ui;
  #top;
  #tiles;
  #words;
  #heard = seconds();
  #startedAt = null;

  /** `top` is the header, where status, uptime and version stand. */
  constructor(ui, top) {
    this.#ui = ui;
    this.#top = top;
    this.#tiles = FIGURES.map((figure) => [figure.key, new Tile(figure)]);
    this.#words = PARTS.map(({ key, name }) => {
      const value = make("strong", { text: "–" });
      const head = make("div", { class: "tile-head" }, make("span", { text: name }));
      return { key, value, element: make("li", { class: "tile word", "data-figure": key }, head, value) };
    });
    ui.tiles.append(...this.#tiles.map(([, tile]) => tile.element), ...this.#words.map(({ element }) => element));
  }

  hear(event, data) {
    if (event === "initial:system_status") {
      this.#startedAt = seconds() - data.uptime;
      say(this.#top.version, data.version);
      this.#status(data.status);
    } else if (event === "system:service_status" && data.service === "roomcast" && data.metrics) {
      this.#heard = seconds();
      this.#status(STATUS[data.status] ?? data.status);
      for (const [key, tile] of this.#tiles) tile.push(this.#heard, data.metrics[key]);
      for (const word of this.#words) this.#word(word, data.metrics[word.key]);
      say(this.#ui.stale, "");
    }
  }

  /** Called once a second. */
  tick(isConnected) {
    const now = seconds();
    const stale = now - this.#heard > STALE_S;
    if (!isConnected) {
      this.#startedAt = null;
      this.#status("not connected");
    }
    say(this.#top.uptime, this.#startedAt === null ? "–" : span(now - this.#startedAt));
    for (const [, tile] of this.#tiles) tile.pass(now, stale);
    if (!stale) return;
    for (const word of this.#words) this.#word(word, "–");
    say(this.#ui.stale, "No figures come: what is below is not of now");
  }

  #word({ value, element }, word) {
    say(value, String(word ?? "–"));
    element.dataset.tone = word === "down" ? "bad" : "";
  }

  #status(status) {
    say(this.#top.status, status);
    this.#top.status.dataset.status = status;
  }
}
