// Small helpers. Everything that comes from outside gets into the page as text, never as markup.

/** An element with properties (`class`, `text`, attributes) and children. */
export function make(tag, { text, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

/** The elements of `root` that have a `data-part`, by its name. */
export function parts(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
}

/** Sets text only where it changes, so that live regions speak only of changes. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Up to three digits as they are, more in groups: 12 345. */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** A rate: one decimal while that says something. */
export function perSecond(rate) {
  return rate > 0 && rate < 10 ? rate.toFixed(1) : grouped(Math.round(rate));
}

const two = (number) => String(number).padStart(2, "0");

/** 10:20:30 in the reader's time zone. */
export function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** 10:20:30.123 in the reader's time zone. */
export function clockMs(date) {
  return `${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** A span of seconds: 12 s, 3 min, 2 h 5 min, 4 d 3 h. */
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}
