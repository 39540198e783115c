// What every version of socket.io-client has to get from the echo server, over every transport: binary, acks of any
// arguments, namespaces. The hub itself has no use for these.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Echo } from "../rig/echo.mjs";
import { Client, TRANSPORTS } from "./client.mjs";

const BYTES = Buffer.from([0, 1, 127, 128, 254, 255]);
const PLAIN = ["text", "Grüße, 活动 😀", 1.5, true, null, { deep: [{ er: "\u0000\u001e\"" }, []] }];
const BINARY = [BYTES, { two: [BYTES, Buffer.alloc(0)] }, "and text 😀"];

export function againstTheEchoServer(dialect) {
  describe(`${dialect.name} and the echo server`, { timeout: 120_000 }, () => {
    let echo;
    before(async () => (echo = await Echo.start()));
    after(() => echo?.stop());

    for (const way of Object.keys(TRANSPORTS)) {
      describe(`over ${way}`, () => overOne(dialect, way, () => echo.url));
    }
  });
}

function overOne(dialect, way, url) {
  const open = [];

  function client(namespace = "/", options) {
    const one = new Client({ dialect, url: url() + namespace, way, options });
    open.push(one);
    return one;
  }

  afterEach(async () => {
    const clients = open.splice(0);
    try {
      for (const one of clients.filter(({ socket }) => socket.connected)) {
        await one.settled();
        assert.equal(one.connects, 1);
        assert.equal(one.openedOver, one.way.first);
      }
    } finally {
      for (const one of clients) one.close();
    }
  });

  for (const [what, args] of [["text", PLAIN], ["binary", BINARY], ["nothing", []]]) {
    it(`gets back a message of ${what}`, async () => {
      const one = await client().connect();
      one.socket.emit("message", ...args);
      await one.event("message-back");
      assert.deepEqual(one.log.at(-1), ["message-back", ...args]);
    });

    it(`gets an ack of ${what}`, async () => {
      const one = await client().connect();
      assert.deepEqual(await one.acked("message-with-ack", ...args), args);
    });
  }

  it("gets back large messages, also binary", async () => {
    const one = await client().connect();
    const [text, bytes] = ["活".repeat(100_000), Buffer.alloc(500_000, 7)];
    assert.deepEqual(await one.acked("message-with-ack", text), [text]);
    assert.deepEqual(await one.acked("message-with-ack", bytes), [bytes]);
  });

  it("loses, doubles and reorders nothing, text and binary mixed, also while it upgrades", async () => {
    const one = client().open();
    const sent = [];
    const send = (n) => {
      const message = n % 3 === 0 ? Buffer.from([n]) : n;
      sent.push(["message-back", message]);
      one.socket.emit("message", message);
    };
    one.socket.on("connect", () => send(0));
    // each answer brings the next, so that they go on through the upgrade
    one.socket.on("message-back", () => sent.length < 250 && [send(sent.length), send(sent.length)]);
    await one.event("message-back", (last) => Buffer.isBuffer(last) ? last[0] === 249 : last === 249);
    await one.settled();
    const back = await one.acked("message-with-ack", "end");
    assert.deepEqual(back, ["end"]);
    const got = one.log.filter(([event]) => event === "message-back");
    assert.deepEqual(got, sent.slice(0, got.length));
    assert.equal(got.length, sent.length);
  });

  it("is told what it gave as auth", async () => {
    const auth = { token: "123", deep: [1] };
    const one = await client("/", { auth }).connect();
    assert.deepEqual(await one.event("auth"), dialect.tokenIn === "auth" ? auth : {});
  });

  it("is let into another namespace, with binary there", async () => {
    const one = await client("/custom").connect();
    assert.deepEqual(await one.event("auth"), {});
    assert.deepEqual(await one.acked("message-with-ack", ...BINARY), BINARY);
    one.socket.emit("message", ...BINARY);
    await one.event("message-back");
    assert.deepEqual(one.log.at(-1), ["message-back", ...BINARY]);
  });

  it("has two namespaces over one connection, and may leave one", async () => {
    const main = await client().connect();
    const custom = main.socket.io.socket("/custom");
    await new Promise((done) => custom.on("connect", done) && custom.connect());
    await new Promise((done) => custom.emit("message-with-ack", 1, done));
    custom.disconnect();
    assert.deepEqual(await main.acked("message-with-ack", 2), [2]);
    assert.equal(main.socket.connected, true);
  });

  it("is refused an unknown namespace", async () => {
    const one = client("/random");
    const refusal = one.refusal();
    one.open();
    dialect.assertRefused(await refusal, "Invalid namespace");
    assert.equal(one.socket.connected, false);
  });
}
