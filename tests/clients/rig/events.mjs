// Each kind of event that backends publish, and what clients get for it: events.json, which all programs read.

import { readFileSync } from "node:fs";

const TEXT = readFileSync(new URL("events.json", import.meta.url), "utf8");

/** The messages to publish, about this campaign and to this user. */
export function events(campaign, user) {
  return JSON.parse(TEXT.replaceAll("{campaign}", campaign).replaceAll("{user}", user));
}

/** What a socket in these kinds of room gets for them, `[event, data]` each. */
export function received(events, ...rooms) {
  const theirs = (event) => event.rooms.some((room) => rooms.includes(room));
  return events.flatMap(({ becomes }) => becomes.filter(theirs)).map(({ event, data }) => [event, data]);
}
