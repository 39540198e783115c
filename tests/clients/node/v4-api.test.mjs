// What only the API of newer socket.io-clients has, over their default transports; and events through Redis itself.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { io } from "socket.io-client-4";
import { Hub } from "../rig/hub.mjs";
import { PATIENCE, until } from "../rig/process.mjs";
import { Redis } from "../rig/redis.mjs";
import { admin, token } from "../rig/token.mjs";

describe("the API of socket.io-client 4", { timeout: 120_000 }, () => {
  let redis;
  let hub;
  const open = [];

  before(async () => {
    redis = await Redis.start();
    hub = await Hub.start({ redis });
  });

  after(async () => {
    await hub?.stop();
    await redis?.stop();
  });

  afterEach(() => {
    for (const socket of open.splice(0)) socket.disconnect();
  });

  function connect(auth) {
    const socket = io(hub.url, { auth, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200 });
    socket.log = [];
    socket.onAny((event, data) => socket.log.push([event, data]));
    open.push(socket);
    return socket;
  }

  it("asks a function for a fresh token at every connect", async () => {
    const given = [];
    const socket = connect((give) => {
      given.push(token("u1", { jti: given.length }));
      give({ token: given.at(-1) });
    });
    await until(() => socket.connected, "connected");
    await hub.restart("SIGKILL");
    await until(() => socket.connected && given.length > 1, "connected again");
    assert.deepEqual(await socket.timeout(PATIENCE).emitWithAck("subscribe:user", {}), {
      ok: true, data: { type: "user", userId: "u1" },
    });
  });

  it("does not try again by itself with a token that was refused, and may with another", async () => {
    const identity = { token: "nonsense" };
    const socket = connect((give) => give(identity));
    const error = await new Promise((refused) => socket.once("connect_error", refused));
    assert.deepEqual(error.data, { code: "auth_failed", reason: "invalid" });
    assert.equal(socket.active, false);
    identity.token = token("u1");
    socket.connect();
    await until(() => socket.connected, "connected");
  });

  it("receives what is published through Redis, once and in order", async () => {
    const socket = connect({ token: admin() });
    const sockets = [socket, connect({ token: admin() })];
    for (const one of sockets) await one.timeout(PATIENCE).emitWithAck("subscribe:campaign", { campaignId: "c1" });
    socket.log.length = 0;
    for (let n = 0; n < 5; n++) {
      assert.equal(await redis.publish("campaign:c1", { eventType: "updated", n, timestamp: 0 }), 1);
    }
    await until(() => socket.log.length === 5, "five events");
    const timestamp = "1970-01-01T00:00:00.000Z";
    const expected = [0, 1, 2, 3, 4].map((n) => ["campaign:updated", { campaignId: "c1", timestamp, n }]);
    assert.deepEqual(socket.log, expected);
  });
});
