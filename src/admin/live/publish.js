// The publish panel: presets, a channel, a payload, the result of each message, and the same for a shell.

import { grouped, make, parts, say } from "./dom.js";

const inMinutes = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();

/** Each gives `[channel, payload]`; `c` is a campaign, `u` a user. */
const PRESETS = {
  "status.changed": (c) => [`campaign:${c}`, { eventType: "status.changed", toStatus: "ACTIVE", trigger: "manual" }],
  updated: (c) => [`campaign:${c}`, { eventType: "updated", name: "Spring launch", budget: 12500 }],
  "metrics.updated": (c) => [
    `campaign:${c}`, { eventType: "metrics.updated", metrics: { participants: 128, engagements: 57, rewards: 9 } }],
  "timer.scheduled": (c) => [
    `campaign:${c}`, { eventType: "timer.scheduled", timerId: "t-1", timerType: "REMINDER", scheduledAt: inMinutes(30) }],
  "timer executed": (c) => ["timer:t-1", {
    eventType: "executed", campaignId: c, timerType: "REMINDER", status: "COMPLETED", executionTime: inMinutes(0), processingTimeMs: 42 }],
  "timer failed": (c) => ["timer:t-1", {
    eventType: "failed", campaignId: c, timerType: "REMINDER", error: "mail server did not answer", retryCount: 1, nextRetryAt: inMinutes(5) }],
  alert: () => ["system:alerts", { level: "warning", title: "Queue is filling up", message: "80 % of its bound" }],
  "service.status": () => ["system:services", { eventType: "service.status", service: "mailer", status: "degraded", metrics: { waiting: 420 } }],
  notification: (_, u) => [`user:${u}`, { type: "success", title: "Goal reached", message: "1 000 people take part", actionUrl: "/campaigns" }],
};

export class Publish {
  #ui;
  #who;

  /** `who` gives `token()`, `campaignId` and `userId` to publish with. */
  constructor(root, who) {
    this.#ui = parts(root);
    this.#who = who;
    const { preset, form, channel, payload, copy } = this.#ui;
    preset.append(...Object.keys(PRESETS).map((name) => make("option", { text: name })));
    preset.addEventListener("change", () => this.#fill());
    form.addEventListener("input", () => this.#hint());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#publish();
    });
    payload.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    copy.addEventListener("click", () => this.#copy());
    this.#fill();
    channel.addEventListener("change", () => say(this.#ui.outcome, ""));
  }

  #fill() {
    const { preset, channel, payload } = this.#ui;
    const [to, message] = PRESETS[preset.value](this.#who.campaignId ?? "demo-1", this.#who.userId || "ada");
    channel.value = to;
    payload.value = JSON.stringify(message, null, 2);
    this.#hint();
  }

  /** The message in one line, or nothing where it is no JSON. */
  #message() {
    try {
      JSON.parse(this.#ui.payload.value);
      return oneLine(this.#ui.payload.value);
    } catch {
      return undefined;
    }
  }

  #hint() {
    const { channel, payload, shell } = this.#ui;
    const message = this.#message();
    payload.setAttribute("aria-invalid", String(message === undefined));
    if (message === undefined) return;
    const url = make("span", { class: "whole", text: `--dev --url ${location.origin}` }); // never broken after a hyphen
    shell.replaceChildren(`roomcast publish ${word(channel.value)} ${quoted(message)} `, url);
  }

  async #publish() {
    const { channel, times, button } = this.#ui;
    const message = this.#message();
    if (message === undefined) return this.#tell("bad", "not_json", "the payload is not JSON");
    // as text, so that no number is rounded on the way
    const item = `{"channel":${JSON.stringify(channel.value)},"payload":${message}}`;
    const count = Number(times.value) || 1;
    button.setAttribute("aria-busy", "true");
    try {
      await this.#send(count > 1 ? `[${new Array(count).fill(item).join(",")}]` : item);
    } catch (error) {
      this.#tell("bad", error.code ?? "unreachable", error.code ? error.message : "the hub cannot be reached");
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  async #send(body) {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${await this.#who.token()}` };
    const start = performance.now();
    const response = await fetch("/api/v1/events", { method: "POST", headers, body });
    const ms = Math.round(performance.now() - start);
    const answer = await response.json().catch(() => ({}));
    if (!answer.results) {
      const error = answer.error ?? { code: `http_${response.status}`, message: response.statusText };
      this.#tell("bad", error.code, error.message, `HTTP ${response.status}`);
      return;
    }
    this.#results(answer.results, `HTTP ${response.status} in ${ms} ms`);
  }

  /** One line for each different result. */
  #results(results, how) {
    const taken = results.filter(({ ok }) => ok).length;
    const lines = new Map();
    for (const { ok, error } of results) {
      if (!ok) lines.set(`${error.code}\n${error.message}`, (lines.get(`${error.code}\n${error.message}`) ?? 0) + 1);
    }
    this.#ui.outcome.replaceChildren();
    if (taken) this.#add("good", "ok", taken > 1 ? `${grouped(taken)} messages taken` : "taken", how);
    for (const [text, count] of lines) {
      const [code, ...message] = text.split("\n");
      this.#add("bad", code, message.join("\n") + (count > 1 ? ` × ${grouped(count)}` : ""), how);
    }
  }

  #tell(tone, code, message, how) {
    this.#ui.outcome.replaceChildren();
    this.#add(tone, code, message, how);
  }

  #add(tone, code, message, how = "") {
    this.#ui.outcome.append(make("p", { class: "result", "data-tone": tone },
      make("code", { text: code }), make("span", { text: message }), make("small", { text: how })));
  }

  async #copy() {
    const { shell, copy } = this.#ui;
    try {
      await navigator.clipboard.writeText(shell.textContent);
      say(copy, "Copied");
    } catch {
      getSelection().selectAllChildren(shell); // not allowed here: ready to be copied by hand
      say(copy, "Selected");
    }
    setTimeout(() => say(copy, "Copy"), 2_000);
  }
}

/** JSON without line breaks and spaces between its parts. */
function oneLine(json) {
  return [...json.matchAll(/"(?:[^"\\]|\\.)*"|[^\s"]+/g)].join("");
}

/** Quoted for a POSIX shell. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function word(text) {
  return /^[\w:./@%+=-]+$/.test(text) ? text : quoted(text);
}
