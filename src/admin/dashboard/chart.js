// A small chart of the last minutes: one line, by time, broken where nothing was heard.

const SVG = "http://www.w3.org/2000/svg";
/** How much it shows, in seconds; a unit of its width is one. */
export const SHOWN_S = 300;
const HEIGHT = 40;
/** Figures come each second; after this long without one the line is broken, in seconds. */
const BROKEN_S = 3.5;

const node = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

export class Chart {
  #samples = [];
  #line = node("path", { class: "line", d: "" });
  #area = node("path", { class: "area", d: "" });
  #name;
  #show;

  /** `show(value)` is a value as text. */
  constructor(name, show) {
    this.#name = name;
    this.#show = show;
    this.element = node("svg", {
      class: "chart", viewBox: `0 0 ${SHOWN_S} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": name,
    });
    this.element.append(this.#area, this.#line);
  }

  /** A value of this moment, `now` in seconds of any one clock. */
  push(now, value) {
    this.#samples.push({ at: now, value });
    this.draw(now);
  }

  /** The largest value that is shown; none without any. */
  get most() {
    return this.#samples.length ? Math.max(...this.#samples.map(({ value }) => value)) : undefined;
  }

  /** Moves on to `now`. */
  draw(now) {
    while (this.#samples.length && this.#samples[0].at < now - SHOWN_S) this.#samples.shift();
    const most = this.most;
    const scale = (HEIGHT - 2) / Math.max(most ?? 0, 1);
    const place = ({ at, value }) => `${(SHOWN_S - now + at).toFixed(1)} ${(HEIGHT - 1 - value * scale).toFixed(1)}`;
    let line = "";
    let area = "";
    for (const run of this.#runs()) {
      const places = run.map(place);
      const x = (sample) => (SHOWN_S - now + sample.at).toFixed(1);
      line += `M${places.join("L")}`;
      area += `M${x(run[0])} ${HEIGHT}L${places.join("L")}L${x(run.at(-1))} ${HEIGHT}Z`;
    }
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
    this.element.setAttribute("aria-label", this.#said(most));
  }

  #said(most) {
    if (most === undefined) return `${this.#name}, last five minutes: nothing yet`;
    const least = Math.min(...this.#samples.map(({ value }) => value));
    return `${this.#name}, last five minutes: ${this.#show(least)} to ${this.#show(most)}`;
  }

  /** The samples, cut where the line is broken. */
  #runs() {
    const runs = [];
    for (const sample of this.#samples) {
      const run = runs.at(-1);
      if (run && sample.at - run.at(-1).at <= BROKEN_S) run.push(sample);
      else runs.push([sample]);
    }
    return runs;
  }
}
