// The real socket.io-client v4 against a running hub, with events through a real Redis.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { io } from "socket.io-client";
import { Hub, Redis, token } from "./hub.mjs";

const PATIENCE = 20_000;

describe("socket.io-client v4", { timeout: 120_000 }, () => {
  let redis;
  let hub;
  const open = [];

  before(async () => {
    redis = await Redis.start();
    hub = await Hub.start(redis);
  });

  after(async () => {
    await hub?.stop();
    await redis?.stop();
  });

  afterEach(() => {
    for (const socket of open.splice(0)) socket.disconnect();
  });

  /** A client that has not connected yet; `log` has every event in order. */
  function client(auth, options = {}) {
    const socket = io(hub.url, {
      transports: ["websocket"], auth, forceNew: true, autoConnect: false, reconnectionDelay: 50, reconnectionDelayMax: 200,
      ...options,
    });
    socket.log = [];
    socket.onAny((name, data) => socket.log.push([name, data]));
    open.push(socket);
    return socket;
  }

  async function connected(auth, options) {
    const socket = client(auth, options);
    const ready = next(socket, "initial:system_status");
    socket.connect();
    await ready;
    return socket;
  }

  async function member(campaignId, claims = { permissions: ["admin"] }) {
    const socket = await connected({ token: token("u1", claims) });
    const answer = await socket.timeout(PATIENCE).emitWithAck("subscribe:campaign", { campaignId });
    assert.deepEqual(answer, { ok: true, data: { type: "campaign", campaignId } });
    return socket;
  }

  /** The arguments of the next event of this name. */
  function next(emitter, name) {
    const event = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited for ${name} in vain`)), PATIENCE);
      emitter.once(name, (...args) => {
        clearTimeout(timer);
        resolve(args);
      });
    });
    event.catch(() => {}); // a test that has failed before it looks does not fail twice
    return event;
  }

  it("connects and gets the initial events in order", async () => {
    const socket = await connected({ token: token("u1") });
    assert.equal(socket.connected, true);
    assert.ok(socket.id.length >= 20);
    const names = socket.log.map(([name]) => name);
    assert.deepEqual(names, ["initial:campaigns", "initial:notifications", "initial:system_status"]);
    assert.equal(socket.log[2][1].status, "operational");
  });

  it("takes the token from a callback", async () => {
    const socket = await connected((give) => give({ token: token("u2") }));
    const answer = await socket.timeout(PATIENCE).emitWithAck("subscribe:user", {});
    assert.deepEqual(answer, { ok: true, data: { type: "user", userId: "u2" } });
  });

  for (const [what, auth, reason] of [
    ["a wrong token", { token: "nonsense" }, "invalid"],
    ["a token that has run out", { token: token("u1", { exp: 1_600_000_000 }) }, "expired"],
    ["no token", undefined, "missing"],
  ]) {
    it(`is told that ${what} is refused and why`, async () => {
      const socket = client(auth);
      const refused = next(socket, "connect_error");
      socket.connect();
      const [error] = await refused;
      assert.equal(error.message, "Authentication failed");
      assert.deepEqual(error.data, { code: "auth_failed", reason });
      assert.equal(socket.active, false); // it does not try again by itself
    });
  }

  it("is told that another namespace is none", async () => {
    const socket = io(`${hub.url}/admin`, { transports: ["websocket"], auth: { token: token("u1") }, forceNew: true });
    open.push(socket);
    const [error] = await next(socket, "connect_error");
    assert.equal(error.message, "Invalid namespace");
  });

  it("subscribes: the snapshot, subscribed, the ack", async () => {
    const socket = await connected({ token: token("u1", { ownedCampaigns: ["auth0|活动/1"] }) });
    const campaignId = "auth0|活动/1";
    socket.log.length = 0;
    const answer = await socket.timeout(PATIENCE).emitWithAck("subscribe:campaign", { campaignId });
    assert.deepEqual(socket.log, [
      ["campaign:status", { campaignId, status: null, metadata: null, timestamp: null }],
      ["subscribed", { type: "campaign", campaignId }],
    ]);
    assert.deepEqual(answer, { ok: true, data: { type: "campaign", campaignId } });
  });

  it("is denied a foreign campaign with an error event and in the ack", async () => {
    const socket = await connected({ token: token("u1") });
    const error = next(socket, "error");
    const answer = await socket.timeout(PATIENCE).emitWithAck("subscribe:campaign", { campaignId: "foreign" });
    const said = { code: "access_denied", message: "Access denied to campaign" };
    assert.deepEqual(answer, { ok: false, error: said });
    assert.deepEqual((await error)[0], { ...said, event: "subscribe:campaign", campaignId: "foreign" });
  });

  it("an event without a payload is an error and nothing worse", async () => {
    const socket = await connected({ token: token("u1") });
    const answer = await socket.timeout(PATIENCE).emitWithAck("subscribe:campaign");
    assert.equal(answer.error.code, "invalid_payload");
    assert.equal((await socket.timeout(PATIENCE).emitWithAck("ping")).ok, true);
  });

  it("receives what is published through Redis, in order", async () => {
    const socket = await member("c1");
    socket.log.length = 0;
    const message = { eventType: "status.changed", fromStatus: "DRAFT", toStatus: "RUNNING", trigger: "manual", timestamp: 0 };
    assert.equal(await redis.publish("campaign:c1", message), 1);
    for (let n = 0; n < 5; n++) await redis.publish("campaign:c1", { eventType: "updated", n, timestamp: n });
    while (socket.log.length < 6) await next(socket, "campaign:updated");
    const timestamp = "1970-01-01T00:00:00.000Z";
    assert.deepEqual(socket.log[0], [
      "campaign:status_changed",
      { campaignId: "c1", status: "RUNNING", previousStatus: "DRAFT", trigger: "manual", timestamp },
    ]);
    assert.deepEqual(socket.log.slice(1).map(([, data]) => data.n), [0, 1, 2, 3, 4]);
  });

  it("may emit and listen at once on connect", async () => {
    const socket = client({ token: token("u1", { permissions: ["admin"] }) });
    socket.on("connect", () => socket.emit("subscribe:campaign", { campaignId: "c2" }));
    const subscribed = next(socket, "subscribed");
    socket.connect();
    assert.deepEqual(await subscribed, [{ type: "campaign", campaignId: "c2" }]);
  });

  for (const [what, signal, reason] of [
    ["was stopped", "SIGTERM", "transport close"],
    ["was killed", "SIGKILL", "transport close"],
  ]) {
    it(`comes back by itself after the hub ${what} and started again`, async () => {
      const socket = await member("c1");
      const told = signal === "SIGTERM" && next(socket, "error");
      const gone = next(socket, "disconnect");
      const back = next(socket, "connect");
      await hub.restart(signal);
      if (told) assert.equal((await told)[0].code, "shutting_down");
      assert.equal((await gone)[0], reason);
      await back;
      await socket.timeout(PATIENCE).emitWithAck("subscribe:campaign", { campaignId: "c1" });
      const update = next(socket, "campaign:updated");
      await redis.publish("campaign:c1", { eventType: "updated", after: signal });
      assert.equal((await update)[0].after, signal);
    });
  }

  it("stays away after its own disconnect and the others notice nothing", async () => {
    const [one, other] = [await member("c1"), await member("c1")];
    const gone = next(one, "disconnect");
    one.disconnect();
    assert.equal((await gone)[0], "io client disconnect");
    const update = next(other, "campaign:updated");
    assert.equal(await redis.publish("campaign:c1", { eventType: "updated", n: 1 }), 1);
    await update;
  });

  it("stays away after a disconnect by the hub: the eleventh socket of a user ends the first", async () => {
    const auth = { token: token("crowd") };
    const first = await connected(auth);
    const told = next(first, "error");
    const gone = next(first, "disconnect");
    for (let n = 0; n < 10; n++) await connected(auth);
    assert.equal((await told)[0].code, "connection_limit");
    assert.equal((await gone)[0], "io server disconnect");
    assert.equal(first.active, false);
  });
});
