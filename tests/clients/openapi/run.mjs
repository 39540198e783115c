// Schemathesis against a running hub: calls made of docs/api/openapi.json, right ones and wrong ones. No answer may be
// a 500 or anything that the document does not say. Arguments go to `st run`: `node openapi/run.mjs --max-examples=5`.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client-4";
import { Hub } from "../rig/hub.mjs";
import { token } from "../rig/token.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// "issued" later than any call of this run, or the first `revoke` of whom schemathesis reads in the token ends it all
const now = Math.floor(Date.now() / 1000);
const operator = (sub) => token(sub, { permissions: ["admin"], iat: now + 3600, exp: now + 7200 });

// the calls come from one address, faster than its pages would
const hub = await Hub.start({ settings: { RUST_LOG: "error", ROOMCAST_LIMITS__HANDSHAKES_PER_ADDRESS_PER_MINUTE: "0" } });

// so that lists are not empty; who is sent away comes back
const members = ["u1", "u2", "auth0|3"].map((sub) => {
  const socket = io(hub.url, { auth: { token: operator(sub) }, transports: ["websocket"], forceNew: true });
  socket.on("connect", () => socket.emit("subscribe:campaign", { campaignId: "c1" }).emit("subscribe:user"));
  socket.on("disconnect", (reason) => reason === "io server disconnect" && setTimeout(() => socket.connect(), 50));
  return socket;
});
await Promise.all(members.map((socket) => new Promise((resolve) => socket.once("subscribed", resolve))));

const schemathesis = spawn(
  here(".venv/bin/st"),
  [
    "--config-file", here("schemathesis.toml"), "run", here("../../../docs/api/openapi.json"), "--url", hub.url,
    "--header", `Authorization: Bearer ${operator("boss")}`, ...process.argv.slice(2),
  ],
  { stdio: "inherit", cwd: hub.dir, env: { ...process.env, PYTHONWARNINGS: "ignore", NO_COLOR: "1" } },
);
const [code] = await once(schemathesis, "exit");
const alive = (await fetch(`${hub.url}/health/ready`)).status === 200;
if (!alive) console.error("the hub is not ready any more");

members.forEach((socket) => socket.disconnect());
await hub.stop();
process.exitCode = code || !alive ? 1 : 0;
