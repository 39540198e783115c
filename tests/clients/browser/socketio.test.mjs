// socket.io-client in headless Chromium, from a page of another origin than the hub's.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, afterEach, before, describe, it } from "node:test";
import { Echo } from "../rig/echo.mjs";
import { Hub, OFTEN } from "../rig/hub.mjs";
import { until } from "../rig/process.mjs";
import { Redis } from "../rig/redis.mjs";
import { token } from "../rig/token.mjs";
import { launch } from "./live.mjs";

const SCRIPTS = { 2: "socket.io-client-2/dist/socket.io.js", 4: "socket.io-client-4/dist/socket.io.min.js" };
const WAYS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

/** Serves `/2` and `/4`: a page with that version's bundle, and nothing of the hub's. */
async function pages() {
  const bundle = {};
  for (const [version, path] of Object.entries(SCRIPTS)) bundle[version] = await readFile(new URL(`../node_modules/${path}`, import.meta.url));
  const server = createServer((request, response) => {
    const version = request.url.match(/\d/)?.[0];
    if (request.url.endsWith(".js")) return response.end(bundle[version]);
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><title>a page</title><link rel="icon" href="data:,"><script src="/${version}.js"></script>`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** In the page: a client that keeps what comes as `log`. */
function connect([url, options]) {
  const socket = globalThis.io(url, { reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  const page = (globalThis.client = { socket, log: [], errors: [], transport: () => socket.io.engine.transport.name });
  const onevent = socket.onevent;
  socket.onevent = (packet) => {
    page.log.push(packet.data);
    onevent.call(socket, packet);
  };
  socket.on("connect_error", (error) => page.errors.push(error.message));
}

/** In the page: an event's ack. */
const ask = (args) => new Promise((answer) => globalThis.client.socket.emit(...args, answer));

describe("socket.io-client in Chromium", { timeout: 120_000 }, () => {
  let server, redis, hub, echo, browser, context, page, requests, complaints;

  before(async () => {
    server = await pages();
    redis = await Redis.start();
    const settings = { ...OFTEN, ROOMCAST_CORS__ORIGINS: origin("127.0.0.1"), ROOMCAST_CORS__CREDENTIALS: "true" };
    [hub, echo, browser] = await Promise.all([Hub.start({ redis, settings }), Echo.start(), launch()]);
  });

  after(async () => {
    await browser?.close();
    await Promise.all([hub?.stop(), echo?.stop()]);
    await redis?.stop();
    server?.close();
    server?.closeAllConnections();
  });

  afterEach(() => context.close());

  const origin = (host) => `http://${host}:${server.address().port}`;

  async function open(version, host = "127.0.0.1") {
    context = await browser.newContext();
    page = await context.newPage();
    [requests, complaints] = [[], []];
    page.on("request", (request) => requests.push(`${request.method()} ${request.url()}`));
    page.on("websocket", (socket) => requests.push(`WS ${socket.url()}`));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(`${origin(host)}/${version}`);
  }

  const polls = () => requests.filter((request) => /^(GET|POST) .*transport=polling/.test(request)).length;
  const sockets = () => requests.filter((request) => request.startsWith("WS ")).length;
  const transport = () => page.evaluate(() => globalThis.client.transport());

  async function event(name) {
    const look = () => page.evaluate((name) => globalThis.client.log.find(([event]) => event === name), name);
    const said = async () => JSON.stringify(await page.evaluate(() => [globalThis.client.log, globalThis.client.errors]));
    return until(look, name).catch(async (error) => assert.fail(`${error.message}; there came ${await said()}`));
  }

  async function member(way, version = 4, options = {}) {
    const identity = { token: token("u1", { ownedCampaigns: ["c1"] }) };
    const where = version === 2 ? { query: identity } : { auth: identity };
    await page.evaluate(connect, [hub.url, { transports: WAYS[way], ...where, ...options }]);
    await event("initial:system_status");
    const answer = await page.evaluate(ask, ["subscribe:campaign", { campaignId: "c1" }]);
    assert.deepEqual(answer, { ok: true, data: { type: "campaign", campaignId: "c1" } });
  }

  async function gets(text) {
    await hub.publish({ channel: "campaign:c1", payload: { eventType: "updated", text } });
    const found = (text) => globalThis.client.log.some(([event, data]) => event === "campaign:updated" && data.text === text);
    await until(() => page.evaluate(found, text), `the update ${text}`);
  }

  for (const version of [2, 4]) {
    for (const way of Object.keys(WAYS)) {
      it(`v${version} over ${way}: connects, subscribes, receives`, async () => {
        await open(version);
        await member(way, version);
        await gets("Grüße 😀");
        const last = way === "upgrade" ? "websocket" : way;
        await until(async () => (await transport()) === last, last);
        await gets("after all");
        assert.equal(polls() > 0, way !== "websocket");
        assert.equal(sockets(), way === "polling" ? 0 : 1);
        assert.deepEqual(complaints, []);
      });

      it(`v${version} over ${way}: sends and gets binary`, async () => {
        await open(version);
        // the echo server lets every page in, and so none with credentials, which v2 would send
        await page.evaluate(connect, [echo.url, { transports: WAYS[way], withCredentials: false }]);
        await page.evaluate(() => {
          const { socket, log } = globalThis.client;
          const bytes = Uint8Array.from({ length: 256 }, (_, n) => n).buffer;
          socket.emit("message-with-ack", bytes, { deep: bytes }, (...back) => log.push(["acked", ...back]));
          socket.emit("message", bytes, "text 😀");
        });
        await event("acked");
        await event("message-back");
        const back = await page.evaluate(() => {
          const [, first, text] = globalThis.client.log.find(([event]) => event === "message-back");
          const [, second, { deep }] = globalThis.client.log.find(([event]) => event === "acked");
          return [first, second, deep].map((got) => [got.constructor.name, ...new Uint8Array(got)]).concat(text);
        });
        const bytes = ["ArrayBuffer", ...Array.from({ length: 256 }, (_, n) => n)];
        assert.deepEqual(back, [bytes, bytes, bytes, "text 😀"]);
        assert.deepEqual(complaints, []);
      });
    }
  }

  it("with credentials, over polling and over the upgrade", async () => {
    await open(4);
    await context.addCookies([{ name: "load-balancer", value: "node-1", url: hub.url }]);
    for (const way of ["polling", "upgrade"]) {
      await member(way, 4, { withCredentials: true, forceNew: true });
      await gets(way);
      await page.evaluate(() => globalThis.client.socket.close());
    }
    assert.deepEqual(complaints, []);
  });

  it("comes back after the page was loaded again", async () => {
    await open(4);
    for (const text of ["first", "again"]) {
      await member("upgrade");
      await gets(text);
      await page.reload();
    }
    assert.deepEqual(complaints, []);
  });

  it("comes back by itself after the hub was killed and started again", async () => {
    await open(4);
    await member("upgrade");
    await page.evaluate(() => globalThis.client.socket.on("connect", () => (globalThis.client.back = true)));
    await hub.restart("SIGKILL");
    await until(() => page.evaluate(() => globalThis.client.back), "connected again");
    await page.evaluate(ask, ["subscribe:campaign", { campaignId: "c1" }]);
    await gets("after the restart");
  });

  it("may read why its token is refused", async () => {
    await open(4);
    await page.evaluate(connect, [hub.url, { auth: { token: "nonsense" } }]);
    const errors = () => page.evaluate(() => globalThis.client.errors);
    await until(async () => (await errors()).length, "an error");
    assert.deepEqual(await errors(), ["Authentication failed"]);
  });

  for (const way of ["polling", "websocket"]) {
    it(`from an origin that is not allowed: refused over ${way}, before it has said a word`, async () => {
      await open(4, "localhost");
      const answers = [];
      page.on("response", (response) => answers.push(response.status()));
      await page.evaluate(connect, [hub.url, { transports: WAYS[way], auth: { token: token("u1") } }]);
      const errors = () => page.evaluate(() => globalThis.client.errors);
      await until(async () => (await errors()).length > 1, "two tries, refused");
      const expected = way === "polling" ? "xhr poll error" : "websocket error";
      assert.deepEqual([...new Set(await errors())], [expected]);
      assert.equal(await page.evaluate(() => globalThis.client.socket.connected), false);
      assert.match(complaints[0], way === "polling" ? /CORS policy|403/ : /403/);
      if (way === "polling") assert.ok(answers.every((status) => status === 403));
    });
  }
});
