// What the parts of the dashboard have in common. Text from outside goes in as text, isolated from its surroundings.

import { clock, make, parts } from "./dom.js";

/** Text that comes from outside: an id, a name, a message. */
export function outside(text, attributes = {}) {
  return make("bdi", { class: "outside", text: String(text ?? "–"), ...attributes });
}

/** A button that calls `act` when it is pressed. */
export function button(text, act, attributes = {}) {
  const element = make("button", { type: "button", text, ...attributes });
  element.addEventListener("click", act);
  return element;
}

/** 10:20:30 today, with the date before it on other days; in the reader's time zone. */
export function when(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return String(text ?? "–");
  const today = date.toDateString() === new Date().toDateString();
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return today ? clock(date) : `${day} ${clock(date)}`;
}

/** An error as one line. */
export function described(error) {
  return error.code ? `${error.code}: ${error.message}` : String(error.message ?? error);
}

/** `1 socket`, `2 sockets`. */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/** Asks before something that cannot be undone; true if it is wanted. Escape is no. */
export function confirmed({ title, text, yes }) {
  const dialog = document.querySelector("#confirm");
  const ui = parts(dialog);
  ui.title.textContent = title;
  ui.text.textContent = text;
  ui.yes.textContent = yes;
  return new Promise((resolve) => {
    let wanted = false;
    ui.yes.onclick = () => {
      wanted = true;
      dialog.close();
    };
    ui.no.onclick = () => dialog.close();
    dialog.onclose = () => resolve(wanted);
    dialog.showModal();
    ui.no.focus();
  });
}

/** Runs what a form or a button starts: shows in `outcome` what it said or why it failed; nothing twice at once. */
export function attempt(outcome, work) {
  let busy = false;
  return async (...args) => {
    if (busy) return;
    busy = true;
    try {
      tell(outcome, "good", (await work(...args)) ?? "");
    } catch (error) {
      tell(outcome, "bad", described(error));
    } finally {
      busy = false;
    }
  };
}

/** Like `attempt`, for several things that share an outcome: one after the other. */
export function inTurn(outcome) {
  let last = Promise.resolve();
  return (work) => (last = last.then(() => attempt(outcome, work)()));
}

export function tell(outcome, tone, text) {
  outcome.dataset.tone = tone;
  outcome.textContent = text;
}
