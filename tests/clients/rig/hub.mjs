// The hub on a free port with throwaway data.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { lineOf, PATIENCE, start, stop, until } from "./process.mjs";
import { admin, SECRET } from "./token.mjs";

const BINARY = process.env.ROOMCAST_BIN;
const LISTENS = /^listening on http:\/\/127\.0\.0\.1:\d+$/;
const run = promisify(execFile);

/** Settings with which pings come often, so that a client's heartbeat is seen to work, and are waited for long. */
export const OFTEN = { ROOMCAST_SOCKETIO__PING_INTERVAL_MS: "300", ROOMCAST_SOCKETIO__PING_TIMEOUT_MS: "20000" };

/** As it runs in production: a secret, and Redis if it is given one. */
export class Hub {
  /** `settings` are environment variables, `args` further arguments of `serve`. */
  static async start({ redis, settings = {}, args = [] } = {}) {
    if (!BINARY) throw new Error("ROOMCAST_BIN names the hub's binary: run this by `make test`");
    const hub = new this();
    hub.args = args;
    hub.dir = await mkdtemp(join(tmpdir(), "roomcast-"));
    hub.env = {
      PATH: process.env.PATH,
      RUST_LOG: "warn",
      DATABASE_URL: `sqlite://${join(hub.dir, "hub.db")}`,
      ...(redis && { REDIS_URL: redis.url }),
      ...hub.keys(),
      ...settings,
    };
    await hub.launch(0);
    return hub;
  }

  keys() {
    return { ROOMCAST_AUTH__SECRET: SECRET };
  }

  async launch(port) {
    const args = ["serve", "--host", "127.0.0.1", "--port", `${port}`, ...this.args];
    this.process = start(BINARY, args, { env: this.env, cwd: this.dir });
    const line = await lineOf(this.process, LISTENS, "the hub");
    this.url = line.slice("listening on ".length);
    this.port = Number(this.url.split(":").pop());
    const ready = async () => (await fetch(`${this.url}/health/ready`)).status === 200;
    await until(ready, "the hub gets ready");
  }

  /** Publishes all of `[{channel, payload}]` through the HTTP API. */
  async publish(...messages) {
    const answer = await fetch(`${this.url}/api/v1/events`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${admin()}` },
      body: JSON.stringify(messages.map(({ channel, payload }) => ({ channel, payload }))),
    });
    const body = await answer.text();
    const taken = answer.status === 202 && JSON.parse(body).results.every(({ ok }) => ok);
    if (!taken) throw new Error(`not published: ${answer.status} ${body}`);
  }

  /** How many sockets are open. */
  async connections() {
    const metrics = await (await fetch(`${this.url}/metrics`)).text();
    return Number(/^websocket_connections_active (\d+)$/m.exec(metrics)[1]);
  }

  /** Ends it and starts it again on the same port. */
  async restart(signal) {
    await stop(this.process, signal);
    await this.launch(this.port);
  }

  end() {
    return stop(this.process, "SIGTERM");
  }

  async stop() {
    await this.end();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** With `--dev`: it needs nothing, and the command line reaches it. */
export class DevHub extends Hub {
  static start(...args) {
    return super.start({ args: ["--dev", ...args] });
  }

  keys() {
    return {};
  }

  /** Fills the store with the example campaigns and publishes one event for each. */
  async demo() {
    const env = { ...this.env, ROOMCAST_SERVER__PORT: `${this.port}` };
    await run(BINARY, ["demo", "--once", "--dev"], { env, cwd: this.dir, timeout: PATIENCE });
  }

  /** Publishes as a shell would: with the command line and the hub's address. */
  async publish(channel, payload) {
    const args = ["publish", channel, JSON.stringify(payload), "--dev", "--url", this.url];
    await run(BINARY, args, { env: { PATH: process.env.PATH }, cwd: this.dir, timeout: PATIENCE });
  }

  /** Runs a line in a shell that finds `roomcast` in its path. */
  async shell(line) {
    await run("sh", ["-c", `roomcast() { "$ROOMCAST_BIN" "$@"; }\n${line}`], {
      env: { PATH: process.env.PATH, ROOMCAST_BIN: BINARY }, cwd: this.dir, timeout: PATIENCE,
    });
  }
}
