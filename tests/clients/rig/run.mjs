// Runs a client's tests that are not written for Node: `node rig/run.mjs COMMAND…`. Starts Redis, the hub and the echo
// server, and hands COMMAND the address of this program in CLIENTS_RIG, where it may ask, with JSON:
//
//   GET  /                         {hub, echo}: their addresses
//   GET  /events?campaign=&user=   what to publish, and what becomes of it (events.json)
//   POST /token    {sub, …}        {token}
//   POST /publish  [{channel, payload}]
//   POST /restart  {signal}        ends the hub and starts it again on the same port
//   POST /cut                      the hub loses Redis for a moment
//
// Ends with COMMAND's exit code.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { Echo } from "./echo.mjs";
import { events } from "./events.mjs";
import { Hub, OFTEN } from "./hub.mjs";
import { Redis } from "./redis.mjs";
import { token } from "./token.mjs";

const redis = await Redis.start();
const [hub, echo] = await Promise.all([Hub.start({ redis, settings: OFTEN }), Echo.start()]);

const CALLS = {
  "GET /": () => ({ hub: hub.url, echo: echo.url }),
  "GET /events": (_, query) => events(query.get("campaign"), query.get("user")),
  "POST /token": ({ sub, ...claims }) => ({ token: token(sub, claims) }),
  "POST /publish": (messages) => hub.publish(...messages),
  "POST /restart": ({ signal }) => hub.restart(signal),
  "POST /cut": async () => void (await redis.cut()),
};

async function answer(request) {
  const url = new URL(request.url, "http://rig");
  const body = request.method === "POST" ? await json(request) : undefined;
  return (await CALLS[`${request.method} ${url.pathname}`](body, url.searchParams)) ?? {};
}

const control = createServer((request, response) =>
  answer(request).then(
    (said) => response.end(JSON.stringify(said)),
    (error) => response.writeHead(500).end(error.stack),
  ),
);
control.listen(0, "127.0.0.1");
await once(control, "listening");

const [command, ...args] = process.argv.slice(2);
const env = { ...process.env, CLIENTS_RIG: `http://127.0.0.1:${control.address().port}` };
const program = spawn(command, args, { stdio: "inherit", env });
program.on("error", (error) => console.error(`cannot start ${command}: ${error.message}`));
const [code] = await Promise.race([once(program, "exit"), once(program, "error").then(() => [127])]);

control.close();
control.closeAllConnections();
await Promise.all([hub.stop(), echo.stop()]);
await redis.stop();
process.exitCode = code ?? 1;
