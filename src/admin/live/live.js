// The live page: a user's pane, an admin's pane, a panel to publish with, and how the hub is.

import { parts } from "./live/dom.js";
import { Pane } from "./live/pane.js";
import { Publish } from "./live/publish.js";
import { Totals } from "./live/totals.js";

const path = document.querySelector('meta[name="roomcast-ws"]').content;
const url = new URL(path, location.href.replace(/^http/, "ws")).href;
const totals = new Totals(parts(document.querySelector("#totals")));
const template = document.querySelector("#pane");

/** A pane in `section` with its form filled in. */
function pane(section, title, { sub, permissions, filter = "" }) {
  section.append(template.content.cloneNode(true));
  const ui = parts(section);
  ui.title.textContent = title;
  ui.title.id = `${section.id}-title`;
  ui.list.setAttribute("aria-label", `Events of the ${title.toLowerCase()}, newest first`);
  ui.sub.value = sub;
  ui.permissions.value = permissions;
  ui.filter.value = filter;
  return new Pane(section, url, (event, data) => totals.hear(event, data));
}

const user = pane(document.querySelector("#user"), "User", { sub: "ada", permissions: "" });
// the hub's own figures come every second and are in the header
const admin = pane(document.querySelector("#admin"), "Admin", {
  sub: "root", permissions: "admin", filter: "-service_status",
});
const panes = [user, admin];

new Publish(document.querySelector("#publish"), {
  token: () => admin.token(),
  get campaignId() {
    return user.campaignId;
  },
  get userId() {
    return user.userId;
  },
});

for (const one of panes) one.connect();
setInterval(() => {
  for (const one of panes) one.tick();
  totals.tick(panes.reduce((sum, one) => sum + one.rate, 0), panes.some((one) => one.connected));
}, 1_000);
