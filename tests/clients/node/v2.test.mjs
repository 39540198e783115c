// socket.io-client 2: Engine.IO 3 and Socket.IO 4.

import assert from "node:assert/strict";
import io from "socket.io-client-2";
import { againstTheEchoServer } from "./echo.mjs";
import { againstTheHub } from "./hub.mjs";

const dialect = {
  name: "socket.io-client 2",
  io,
  tokenIn: "query", // it has no `auth`
  refusedBy: "error",
  reserved: ["ping"], // `emit("ping")` never leaves the client
  // the hub sends a plain string, which every v2 client can show
  assertRefused: (error, message) => assert.equal(error, message),
};

againstTheHub(dialect);
againstTheEchoServer(dialect);
