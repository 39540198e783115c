// Starts Redis and the hub on free ports with throwaway data, and stops them by their ids.

import { spawn, execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const SECRET = "a secret of the tests, thirty-two bytes and more";
const BINARY = process.env.ROOMCAST_BIN;
const run = promisify(execFile);

/** A token signed here, not by the hub. */
export function token(sub, claims = {}) {
  const seconds = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = { sub, permissions: [], iat: seconds, exp: seconds + 600, ...claims };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(body)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

export class Redis {
  static async start() {
    const redis = new Redis();
    redis.port = await freePort();
    const args = ["--port", `${redis.port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    redis.process = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"], cwd: tmpdir() });
    await lineOf(redis.process, /ready to accept connections/i, "redis-server (`make setup` installs it)");
    return redis;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}/`;
  }

  /** Publishes; gives how many subscriptions took it. */
  async publish(channel, payload) {
    const args = ["-p", `${this.port}`, "publish", channel, JSON.stringify(payload)];
    return Number((await run("redis-cli", args)).stdout);
  }

  stop() {
    return stop(this.process, "SIGKILL");
  }
}

export class Hub {
  static async start(redis) {
    const hub = new Hub();
    hub.redis = redis;
    hub.dir = await mkdtemp(join(tmpdir(), "roomcast-"));
    await hub.launch(0);
    return hub;
  }

  async launch(port) {
    const env = {
      PATH: process.env.PATH,
      RUST_LOG: "warn",
      REDIS_URL: this.redis.url,
      DATABASE_URL: `sqlite://${join(this.dir, "hub.db")}`,
      ROOMCAST_AUTH__SECRET: SECRET,
    };
    const args = ["serve", "--host", "127.0.0.1", "--port", `${port}`];
    this.process = spawn(BINARY, args, { stdio: ["ignore", "pipe", "inherit"], env, cwd: this.dir });
    const line = await lineOf(this.process, /^listening on http:\/\/127\.0\.0\.1:\d+$/, "the hub");
    this.url = line.slice("listening on ".length);
    this.port = Number(this.url.split(":").pop());
    await this.ready();
  }

  async ready() {
    const deadline = Date.now() + 20_000;
    while ((await fetch(`${this.url}/health/ready`)).status !== 200) {
      if (Date.now() > deadline) throw new Error("the hub does not get ready");
      await new Promise((resolve) => setTimeout(resolve, 10)); // between two looks
    }
  }

  /** Ends it and starts it again on the same port. */
  async restart(signal) {
    await stop(this.process, signal);
    await this.launch(this.port);
  }

  async stop() {
    await stop(this.process, "SIGTERM");
    await rm(this.dir, { recursive: true, force: true });
  }
}

async function stop(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

/** The first line that matches; the rest is read on, so that the pipe never fills up. */
function lineOf(child, pattern, what) {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Error(`cannot start ${what}: ${error.message}`)));
    child.on("exit", (code) => reject(new Error(`${what} ended with ${code} before it was ready`)));
    createInterface({ input: child.stdout }).on("line", (line) => pattern.test(line) && resolve(line));
  });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
