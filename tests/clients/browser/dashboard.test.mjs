// The dashboard in headless Chromium against a running hub.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, it } from "node:test";
import { Hub } from "../rig/hub.mjs";
import { freePort, until } from "../rig/process.mjs";
import { admin, token } from "../rig/token.mjs";
import { Dashboard, visitor } from "./dashboard.mjs";
import { launch } from "./live.mjs";

const require = createRequire(import.meta.url);
const EVIL = "<img/src=x/onerror=document.title='taken'>";

describe("the dashboard", { timeout: 300_000 }, () => {
  let hub;
  let browser;
  let dashboard;
  let visitors = [];

  before(async () => {
    hub = await Hub.start();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await hub?.stop();
  });

  afterEach(async () => {
    visitors.forEach((socket) => socket.disconnect());
    visitors = [];
    await dashboard?.close();
    dashboard = undefined;
  });

  const open = async (options) => (dashboard = await Dashboard.open(browser, hub.url, options));
  const enter = async (options) => (await open(options)).enter();
  const visit = async (...who) => {
    const socket = await visitor(hub, ...who);
    visitors.push(socket);
    return socket;
  };

  it("asks for a token, and lets in nobody but an administrator", async () => {
    await open();
    assert.equal(await dashboard.page.locator("#work").isVisible(), false);
    for (const [what, bearer, said] of [
      ["no token", "hello", "no_token: That is no token"],
      ["one of another key", admin().slice(0, -8) + "AAAAAAAA", "auth_failed: Authentication failed"],
      ["one that has run out", token("boss", { permissions: ["admin"], exp: 1_000_000_000 }), "auth_failed"],
      ["one without admin", token("ada", { permissions: ["system:read", "publish"] }), "admin_required: Admin access required"],
    ]) {
      await dashboard.part("entry", "problem").evaluate((element) => (element.textContent = ""));
      await dashboard.field.fill(bearer);
      await dashboard.page.keyboard.press("Enter");
      await dashboard.said("entry", "problem", said);
      assert.equal(await dashboard.page.locator("#work").isVisible(), false, what);
    }
    dashboard.forgive(/status of 40[13]/);
    await dashboard.enter(`Bearer ${admin("boss|1")}\n`);
    await dashboard.said("top", "user", "boss|1");
    assert.equal(await dashboard.page.locator("#entry").isVisible(), false);
  });

  it("keeps the token in the tab: through a reload, not in another tab, not after signing out", async () => {
    const { page, context } = await enter();
    await page.reload();
    await dashboard.isIn();
    const other = await context.newPage();
    await other.goto(`${hub.url}/admin`);
    await other.getByLabel("Token (a JWT").waitFor();
    assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
    await page.getByRole("button", { name: "Sign out" }).click();
    await dashboard.field.waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  it("shows the hub's figures as they change, with their last minutes", async () => {
    await enter();
    await dashboard.value("database", "up");
    await dashboard.value("redis", "off");
    await dashboard.said("top", "status", "operational");
    for (const sub of ["ada", "ada", "grace"]) await visit(sub, { campaigns: ["c1"] });
    await dashboard.value("connections", /^4$/);
    await dashboard.value("users", /^3$/);
    await dashboard.value("rooms", /^4$/); // system, c1 and two users'
    const chart = dashboard.page.getByRole("img", { name: "Connections, last five minutes: 1 to 4" });
    await chart.waitFor();
    const line = () => chart.locator(".line").getAttribute("d");
    await until(async () => (await line()).split("L").length > 2, "the line has some points");
    const events = Array.from({ length: 300 }, () => ({ channel: "campaign:c1", payload: { eventType: "updated" } }));
    await hub.publish(...events);
    // the first second of them shows at once
    await dashboard.page.locator('[data-figure="eventsPerSecond"] .small', { hasText: /most [1-9]/ }).waitFor();
    await dashboard.page.locator('[data-figure="deliveriesPerSecond"] .small', { hasText: /most [1-9]/ }).waitFor();
  });

  it("shows refused messages with their reasons as they come", async () => {
    await enter();
    const refuse = (channel, payload) => assert.rejects(hub.publish({ channel, payload }), /422/);
    await refuse("campaign:c1", { eventType: "status.changed" });
    await dashboard.item("refused", "missing_field").getByText("toStatus").first().waitFor();
    await refuse("nonsense:c1", {});
    await dashboard.item("refused", "nonsense:c1").waitFor();
    await dashboard.page.locator('[data-figure="refused"][data-tone="warn"]').waitFor();
    await dashboard.page.locator('[data-figure="refused"] .small', { hasText: /^\+\d in 5 min$/ }).waitFor();
    await dashboard.page.getByLabel("Reason").selectOption("missing_field");
    assert.equal(await dashboard.item("refused", "nonsense:c1").count(), 0);
    assert.equal(await dashboard.item("refused", "missing_field").count(), 1);
  });

  it("shows markup in names, rooms, messages and alerts as text", async () => {
    await visit(EVIL, { campaigns: [EVIL] });
    const { page } = await enter();
    await assert.rejects(hub.publish({ channel: `campaign:${EVIL}`, payload: { eventType: "status.changed", note: `<b>${EVIL}` } }), /422/);
    await dashboard.item("refused", `<b>${EVIL}`).waitFor();
    const alert = { level: "critical", title: `<script>${EVIL}</script>`, message: "<b>bold</b>", metadata: { name: EVIL } };
    await hub.publish({ channel: "system:alerts", payload: alert });
    await dashboard.item("alerts", "<b>bold</b>").getByText(alert.title).waitFor();
    await hub.publish({ channel: "system:services", payload: { eventType: "service.status", service: EVIL, status: "unhealthy" } });
    await dashboard.item("alerts", "unhealthy").getByText(EVIL).waitFor();
    await dashboard.search(EVIL);
    await dashboard.item("people", EVIL).getByRole("button", { name: `campaign:${EVIL}`, exact: true }).click();
    await dashboard.said("rooms", "title", `1 member of campaign:${EVIL}`);
    await dashboard.item("rooms", EVIL).waitFor();
    await dashboard.item("people", EVIL).getByRole("button", { name: "Disconnect" }).click();
    await page.locator("#confirm").getByText(EVIL).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("body :is(#work, dialog) :is(img, b, script)").count(), 0);
    assert.equal(await page.title(), "roomcast · dashboard");
  });

  it("finds a user's sockets with ids of every kind, and disconnects one or all", async () => {
    const [first, second, other] = [await visit("auth0|a/b+%41"), await visit("auth0|a/b+%41"), await visit("grace")];
    await enter();
    await dashboard.search("auth0|a/b+%41");
    await dashboard.said("people", "title", "2 sockets of");
    await dashboard.item("people", "websocket").first().getByText("127.0.0.1").waitFor();
    const firsts = dashboard.item("people", first.id).getByRole("button", { name: /^Disconnect/ });
    await firsts.click();
    await dashboard.answer("Cancel");
    await firsts.click();
    await dashboard.page.keyboard.press("Escape");
    await dashboard.page.locator("#confirm").waitFor({ state: "hidden" });
    assert.ok(first.connected);
    await firsts.click();
    await dashboard.answer("Disconnect");
    assert.equal(await first.ended, "io server disconnect");
    assert.deepEqual(first.errors, ["kicked"]);
    await dashboard.said("people", "outcome", "1 socket disconnected");
    await dashboard.said("people", "title", "1 socket of");
    assert.ok(second.connected);
    await dashboard.page.getByRole("button", { name: "Disconnect the user" }).click();
    await dashboard.answer("Disconnect all");
    await second.ended;
    await dashboard.said("people", "title", "0 sockets of");
    assert.ok(other.connected);
  });

  it("revokes a user's tokens, once it is confirmed", async () => {
    const socket = await visit("mallory");
    await enter();
    await dashboard.search("mallory");
    const revoke = dashboard.page.getByRole("button", { name: "Revoke the user’s tokens" });
    await revoke.click();
    await dashboard.answer("Cancel");
    assert.ok(socket.connected);
    await revoke.click();
    await dashboard.answer("Revoke");
    await socket.ended;
    assert.deepEqual(socket.errors, ["auth_failed"]);
    await dashboard.said("people", "outcome", "Tokens revoked, 1 socket closed");
  });

  it("shows the largest rooms, all rooms, and who is in one", async () => {
    for (const sub of ["ada", "grace"]) await visit(sub, { campaigns: ["big"] });
    await enter();
    await dashboard.page.getByRole("button", { name: "Largest" }).click();
    await dashboard.item("rooms", "campaign:big").getByText("2", { exact: true }).waitFor();
    await dashboard.page.getByRole("button", { name: "All", exact: true }).click();
    await dashboard.said("rooms", "title", "All rooms");
    await dashboard.item("rooms", "campaign:big").getByRole("button").click();
    await dashboard.said("rooms", "title", "2 members of campaign:big");
    await dashboard.item("rooms", "grace").getByRole("button").click();
    await dashboard.said("people", "title", "1 socket of grace");
    await dashboard.page.locator("#rooms").getByLabel("A room").fill("campaign:empty");
    await dashboard.page.keyboard.press("Enter");
    await dashboard.said("rooms", "outcome", "not_found: Nobody is in this room");
    dashboard.forgive(/status of 404/);
  });

  it("publishes a test alert, and shows it", async () => {
    await enter();
    await dashboard.page.getByText("Publish a test alert").click();
    await dashboard.page.getByLabel("Level").selectOption("critical");
    await dashboard.page.getByLabel("Title").fill("Is anybody there?");
    await dashboard.page.getByRole("button", { name: "Publish", exact: true }).click();
    await dashboard.said("alerts", "outcome", "Published");
    await dashboard.item("alerts", "Is anybody there?").getByText("critical").waitFor();
  });

  it("says when the hub is gone, and goes on when it is back", async () => {
    await enter();
    await hub.end();
    await dashboard.page.locator('[data-part="state"][data-phase="waiting"]').waitFor();
    await dashboard.said("top", "status", "not connected");
    await dashboard.said("figures", "stale", "No figures come");
    await dashboard.value("connections", /^–$/);
    await hub.launch(hub.port);
    await dashboard.isIn();
    await dashboard.part("figures", "stale").getByText(/./).waitFor({ state: "detached" });
    dashboard.complaints.length = 0; // the browser's, of connections that were refused meanwhile
    await visit("after-the-restart");
    await dashboard.search("after-the-restart");
    await dashboard.said("people", "title", "1 socket of");
  });

  it("stays away when it is sent away, until it is told to connect", async () => {
    const { page } = await enter();
    await fetch(`${hub.url}/api/v1/users/boss/connections`, { method: "DELETE", headers: { authorization: `Bearer ${admin()}` } });
    await dashboard.said("top", "state", "Closed, 4403 kicked: disconnected by an administrator");
    await page.getByRole("button", { name: "Connect again" }).click();
    await dashboard.isIn();
  });

  it("asks for another token when its own is revoked", async () => {
    await open();
    await dashboard.enter(admin("fired"));
    await fetch(`${hub.url}/api/v1/users/fired/revoke`, { method: "POST", headers: { authorization: `Bearer ${admin()}` } });
    await dashboard.said("entry", "problem", "auth_failed");
    assert.equal(await dashboard.page.locator("#work").isVisible(), false);
    assert.equal(await dashboard.page.evaluate(() => sessionStorage.length), 0);
  });

  it("says that the token runs out, and takes a fresh one of the same user", async () => {
    await open();
    const soon = Math.floor(Date.now() / 1000) + 50; // less than `auth.expiry_warning_ms`
    await dashboard.enter(token("boss", { permissions: ["admin"], exp: soon }));
    await dashboard.said("expiring", "title", "Your token runs out at");
    const until = await dashboard.part("top", "until").textContent();
    const fresh = dashboard.page.getByLabel("A fresh token");
    await fresh.fill(admin("somebody else"));
    await dashboard.page.keyboard.press("Enter");
    await dashboard.said("expiring", "problem", "auth_failed");
    await fresh.fill(admin());
    await dashboard.page.getByRole("button", { name: "Renew" }).click();
    await dashboard.page.locator("#expiring").waitFor({ state: "hidden" });
    assert.notEqual(await dashboard.part("top", "until").textContent(), until);
    await dashboard.page.reload(); // the fresh one was kept
    await dashboard.isIn();
    assert.equal(await dashboard.page.locator("#expiring").isVisible(), false);
  });

  it("is used by keyboard alone: signing in, searching, disconnecting", async () => {
    const socket = await visit("ada");
    const { page } = await open();
    const focused = () => page.evaluate(() => document.activeElement.ariaLabel ?? (document.activeElement.dataset.part || document.activeElement.textContent));
    const tabTo = async (wanted) => {
      for (let n = 0; n < 80; n++) {
        if (wanted.test(await focused())) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`${wanted} cannot be reached by Tab`);
    };
    assert.equal(await focused(), "token");
    await page.keyboard.type(admin());
    await page.keyboard.press("Enter");
    await dashboard.isIn();
    await tabTo(/^user$/);
    await page.keyboard.type("ada");
    await page.keyboard.press("Enter");
    await dashboard.said("people", "title", "1 socket of ada");
    await tabTo(new RegExp(`^Disconnect ${socket.id} of ada$`));
    await page.keyboard.press("Space");
    assert.equal(await focused(), "no"); // the harmless one
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "yes");
    assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid");
    await page.keyboard.press("Enter");
    await socket.ended;
    await dashboard.said("people", "title", "0 sockets of ada");
    await until(async () => (await focused()) === "title", "the focus is at what is left");
  });

  for (const [what, options] of [
    ["wide and light", { colorScheme: "light" }],
    ["wide and dark", { colorScheme: "dark" }],
    ["on a narrow phone, light", { colorScheme: "light", viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true }],
    ["on a narrow phone, dark", { colorScheme: "dark", viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true }],
  ]) {
    it(`${what}: labels, roles and contrast are as axe wants them, and nothing sticks out`, async () => {
      await visit("x".repeat(128), { campaigns: ["y".repeat(128)] });
      const { page } = await open(options);
      const judge = async () => {
        await page.evaluate(await readFile(require.resolve("axe-core/axe.min.js"), "utf8"));
        const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
        assert.ok(passes.length > 15);
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
        const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(content <= window, `${content} > ${window}`);
      };
      await judge();
      await dashboard.enter(token("boss", { permissions: ["admin"], exp: Math.floor(Date.now() / 1000) + 50 }));
      await page.locator("#expiring").waitFor();
      await assert.rejects(hub.publish({ channel: "campaign:c1", payload: { eventType: "status.changed", long: "z".repeat(900) } }), /422/);
      await hub.publish({ channel: "system:alerts", payload: { level: "error", title: "a title", message: "w".repeat(300) } });
      await dashboard.item("refused", "zzz").first().waitFor();
      await dashboard.item("alerts", "www").first().waitFor();
      await page.getByText("Publish a test alert").click();
      await dashboard.search("x".repeat(128));
      await judge();
      await dashboard.item("people", "xxx").getByRole("button", { name: /^Disconnect/ }).click();
      await judge();
    });
  }

  it("is on the operators' address alone where there is one, and says that messages go to the main one", async () => {
    const port = await freePort();
    const apart = await Hub.start({ settings: { ROOMCAST_SERVER__ADMIN_ADDRESS: `127.0.0.1:${port}` } });
    try {
      assert.equal((await fetch(`${apart.url}/admin`)).status, 404);
      dashboard = await (await Dashboard.open(browser, `http://127.0.0.1:${port}`)).enter();
      visitors.push(await visitor(apart, "ada"));
      await dashboard.search("ada");
      await dashboard.said("people", "title", "1 socket of ada");
      await dashboard.page.getByText("Publish a test alert").click();
      await dashboard.page.getByText("which takes no messages").waitFor();
      assert.equal(await dashboard.page.getByRole("button", { name: "Publish", exact: true }).isVisible(), false);
      await dashboard.page.getByLabel("Title").fill("it's");
      const line = `roomcast publish system:alerts '{"level":"info","title":"it'\\''s","message":"A test alert from the dashboard"}'`;
      assert.equal(await dashboard.part("alerts", "shell").textContent(), line);
      await dashboard.close();
    } finally {
      dashboard = undefined;
      await apart.stop();
    }
  });
});
