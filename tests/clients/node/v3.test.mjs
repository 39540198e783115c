// socket.io-client 3: Engine.IO 4 and Socket.IO 5.

import assert from "node:assert/strict";
import { io } from "socket.io-client-3";
import { againstTheEchoServer } from "./echo.mjs";
import { againstTheHub } from "./hub.mjs";

const dialect = {
  name: "socket.io-client 3",
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
