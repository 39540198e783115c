// What an event says in one line, and which kind it is. Nothing is taken for granted about its data.

import { clock, grouped, perSecond } from "./dom.js";

const LONGEST = 240;

/** `campaign`, `timer`, `system`, `notification`, `error` or `session`. */
export function kindOf(name) {
  if (name === "error" || name === "gap") return "error";
  if (name === "notification" || name.startsWith("notifications:")) return "notification";
  const head = name.split(":", 1)[0];
  return ["campaign", "timer", "system"].includes(head) && name.includes(":") ? head : "session";
}

/** `bad`, `warn`, `good` or nothing: how much an event wants to be seen. */
export function toneOf(name, data) {
  const word = data?.level ?? data?.type ?? data?.status;
  if (name === "error" || name === "timer:failed") return "bad";
  if (name === "gap") return "warn";
  if (!["system:alert", "system:service_status", "notification", "timer:executed"].includes(name)) return "";
  if (["error", "critical", "unhealthy", "FAILED"].includes(word)) return "bad";
  if (["warning", "degraded"].includes(word)) return "warn";
  return word === "success" ? "good" : "";
}

/** The room's name as `subscribed` and others give it. */
export function roomName({ type, campaignId, userId } = {}) {
  return type === "system" ? "system" : `${type}:${type === "user" ? userId : campaignId}`;
}

const text = (value) => (typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value));

function compact({ timestamp, ...rest }) {
  const pairs = Object.entries(rest).map(([name, value]) => `${name} ${text(value)}`);
  return pairs.join(" · ");
}

function time(value) {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? text(value) : clock(date);
}

function serviceStatus({ service, status, metrics: m }) {
  const figures = m && typeof m.connections === "number"
    ? ` · ${grouped(m.connections)} sockets · ${perSecond(m.eventsPerSecond ?? 0)} events/s · ${perSecond(m.deliveriesPerSecond ?? 0)} deliveries/s`
    : m ? ` · ${compact(m)}` : "";
  return `${text(service)} ${text(status)}${figures}`;
}

function others({ campaignId, timerId, ...rest }) {
  return [campaignId, timerId, compact(rest)].filter(Boolean).map(text).join(" · ");
}

const LINES = {
  "campaign:status": (d) => `${text(d.campaignId)} is ${d.status === null ? "not known to the store" : text(d.status)}`,
  "campaign:status_changed": (d) =>
    `${text(d.campaignId)} ${d.previousStatus === undefined ? "" : `${text(d.previousStatus)} `}→ ${text(d.status)} · ${text(d.trigger)}`,
  "campaign:timer_scheduled": (d) => `${text(d.campaignId)} · ${text(d.timerType)} at ${time(d.scheduledAt)} · ${text(d.timerId)}`,
  "campaign:metrics_updated": (d) => `${text(d.campaignId)} · ${compact(d.metrics)}`,
  "campaign:updated": others,
  "timer:executed": (d) =>
    `${text(d.campaignId)} · ${text(d.timerType)} ${text(d.status)}${d.processingTimeMs === undefined ? "" : ` in ${text(d.processingTimeMs)} ms`} · ${text(d.timerId)}`,
  "timer:failed": (d) =>
    `${text(d.campaignId)} · ${text(d.timerType)} failed, retry ${text(d.retryCount)}: ${text(d.error)} · ${text(d.timerId)}`,
  "timer:event": others,
  "system:alert": (d) => `${text(d.level)} · ${text(d.title)}: ${text(d.message)}`,
  "system:service_status": serviceStatus,
  notification: (d) => `${text(d.title)}: ${text(d.message)}`,
  error: (d) => [`${text(d.code)}: ${text(d.message)}`, d.event, d.campaignId ?? d.userId].filter(Boolean).map(text).join(" · "),
  gap: (d) => `${text(d.source)}: events between ${time(d.since)} and ${time(d.until)} may be missing`,
  connected: (d) => `${text(d.userId)} as socket ${text(d.socketId)}`,
  subscribed: roomName,
  unsubscribed: (d) => `${roomName(d)}${d.reason ? ` · ${text(d.reason)}` : ""}`,
  "initial:campaigns": (d) => `${d.length} active${d.length ? ": " : ""}${d.map((one) => text(one.campaignId)).join(", ")}`,
  "initial:notifications": (d) => `${d.length} unread`,
  "initial:system_status": (d) => `${text(d.status)} · version ${text(d.version)}`,
};

/** One line of text about an event. */
export function summary(name, data) {
  let line;
  try {
    line = Object.hasOwn(LINES, name) ? LINES[name](data) : text(data);
  } catch {
    line = text(data); // not of the form that its name promises
  }
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

/** JSON text with line breaks. The text itself is kept, so that no number is rounded. */
export function indented(json) {
  const out = [];
  let depth = 0;
  let opened = false; // an empty array or object stays on its line
  const line = () => out.push("\n", "  ".repeat(depth));
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
    const closes = token === "}" || token === "]";
    if (closes) depth--;
    if (opened !== closes) line();
    opened = token === "{" || token === "[";
    if (opened) depth++;
    out.push(token === ":" ? ": " : token);
    if (token === ",") line();
  }
  return out.join("");
}
