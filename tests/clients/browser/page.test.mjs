// The live page in headless Chromium against a running development hub.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, it } from "node:test";
import { DevHub } from "../rig/hub.mjs";
import { claims, launch, Live } from "./live.mjs";

const require = createRequire(import.meta.url);
const changed = (toStatus) => ({ eventType: "status.changed", toStatus, trigger: "manual" });

describe("the live page", { timeout: 300_000 }, () => {
  let hub;
  let browser;
  let live;

  before(async () => {
    hub = await DevHub.start();
    await hub.demo();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await hub?.stop();
  });

  afterEach(async () => {
    await live?.close();
    live = undefined;
  });

  const open = async (options, prepare) => (live = await Live.open(browser, hub, options, prepare));

  it("connects as a user and as an admin, each in the rooms that are theirs", async () => {
    const { user, admin } = await open();
    assert.equal(await user.state.textContent(), "Connected");
    assert.match(await user.part("socket").textContent(), /^\S{20,}$/);
    assert.match(await user.part("expiry").textContent(), /^\d\d:\d\d:\d\d$/);
    await user.in("campaign:demo-4", "campaign:demo-7", "campaign:demo-10"); // ada's, with demo-1
    assert.equal(await user.chip("campaign:demo-2").count(), 0);
    assert.notEqual(await admin.part("socket").textContent(), await user.part("socket").textContent());
  });

  it("shows an event published with `roomcast publish` in both panes, and the new status", async () => {
    const { user, admin } = await open();
    await hub.publish("campaign:demo-1", changed("FROM-THE-SHELL"));
    for (const pane of [user, admin]) {
      await pane.row("campaign:status_changed", "demo-1 → FROM-THE-SHELL · manual").waitFor();
      await pane.chip("campaign:demo-1").getByText("FROM-THE-SHELL").waitFor();
    }
    // ada is in the campaign's room and in her own: one copy all the same
    await hub.publish("campaign:demo-1", { eventType: "updated", note: "after it" });
    await user.row("campaign:updated", "after it").waitFor();
    const copies = user.root.locator('li.row[data-event="campaign:status_changed"]', { hasText: "FROM-THE-SHELL" });
    assert.equal(await copies.count(), 1);
  });

  it("the line that it gives for a shell works as it stands", async () => {
    const { user, page } = await open();
    await page.getByLabel("Payload").fill(`{ "eventType": "updated", "note": "it's a \\"line\\" $HOME" }`);
    await hub.shell(await page.locator('[data-part="shell"]').textContent());
    await user.row("campaign:updated", `it's a "line" $HOME`).waitFor();
  });

  it("opens a row to the whole frame, with numbers as they came", async () => {
    const { user } = await open();
    await hub.shell(`roomcast publish campaign:demo-1 '{"eventType":"updated","big":12345678901234567}' --dev --url ${hub.url}`);
    const row = user.row("campaign:updated", "demo-1");
    await row.locator("summary").click();
    const json = await row.locator("pre").textContent();
    assert.match(json, /^\{\n  "event": "campaign:updated",\n  "data": \{\n    /);
    assert.match(json, /"big": 12345678901234567[,\n]/);
  });

  it("shows markup in ids, names and titles as text", async () => {
    const { user, admin, page } = await open();
    const evil = "<img/src=x/onerror=document.title='taken'>";
    await admin.join("campaign", evil);
    await admin.in(`campaign:${evil}`);
    await hub.publish(`campaign:${evil}`, { eventType: "updated", name: "<b>bold</b>" });
    await admin.row("campaign:updated", "<b>bold</b>").waitFor();
    await hub.publish("user:ada", { type: "info", title: "<script>document.title='taken'</script>", message: evil });
    await user.row("notification", "<script>").locator("summary").click();
    await user.row("notification", "<script>").locator("pre").getByText(evil).waitFor();
    assert.equal(await page.locator("main :is(img, b, script)").count(), 0);
    assert.equal(await page.title(), "roomcast · live");
  });

  it("says what was refused with its code, and how a refused room is not joined", async () => {
    const { user } = await open();
    await user.join("campaign", "demo-2"); // grace's
    await user.part("problem").getByText("access_denied", { exact: true }).waitFor();
    await user.part("problem").getByText("Access denied to campaign · subscribe:campaign demo-2").waitFor();
    assert.equal(await user.chip("campaign:demo-2").count(), 0);
    await user.join("system", "");
    await user.part("problem").getByText("admin_required", { exact: true }).waitFor();
    await user.button("Dismiss the error").click();
    await user.part("problem").waitFor({ state: "hidden" });
  });

  it("publishes, and shows the result of what was taken and of what was refused", async () => {
    const { user, admin, page } = await open();
    const publish = page.locator("#publish");
    const send = publish.getByRole("button", { name: "Publish", exact: true });
    const rows = {
      "status.changed": [user, "campaign:status_changed"], updated: [user, "campaign:updated"],
      "metrics.updated": [user, "campaign:metrics_updated"], "timer.scheduled": [user, "campaign:timer_scheduled"],
      "timer executed": [user, "timer:executed"], "timer failed": [user, "timer:failed"],
      alert: [admin, "system:alert"], "service.status": [admin, "system:service_status"], notification: [user, "notification"],
    };
    const presets = await publish.getByLabel("Preset").locator("option").allTextContents();
    assert.deepEqual(presets, Object.keys(rows)); // each preset is tried
    await admin.part("filter").fill("");
    for (const [preset, [pane, event]] of Object.entries(rows)) {
      await publish.getByLabel("Preset").selectOption(preset);
      const before = await pane.root.locator(`li.row[data-event="${event}"]`).count();
      await send.click();
      await pane.root.locator(`li.row[data-event="${event}"]`).nth(before).waitFor();
      await publish.getByText("taken", { exact: true }).waitFor();
    }
    await publish.getByLabel("Payload").fill('{"eventType":"status.changed"}');
    await send.click();
    await publish.locator(".result", { hasText: "invalid_payload" }).getByText("HTTP 422").waitFor();
    await publish.getByLabel("Payload").fill("{");
    await send.click();
    await publish.locator(".result", { hasText: "not_json" }).waitFor();
    assert.equal(live.complaints.length, 1); // the browser's own of the 422
    live.complaints.length = 0;
  });

  it("takes a batch and keeps at most 500 rows", async () => {
    const { user, page } = await open();
    const publish = page.locator("#publish");
    await publish.getByLabel("Preset").selectOption("updated");
    await publish.getByLabel("Times").fill("1000");
    await publish.getByLabel("Payload").press("Control+Enter");
    await publish.getByText("1\u202f000 messages taken").waitFor();
    await user.part("count").getByText(/^1\u202f0\d\d received/).waitFor();
    assert.equal(await user.rows.count(), 500);
  });

  it("filters, pauses and clears", async () => {
    const { user } = await open();
    await user.part("filter").fill("campaign -status");
    await user.part("count").getByText("filtered out").waitFor();
    await hub.publish("campaign:demo-1", { eventType: "updated", note: "seen" });
    await user.row("campaign:updated", "seen").waitFor();
    assert.equal(await user.row("campaign:status", "demo-1").isVisible(), false);
    await user.button("Pause").click();
    await hub.publish("campaign:demo-1", { eventType: "updated", note: "later" });
    await user.button("Resume (1)").waitFor();
    assert.equal(await user.row("campaign:updated", "later").count(), 0);
    await user.button("Resume (1)").click();
    await user.row("campaign:updated", "later").waitFor();
    await user.button("Clear").click();
    assert.equal(await user.rows.count(), 0);
  });

  it("becomes somebody else, leaves a room and opens a row by keyboard alone", async () => {
    const { user, page } = await open();
    const focused = () => page.evaluate(() => document.activeElement.dataset.part ?? document.activeElement.textContent);
    const tabTo = async (wanted) => {
      for (let n = 0; n < 60; n++) {
        if (wanted.test(await focused())) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`${wanted} cannot be reached by Tab`);
    };
    await tabTo(/^sub$/);
    await page.keyboard.press("Control+a");
    await page.keyboard.type("grace");
    await page.keyboard.press("Enter");
    await user.in("user:grace", "campaign:demo-2");
    assert.equal(await user.chip("user:ada").count(), 0);
    await tabTo(/^Leave campaign:demo-2/);
    await page.keyboard.press("Space");
    await user.row("unsubscribed", "campaign:demo-2").waitFor();
    await user.chip("campaign:demo-2").waitFor({ state: "detached" });
    assert.match(await focused(), /^Leave (user|campaign):/); // the focus went to a neighbour
    await tabTo(/unsubscribed/);
    await page.keyboard.press("Enter");
    await user.row("unsubscribed", "campaign:demo-2").locator("pre").waitFor();
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, "solid");
  });

  it("comes back by itself after a restart, into the same rooms", async () => {
    const { user, admin } = await open();
    const port = hub.port;
    await hub.end();
    await user.phase("waiting");
    live.complaints.length = 0;
    await hub.launch(port);
    for (const pane of [user, admin]) await pane.phase("connected");
    await user.in("user:ada", "campaign:demo-1");
    await hub.publish("campaign:demo-1", { eventType: "updated", note: "after the restart" });
    await user.row("campaign:updated", "after the restart").waitFor();
    live.complaints.length = 0; // the browser complains of connections that were refused meanwhile
  });

  it("stays away when the hub says so: the eleventh socket of a user ends the first", async () => {
    const { user, page } = await open();
    await page.evaluate(async () => {
      const token = (await (await fetch("/dev/token?sub=ada")).json()).token;
      for (let n = 0; n < 10; n++) {
        const socket = new WebSocket(location.href.replace(/^http/, "ws") + "ws");
        await new Promise((opened) => (socket.onopen = opened));
        socket.send(JSON.stringify({ event: "auth", data: { token } }));
        await new Promise((answered) => (socket.onmessage = answered));
      }
    });
    await user.said("Closed, 4429 connection_limit: over a limit");
    await user.part("problem").getByText("connection_limit", { exact: true }).waitFor();
    await user.button("Connect").waitFor();
  });

  for (const code of [4401, 4403, 4429]) {
    it(`does not come back by itself after close code ${code}`, async () => {
      let tap;
      const { user, page } = await open({}, async (page) => {
        await page.clock.install();
        tap = await Live.tap(page, "ada");
      });
      await tap.ws.close({ code, reason: "for_a_test" });
      await user.said(`Closed, ${code} for_a_test: `);
      const requests = live.requests.length;
      await page.clock.fastForward("05:00");
      assert.equal(live.requests.length, requests);
      await user.phase("closed");
      await user.button("Connect").click();
      await user.in("user:ada", "campaign:demo-1");
    });
  }

  for (const code of [1011, 1012, 1013, 4408]) {
    it(`comes back by itself after close code ${code}, into the same rooms`, async () => {
      let tap;
      const { user } = await open({}, async (page) => (tap = await Live.tap(page, "ada")));
      const socket = await user.part("socket").textContent();
      await tap.ws.close({ code, reason: "for_a_test" });
      await user.said(`Lost, ${code} for_a_test: `);
      await user.phase("connected");
      await user.in("user:ada", "campaign:demo-1");
      assert.notEqual(await user.part("socket").textContent(), socket);
    });
  }

  it("answers a warning that the token runs out with a fresh one", async () => {
    let give;
    let tap;
    const given = new Promise((resolve) => (give = resolve));
    const refresh = ({ event, data }) => event === "auth:refresh" && (give(data.token), true);
    await open({}, async (page) => (tap = await Live.tap(page, "ada", refresh)));
    tap.ws.send(JSON.stringify({ event: "auth:expiring", data: { expiresAt: new Date().toISOString() } }));
    const { sub, exp } = claims(await given);
    assert.equal(sub, "ada");
    assert.ok(exp * 1000 > Date.now());
    const shown = live.user.row("auth:refresh", "…");
    await shown.locator("summary").click();
    assert.match(await shown.locator("pre").textContent(), /"token": "…"/); // never the token itself
  });

  for (const [what, options] of [
    ["wide and light", { colorScheme: "light" }],
    ["wide and dark", { colorScheme: "dark" }],
    ["on a phone, light", { colorScheme: "light", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
    ["on a phone, dark", { colorScheme: "dark", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
  ]) {
    it(`${what}: labels, roles and contrast are as axe wants them, and nothing sticks out`, async () => {
      const { user, page } = await open(options);
      await user.join("campaign", "demo-2");
      await user.part("problem").waitFor();
      await user.row("connected", "ada").locator("summary").click();
      await page.locator("#publish").getByRole("button", { name: "Publish", exact: true }).click();
      await page.locator(".result").waitFor();
      await page.evaluate(await readFile(require.resolve("axe-core/axe.min.js"), "utf8"));
      const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
      assert.ok(passes.length > 20);
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
      const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= window, `${content} > ${window}`);
    });
  }
});
