// A Redis of the test's own, without a trace on the disk.

import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { freePort, lineOf, start, stop } from "./process.mjs";

const run = promisify(execFile);

export class Redis {
  static async start() {
    const redis = new Redis();
    redis.port = await freePort();
    const args = ["--port", `${redis.port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    redis.process = start("redis-server", args, { cwd: tmpdir() });
    await lineOf(redis.process, /ready to accept connections/i, "redis-server (`make setup` installs it)");
    return redis;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}/`;
  }

  async ask(...words) {
    return (await run("redis-cli", ["-p", `${this.port}`, ...words])).stdout.trim();
  }

  /** Publishes; gives how many subscriptions took it. */
  async publish(channel, payload) {
    return Number(await this.ask("publish", channel, JSON.stringify(payload)));
  }

  /** Cuts the connections of all who are subscribed, so that they may have missed something. */
  cut() {
    return this.ask("client", "kill", "type", "pubsub");
  }

  stop() {
    return stop(this.process, "SIGKILL");
  }
}
