// The list of events of a pane: newest on top, drawn once a frame, at most so many rows.

import { clockMs, grouped, make, perSecond, say } from "./dom.js";
import { indented, kindOf, summary, toneOf } from "./events.js";

const MOST_ROWS = 500;
/** Seconds that the little graph shows. */
const SECONDS = 60;
/** Seconds that the rate is the mean of. */
const MEAN_OF = 5;

export class Stream {
  #ui;
  #waiting = [];
  #drawing = false;
  #paused = false;
  #words = [];
  #total = 0;
  #dropped = 0;
  #seconds = new Array(SECONDS).fill(0);
  #now = 0;

  /** `ui` has the elements `list`, `filter`, `pause`, `clear`, `count`, `rate`, `graph`, `empty`. */
  constructor(ui) {
    this.#ui = ui;
    ui.filter.addEventListener("input", () => this.#refilter());
    ui.pause.addEventListener("click", () => this.#setPaused(!this.#paused));
    ui.clear.addEventListener("click", () => this.#clear());
    this.#words = wordsOf(ui.filter.value);
  }

  /** An event that came; `text` is the frame as it came. */
  received(name, data, text) {
    this.#total++;
    this.#now++;
    this.#push({ name, data, text, kind: kindOf(name), tone: toneOf(name, data), line: summary(name, data) });
  }

  /** A request that was sent; tokens are not shown. */
  sent(name, data) {
    const shown = data?.token ? { ...data, token: "…" } : data ?? {};
    const line = Object.values(shown).map(String).join(" · ");
    const text = JSON.stringify({ event: name, data: shown });
    this.#push({ name, data: shown, text, kind: "sent", tone: "", line });
  }

  /** Called once a second: the rate and the graph. */
  tick() {
    this.#seconds.push(this.#now);
    this.#seconds.shift();
    this.#now = 0;
    say(this.#ui.rate, `${perSecond(this.rate())}/s`);
    this.#ui.graph.setAttribute("d", path(this.#seconds));
  }

  /** Events a second, the mean of the last seconds. */
  rate() {
    return this.#seconds.slice(-MEAN_OF).reduce((sum, n) => sum + n, 0) / MEAN_OF;
  }

  #push(item) {
    item.at = new Date();
    this.#waiting.push(item);
    if (this.#waiting.length > MOST_ROWS) {
      this.#waiting.shift();
      this.#dropped++;
    }
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#drawing = false;
    if (!this.#paused) {
      const rows = this.#waiting.splice(0).reverse().map((item) => this.#row(item));
      this.#ui.list.prepend(...rows);
      this.#trim();
    }
    this.#tell();
  }

  #trim() {
    while (this.#ui.list.childElementCount > MOST_ROWS) {
      const last = this.#ui.list.lastElementChild;
      if (last.contains(document.activeElement)) this.#ui.list.focus();
      last.remove();
    }
  }

  #tell() {
    const rows = this.#ui.list.children;
    const hidden = [...rows].filter((row) => row.hidden).length;
    const waiting = this.#paused ? this.#waiting.length : 0;
    const words = [`${grouped(this.#total)} received`, hidden && `${hidden} filtered out`];
    if (this.#dropped) words.push(`${grouped(this.#dropped)} skipped`);
    say(this.#ui.count, words.filter(Boolean).join(" · "));
    say(this.#ui.pause, this.#paused ? `Resume${waiting ? ` (${waiting})` : ""}` : "Pause");
    this.#ui.empty.hidden = rows.length > hidden;
    say(this.#ui.empty, rows.length ? "Everything is filtered out" : "No events yet");
  }

  #row({ name, at, text, kind, tone, line }) {
    const summaryLine = make("summary", {},
      make("time", { text: clockMs(at), datetime: at.toISOString() }),
      make("span", { class: "name", text: kind === "sent" ? `→ ${name}` : name }),
      make("span", { class: "line", text: line }));
    const details = make("details", {}, summaryLine);
    // most rows are never opened
    details.addEventListener("toggle", () => details.append(make("pre", { text: indented(text), tabindex: "0" })), { once: true });
    const row = make("li", { class: "row", "data-kind": kind, "data-tone": tone, "data-event": name }, details);
    row.haystack = `${name} ${line} ${text}`.toLowerCase();
    row.hidden = !this.#matches(row);
    return row;
  }

  #matches({ haystack }) {
    return this.#words.every(({ word, not }) => haystack.includes(word) !== not);
  }

  #refilter() {
    this.#words = wordsOf(this.#ui.filter.value);
    for (const row of this.#ui.list.children) row.hidden = !this.#matches(row);
    this.#tell();
  }

  #setPaused(paused) {
    this.#paused = paused;
    this.#ui.pause.setAttribute("aria-pressed", String(paused));
    this.#draw();
  }

  #clear() {
    this.#ui.list.replaceChildren();
    this.#waiting = [];
    this.#total = this.#dropped = 0;
    this.#tell();
  }
}

/** `campaign -metrics`: has the one and not the other. */
function wordsOf(text) {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
  return words.map((word) => (word.startsWith("-") ? { word: word.slice(1), not: true } : { word, not: false }));
}

/** Bars of 1 × 20 units; the largest is as high as the box, but a few events do not look like a storm. */
function path(seconds) {
  const top = Math.max(5, ...seconds);
  const bars = seconds.map((n, i) => (n ? `M${i + 0.5} 20V${(20 - Math.max(1, (n / top) * 20)).toFixed(1)}` : ""));
  return bars.join("") || "M0 0";
}
