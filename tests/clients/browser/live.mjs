// The live page in headless Chromium, as the tests see it.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const PATIENCE = 20_000;

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
}

/** In the page: writes down what the panes' states say. */
function keepStates() {
  globalThis.said = { user: [], admin: [] };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const state = target.closest?.('[data-part="state"]');
      if (state) globalThis.said[state.closest("section").id].push(state.textContent);
    }
  }).observe(document, { childList: true, subtree: true });
}

/** What a token says. */
export function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

export class Live {
  /** Opens the page; `before` may prepare it. Both panes are connected and in their rooms when this returns. */
  static async open(browser, hub, options = {}, before = async () => {}) {
    const live = new Live();
    live.context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
    live.context.setDefaultTimeout(PATIENCE);
    live.page = await live.context.newPage();
    live.hub = hub;
    live.complaints = [];
    live.requests = [];
    live.page.on("pageerror", (error) => live.complaints.push(error.message));
    live.page.on("console", (message) => message.type() === "error" && live.complaints.push(message.text()));
    live.page.on("request", (request) => live.requests.push(request.url()));
    await before(live.page);
    await live.page.addInitScript(keepStates);
    await live.page.goto(hub.url);
    live.user = new Pane(live.page, "user");
    live.admin = new Pane(live.page, "admin");
    await live.user.in("user:ada", "campaign:demo-1");
    await live.admin.in("system", "campaign:demo-1", "campaign:demo-2", "campaign:demo-3");
    return live;
  }

  /** Calls `said(message)` for what `sub`'s pane sends, and hands it on unless that gives true; gives its end. */
  static async tap(page, sub, said = () => false) {
    const tap = {};
    await page.routeWebSocket(/\/ws$/, (ws) => {
      const server = ws.connectToServer();
      ws.onMessage((text) => {
        const message = JSON.parse(text);
        if (message.event === "auth" && claims(message.data.token).sub === sub) tap.ws = ws;
        if (tap.ws !== ws || !said(message)) server.send(text);
      });
    });
    return tap;
  }

  /** Closes it; nothing went wrong in the browser and nothing came from elsewhere. */
  async close() {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
    assert.deepEqual(this.requests.filter((url) => !url.startsWith(this.hub.url)), []);
  }
}

export class Pane {
  constructor(page, id) {
    this.root = page.locator(`#${id}`);
    this.state = this.part("state");
    this.rows = this.root.locator("li.row");
  }

  part(name) {
    return this.root.locator(`[data-part="${name}"]`);
  }

  chip(room) {
    return this.root.locator(`li[data-room="${room}"]`);
  }

  row(event, text) {
    return this.root.locator(`li.row[data-event="${event}"]`, { hasText: text }).first();
  }

  button(name) {
    return this.root.getByRole("button", { name, exact: true });
  }

  /** Waits until it is in all these rooms. */
  async in(...rooms) {
    for (const room of rooms) await this.root.locator(`li[data-room="${room}"][data-state="joined"]`).waitFor();
  }

  /** Waits until its state has said this, if only for a moment. */
  async said(text) {
    const said = ([id, text]) => globalThis.said[id]?.some((line) => line.includes(text));
    await this.root.page().waitForFunction(said, [await this.root.getAttribute("id"), text]);
  }

  async phase(phase) {
    await this.root.locator(`[data-part="state"][data-phase="${phase}"]`).waitFor();
  }

  async join(kind, id) {
    await this.part("kind").selectOption(kind);
    if (kind !== "system") await this.part("room").fill(id);
    await this.button("Join").click();
  }
}
