// Tokens that run out under clients that are connected: socket.io-client 4 with an `auth` callback, and 2 through its
// query.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import io2 from "socket.io-client-2";
import { io as io4 } from "socket.io-client-4";
import { Hub } from "../rig/hub.mjs";
import { lineOf, start, until } from "../rig/process.mjs";
import { token } from "../rig/token.mjs";
import { Client, TRANSPORTS } from "./client.mjs";

const SETTINGS = { ROOMCAST_AUTH__LEEWAY_MS: "0", ROOMCAST_AUTH__EXPIRY_WARNING_MS: "1000" };

const campaignId = "c1";
const now = () => Math.floor(Date.now() / 1000);
const short = (seconds, claims = {}) => token("u1", { ownedCampaigns: [campaignId], exp: now() + seconds, ...claims });

describe("tokens that run out", { timeout: 120_000 }, () => {
  let hub;
  const open = [];

  before(async () => (hub = await Hub.start({ settings: SETTINGS })));
  after(() => hub?.stop());
  afterEach(() => open.splice(0).forEach((one) => one.close()));

  /** A client that asks `fetch` for a token at every connect, and subscribes whenever it is connected. */
  function client(version, way, fetch) {
    const dialect = { name: `socket.io-client ${version}`, io: version === 2 ? io2 : io4, tokenIn: "query", reserved: [] };
    const options = version === 2 ? { query: { token: fetch() } } : { auth: (give) => give({ token: fetch() }) };
    const one = new Client({ dialect, url: hub.url, way, options });
    if (version === 2) one.socket.on("reconnect_attempt", () => (one.socket.io.opts.query = { token: fetch() }));
    one.socket.on("connect", () => one.socket.emit("subscribe:campaign", { campaignId }));
    open.push(one);
    return one.open();
  }

  for (const version of [4, 2]) {
    for (const way of Object.keys(TRANSPORTS)) {
      it(`socket.io-client ${version} over ${way} is warned, and comes back by itself with a fresh token`, async () => {
        let asked = 0;
        const one = client(version, way, () => short(asked++ === 0 ? 3 : 600));
        await one.event("subscribed");
        await one.event("auth:expiring");
        const gone = one.said("disconnect");
        assert.equal((await one.event("error")).code, "token_expired");
        assert.match((await gone)[0], /^transport (close|error)$/);
        one.forget();
        await one.event("subscribed");
        assert.deepEqual([one.connects, asked], [2, 2]);
        await hub.publish({ channel: `campaign:${campaignId}`, payload: { eventType: "updated", n: way } });
        await one.event("campaign:updated", ({ n }) => n === way);
      });
    }
  }

  for (const way of Object.keys(TRANSPORTS)) {
    it(`socket.io-client 4 over ${way} refreshes its token at the warning and stays connected`, async () => {
      const ends = now() + 4;
      const one = client(4, way, () => short(3));
      await one.event("subscribed");
      await one.event("auth:expiring");
      const answer = await one.ask("auth:refresh", { token: short(600) });
      assert.deepEqual([answer.ok, await one.event("auth:refreshed")], [true, answer.data]);
      assert.ok(Date.parse(answer.data.expiresAt) > Date.now() + 500_000);
      const refused = await one.ask("auth:refresh", { token: token("u2") });
      assert.equal(refused.error.code, "auth_failed");
      await until(() => now() > ends, "the first token is over");
      assert.equal((await one.ask("subscribe:campaign", { campaignId })).ok, true);
      assert.deepEqual([one.connects, one.socket.connected], [1, true]);
    });
  }

  it("a client that slept through the end of its token comes back when it wakes up", async () => {
    const program = new URL("sleeper.mjs", import.meta.url).pathname;
    const sleeper = start(process.execPath, [program, hub.url, short(3), short(600)]);
    await lineOf(sleeper, /^subscribed 1$/, "the sleeper");
    sleeper.kill("SIGSTOP"); // a laptop whose lid is shut
    await until(async () => !(await hub.connections()), "the hub has closed it");
    const back = lineOf(sleeper, /^subscribed 2$/, "the sleeper");
    sleeper.kill("SIGCONT");
    await back;
    sleeper.kill("SIGKILL");
  });
});
