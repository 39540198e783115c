// What socket.io-client 3 and 4 have in common: Engine.IO 4 and Socket.IO 5.

import assert from "node:assert/strict";
import { againstTheEchoServer } from "./echo.mjs";
import { againstTheHub } from "./hub.mjs";

export function againstBoth(name, io) {
  const dialect = {
    name,
    io,
    tokenIn: "auth",
    refusedBy: "connect_error",
    reserved: [],
    assertRefused(error, message, data) {
      assert.equal(error.message, message);
      assert.deepEqual(error.data, data);
    },
  };
  againstTheHub(dialect);
  againstTheEchoServer(dialect);
}
