// What every version of socket.io-client has to get from the hub, over every transport.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { events, received } from "../rig/events.mjs";
import { Hub, OFTEN } from "../rig/hub.mjs";
import { until } from "../rig/process.mjs";
import { Redis } from "../rig/redis.mjs";
import { admin, token } from "../rig/token.mjs";
import { Client, TRANSPORTS } from "./client.mjs";

// what goes out on different channels, or waits for the store, has no order among itself
const name = ([event, { id = "" }]) => `${event} ${id}`;
const sorted = (log) => log.toSorted((a, b) => name(a).localeCompare(name(b)));

export function againstTheHub(dialect) {
  describe(`${dialect.name} and the hub`, { timeout: 120_000 }, () => {
    let redis;
    let hub;

    before(async () => {
      redis = await Redis.start();
      hub = await Hub.start({ redis, settings: OFTEN });
    });

    after(async () => {
      await hub?.stop();
      await redis?.stop();
    });

    for (const way of Object.keys(TRANSPORTS)) {
      describe(`over ${way}`, () => overOne(dialect, way, () => ({ redis, hub })));
    }
  });
}

function overOne(dialect, way, running) {
  const open = [];
  const campaignId = `c-${way}`;
  const userId = `u-${way}`;
  const owner = () => token(userId, { ownedCampaigns: [campaignId] });

  /** One that has not connected yet. */
  function client(token, options) {
    const one = new Client({ dialect, url: running().hub.url, way, token, options });
    open.push(one);
    return one;
  }

  async function connected(token) {
    const one = await client(token).connect();
    await one.event("initial:system_status");
    return one;
  }

  async function member() {
    const one = await connected(owner());
    await one.ask("subscribe:campaign", { campaignId });
    return one;
  }

  const update = (n) => ({ channel: `campaign:${campaignId}`, payload: { eventType: "updated", n } });

  afterEach(async (test) => {
    const clients = open.splice(0);
    try {
      for (const one of clients.filter(({ socket }) => socket.connected)) await one.settled();
      for (const one of clients.filter(({ connects }) => connects)) assert.equal(one.openedOver, one.way.first);
    } finally {
      for (const one of clients) one.close();
    }
  });

  it("connects and gets the initial events in order", async () => {
    const one = await connected(owner());
    assert.ok(one.socket.id.length >= 20);
    const names = one.log.map(([event]) => event);
    assert.deepEqual(names, ["initial:campaigns", "initial:notifications", "initial:system_status"]);
    assert.match(one.log[2][1].status, /^(operational|degraded)$/); // degraded for a minute after a gap
  });

  it("receives each kind of event in the rooms that it is in, once", async () => {
    const one = await connected(owner());
    const boss = await connected(admin());
    assert.deepEqual(await one.ask("subscribe:campaign", { campaignId }), { ok: true, data: { type: "campaign", campaignId } });
    assert.deepEqual(await one.ask("subscribe:user", {}), { ok: true, data: { type: "user", userId } });
    assert.deepEqual(await boss.ask("subscribe:system"), { ok: true, data: { type: "system" } });
    for (const each of [one, boss]) each.forget();
    const all = events(campaignId, userId);
    await running().hub.publish(...all);
    await running().hub.publish(update("last"), { channel: "system:alerts", payload: { level: "info", title: "last", message: "" } });
    await one.event("campaign:updated", ({ n }) => n === "last");
    await boss.event("system:alert", ({ title }) => title === "last");
    const [own, theirs] = [received(all, "campaign", "user"), received(all, "system")];
    const notices = own.filter(([event]) => event === "notification");
    for (const [, { id }] of notices) await one.event("notification", (data) => data.id === id); // they wait for the store
    const seen = (log) => sorted(log.filter(([, { n, title, service }]) => n !== "last" && title !== "last" && service !== "roomcast"));
    assert.deepEqual(seen(one.log), sorted(own));
    assert.deepEqual(seen(boss.log), sorted(theirs));
    await boss.event("system:service_status", ({ service, metrics }) => service === "roomcast" && metrics.connections >= 2);
  });

  it("receives events of one channel in order", async () => {
    const one = await member();
    one.forget();
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    for (let n = 0; n < 200; n += 10) await running().hub.publish(...numbers.slice(n, n + 10).map(update));
    await one.event("campaign:updated", ({ n }) => n === 199);
    assert.deepEqual(one.log.map(([, { n }]) => n), numbers);
  });

  it("subscribes: the snapshot, subscribed, the ack; and leaves again", async () => {
    const campaignId = "auth0|活动/😀";
    const one = await connected(token(userId, { participatingCampaigns: [campaignId] }));
    one.forget();
    const answer = await one.ask("subscribe:campaign", { campaignId });
    assert.deepEqual(one.log, [
      ["campaign:status", { campaignId, status: null, metadata: null, timestamp: null }],
      ["subscribed", { type: "campaign", campaignId }],
    ]);
    assert.deepEqual(answer, { ok: true, data: { type: "campaign", campaignId } });
    assert.deepEqual(await one.ask("unsubscribe:campaign", { campaignId }), answer);
    assert.deepEqual(one.log[2], ["unsubscribed", { type: "campaign", campaignId }]);
  });

  it("is denied what is not its own, in an error event and in the ack", async () => {
    const one = await connected(owner());
    one.forget();
    const campaign = { code: "access_denied", message: "Access denied to campaign" };
    assert.deepEqual(await one.ask("subscribe:campaign", { campaignId: "foreign" }), { ok: false, error: campaign });
    const system = { code: "admin_required", message: "Admin access required" };
    assert.deepEqual(await one.ask("subscribe:system"), { ok: false, error: system });
    assert.deepEqual(one.log, [
      ["error", { ...campaign, event: "subscribe:campaign", campaignId: "foreign" }],
      ["error", { ...system, event: "subscribe:system" }],
    ]);
  });

  it("an event without its payload, and an unknown one, are errors and nothing worse", async () => {
    const one = await connected(owner());
    assert.equal((await one.ask("subscribe:campaign")).error.code, "invalid_payload");
    assert.equal((await one.ask("nonsense", 1, [2], null)).error.code, "unknown_event");
    assert.equal((await one.ask("subscribe:user", {})).ok, true);
  });

  if (!dialect.reserved.includes("ping")) {
    it("gets a pong for its ping", async () => {
      const one = await connected(owner());
      const { ok, data } = await one.ask("ping");
      assert.equal(ok, true);
      assert.ok(Math.abs(data.timestamp - Date.now()) < 60_000);
      assert.deepEqual(await one.event("pong"), data);
    });
  }

  it("reads a notification and it stays read", async () => {
    const user = `reader-${way}`;
    const one = await connected(token(user));
    await one.ask("subscribe:user", {});
    const payload = { id: `read-${way}`, type: "info", title: "t", message: "m" };
    await running().hub.publish({ channel: `user:${user}`, payload });
    await one.event("notification", ({ id }) => id === payload.id);
    const read = { ids: [payload.id] };
    assert.deepEqual(await one.ask("notifications:read", read), { ok: true, data: read });
    assert.deepEqual(await one.event("notifications:read"), read);
    assert.deepEqual((await connected(token(user))).log[1], ["initial:notifications", []]);
  });

  it("lives on by its heartbeat", async () => {
    const one = await connected(owner());
    let beats = 0;
    // with Engine.IO 4 the hub pings, with 3 it answers the client's pings
    one.engine.on("packet", ({ type }) => /^p[io]ng$/.test(type) && beats++);
    await until(() => beats === 3, "three heartbeats");
    assert.equal((await one.ask("subscribe:user", {})).ok, true);
    assert.equal(one.connects, 1);
  });

  for (const [what, refused, reason] of [
    ["a wrong token", () => "nonsense", "invalid"],
    ["a token that has run out", () => token("u1", { exp: 1_600_000_000 }), "expired"],
    ["no token", () => undefined, "missing"],
  ]) {
    it(`is told that ${what} is refused`, async () => {
      const one = client(refused());
      const refusal = one.refusal();
      one.open();
      dialect.assertRefused(await refusal, "Authentication failed", { code: "auth_failed", reason });
      assert.equal(one.socket.connected, false);
      assert.equal(one.connects, 0);
    });
  }

  it("is told that another namespace is none", async () => {
    const one = new Client({ dialect, url: `${running().hub.url}/admin`, way, token: owner() });
    open.push(one);
    const refusal = one.refusal();
    one.open();
    dialect.assertRefused(await refusal, "Invalid namespace");
  });

  it("may emit at once on connect", async () => {
    const one = client(owner());
    one.socket.on("connect", () => one.socket.emit("subscribe:campaign", { campaignId }));
    one.open();
    assert.deepEqual(await one.event("subscribed"), { type: "campaign", campaignId });
  });

  it("is told of a gap when the hub has lost Redis, and gets the state anew", async () => {
    const one = await member();
    one.forget();
    await running().redis.cut();
    assert.equal((await one.event("gap")).source, "redis");
    assert.equal((await one.event("campaign:status")).campaignId, campaignId);
  });

  for (const [what, signal] of [["killed", "SIGKILL"], ["told to end", "SIGTERM"]]) {
    it(`comes back by itself after the hub was ${what} and started again`, async () => {
      const one = client(owner());
      one.socket.on("connect", () => one.socket.emit("subscribe:campaign", { campaignId }));
      one.open();
      await one.event("subscribed");
      await one.settled();
      one.forget();
      const gone = one.said("disconnect");
      await running().hub.restart(signal);
      assert.match((await gone)[0], /^transport (close|error)$/);
      await one.event("subscribed");
      if (signal === "SIGTERM") assert.equal(one.log[0][1].code, "shutting_down", JSON.stringify(one.log));
      assert.equal(one.connects, 2);
      await running().hub.publish(update(signal));
      await one.event("campaign:updated", ({ n }) => n === signal);
    });
  }

  it("stays away after its own disconnect, and the others notice nothing", async () => {
    const [one, other] = [await member(), await member()];
    await one.settled();
    const gone = one.said("disconnect");
    one.socket.disconnect();
    assert.equal((await gone)[0], "io client disconnect");
    await running().hub.publish(update("still"));
    await other.event("campaign:updated", ({ n }) => n === "still");
    assert.equal(one.connects, 1);
  });

  it("stays away when the hub sends it away: the eleventh socket of a user ends the first", async () => {
    const crowd = token(`crowd-${way}`);
    const first = await connected(crowd);
    const gone = first.said("disconnect");
    for (let n = 0; n < 10; n++) await connected(crowd);
    assert.equal((await gone)[0], "io server disconnect");
    assert.equal((await first.event("error")).code, "connection_limit");
    assert.equal(first.socket.connected, false);
  });
}
