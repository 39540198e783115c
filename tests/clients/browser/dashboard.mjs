// The dashboard in headless Chromium, as the tests see it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { io } from "socket.io-client-4";
import { admin, token } from "../rig/token.mjs";

const PATIENCE = 20_000;

/** A client with a socket in these rooms, and what it was told at its end. */
export async function visitor(hub, sub, { campaigns = [], claims = {} } = {}) {
  const auth = { token: token(sub, { ownedCampaigns: campaigns, ...claims }) };
  const socket = io(hub.url, { auth, transports: ["websocket"], forceNew: true, reconnection: false });
  socket.errors = [];
  socket.on("error", ({ code }) => socket.errors.push(code));
  socket.ended = new Promise((ended) => socket.on("disconnect", ended)); // `once` would fail at an `error`
  await once(socket, "connect");
  for (const campaignId of campaigns) await socket.emitWithAck("subscribe:campaign", { campaignId });
  await socket.emitWithAck("subscribe:user", {});
  return socket;
}

export class Dashboard {
  /** Opens the page; nobody is signed in. `url` is the address that serves it. */
  static async open(browser, url, options = {}) {
    const dashboard = new Dashboard();
    dashboard.url = url;
    dashboard.context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
    dashboard.context.setDefaultTimeout(PATIENCE);
    dashboard.page = await dashboard.context.newPage();
    dashboard.complaints = [];
    dashboard.requests = [];
    dashboard.page.on("pageerror", (error) => dashboard.complaints.push(error.message));
    dashboard.page.on("console", (message) => message.type() === "error" && dashboard.complaints.push(message.text()));
    dashboard.page.on("request", (request) => dashboard.requests.push(request.url()));
    await dashboard.page.goto(`${url}/admin`);
    return dashboard;
  }

  /** Where the token is asked for. */
  get field() {
    return this.page.getByLabel("Token (a JWT");
  }

  /** Signs in; the figures come when this returns. */
  async enter(bearer = admin()) {
    await this.field.fill(bearer);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.isIn();
    return this;
  }

  async isIn() {
    await this.page.locator('[data-part="state"][data-phase="connected"]').waitFor();
    await this.value("connections", /^\d/);
  }

  /** Waits until a figure says this. */
  value(figure, text) {
    return this.page.locator(`[data-figure="${figure}"] strong`).getByText(text).waitFor();
  }

  part(section, name) {
    return this.page.locator(`#${section} [data-part="${name}"]`);
  }

  item(section, text) {
    return this.page.locator(`#${section} li.item`, { hasText: text });
  }

  /** Waits until a part says this. */
  said(section, name, text) {
    return this.part(section, name).getByText(text).waitFor();
  }

  async search(user) {
    await this.page.locator("#people").getByLabel("User").fill(user);
    await this.page.locator("#people").getByRole("button", { name: "Search", exact: true }).click();
    await this.said("people", "title", user);
  }

  /** Presses a button in the question that is asked. */
  async answer(name) {
    await this.page.locator("#confirm").getByRole("button", { name, exact: true }).click();
    await this.page.locator("#confirm").waitFor({ state: "hidden" });
  }

  /** The browser's own complaints of answers that are expected here. */
  forgive(pattern) {
    const others = this.complaints.filter((text) => !pattern.test(text));
    assert.ok(others.length < this.complaints.length, `no complaint of ${pattern}: ${this.complaints}`);
    this.complaints = others;
  }

  /** Closes it; nothing went wrong in the browser, nothing came from elsewhere, and no address held a token. */
  async close() {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
    assert.deepEqual(this.requests.filter((url) => !url.startsWith(this.url)), []);
    assert.deepEqual(this.requests.filter((url) => /eyJ|token=/.test(url)), []);
  }
}
