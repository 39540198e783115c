// The dashboard: signs in, connects, and hands what comes to its parts.

import { Alerts } from "./alerts.js";
import { parts, say } from "./dom.js";
import { Figures } from "./figures.js";
import { People } from "./people.js";
import { RefusedMessages } from "./refused.js";
import { RoomList } from "./rooms.js";
import { Session, tidy } from "./session.js";
import { attempt, described, tell, when } from "./ui.js";

const meta = (name) => document.querySelector(`meta[name="roomcast-${name}"]`).content;
const url = new URL(meta("ws"), location.href.replace(/^http/, "ws")).href;
const section = (id) => document.querySelector(`#${id}`);

const top = parts(section("top"));
const entry = parts(section("entry"));
const expiring = parts(section("expiring"));
const work = section("work");

let state = { phase: "closed", text: "Not connected" };

const session = new Session(url, { state: setState, frame: hear, expiring: warn, over: signedOut, problem: complain });
const figures = new Figures(parts(section("figures")), top);
const refused = new RefusedMessages(section("refused"), session);
const alerts = new Alerts(section("alerts"), session, meta("publishing") === "here");
const people = new People(section("people"), session, (room) => rooms.open(room, { focus: true }));
const rooms = new RoomList(section("rooms"), session, (userId) => people.search({ userId }, { focus: true }));

// ── signing in and out ──────────────────────────────────────────────────────────────────────────────────────

const enter = attempt(entry.problem, async () => {
  await session.begin(tidy(entry.token.value));
  entry.token.value = "";
  show(true);
  top.leave.focus();
});

entry.form.addEventListener("submit", (event) => {
  event.preventDefault();
  enter();
});
top.leave.addEventListener("click", () => {
  session.end();
  // what was shown to an administrator is not left to whoever comes next
  location.reload();
});
top.again.addEventListener("click", () => session.again());

function show(signedIn) {
  section("entry").hidden = signedIn;
  work.hidden = !signedIn;
  top.who.hidden = !signedIn;
  if (!signedIn) section("expiring").hidden = true;
}

function signedOut(error) {
  show(false);
  document.querySelector("#confirm").close();
  tell(entry.problem, "bad", described(error));
  entry.token.focus();
}

// ── the token runs out ──────────────────────────────────────────────────────────────────────────────────────

function warn({ expiresAt }) {
  say(expiring.title, `Your token runs out at ${when(expiresAt)}`);
  section("expiring").hidden = false;
}

const renew = attempt(expiring.problem, async () => {
  await session.renew(tidy(expiring.token.value));
  expiring.token.value = "";
  section("expiring").hidden = true;
});
expiring.form.addEventListener("submit", (event) => {
  event.preventDefault();
  renew();
});

// ── what comes ──────────────────────────────────────────────────────────────────────────────────────────────

function setState(next) {
  state = next;
  say(top.state, next.text);
  top.state.dataset.phase = next.phase;
  top.again.hidden = next.phase !== "closed";
  if (next.expiresAt) say(top.until, `token until ${when(next.expiresAt)}`);
}

function hear(event, data) {
  if (event === "connected") connected(data);
  figures.hear(event, data);
  alerts.hear(event, data);
  if (event === "system:service_status" && data.service === "roomcast" && data.metrics) refused.note(data.metrics.refused);
}

function connected({ userId }) {
  say(top.user, userId);
  section("expiring").hidden = true;
  people.search(people.query);
  rooms.largest();
}

function complain(error) {
  say(top.state, described(error));
}

setInterval(() => {
  figures.tick(state.phase === "connected");
  refused.tick();
  const left = state.phase === "waiting" ? Math.max(0, Math.ceil((state.retryAt - performance.now()) / 1_000)) : 0;
  say(top.retry, left ? `again in ${left} s` : "");
}, 1_000);

const kept = Session.kept();
if (kept) entry.token.value = kept;
show(false);
if (kept) enter();
else entry.token.focus();
