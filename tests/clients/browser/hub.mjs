// Starts a development hub on a free port with throwaway data, and stops it by its id.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const BINARY = process.env.ROOMCAST_BIN;
const PATIENCE = 20_000;
const run = promisify(execFile);

export class DevHub {
  /** `args` are further ones of `serve`. */
  static async start(...args) {
    if (!BINARY) throw new Error("ROOMCAST_BIN names the hub's binary: run this by `make test`");
    const hub = new DevHub();
    hub.args = args;
    hub.dir = await mkdtemp(join(tmpdir(), "roomcast-page-"));
    await hub.launch(0);
    return hub;
  }

  get env() {
    return { PATH: process.env.PATH, RUST_LOG: "warn", DATABASE_URL: `sqlite://${join(this.dir, "hub.db")}` };
  }

  async launch(port) {
    const args = ["serve", "--dev", "--port", `${port}`, ...this.args];
    this.process = spawn(BINARY, args, { stdio: ["ignore", "pipe", "inherit"], env: this.env, cwd: this.dir });
    const line = await lineOf(this.process, /^listening on http:\/\/127\.0\.0\.1:\d+$/);
    this.url = line.slice("listening on ".length);
    this.port = Number(this.url.split(":").pop());
    await this.ready();
  }

  async ready() {
    const deadline = Date.now() + PATIENCE;
    while ((await fetch(`${this.url}/health/ready`)).status !== 200) {
      if (Date.now() > deadline) throw new Error("the hub does not get ready");
      await new Promise((resolve) => setTimeout(resolve, 10)); // between two looks
    }
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

  async end() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    await ended;
  }

  async stop() {
    await this.end();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** The first line that matches; the rest is read on, so that the pipe never fills up. */
function lineOf(child, pattern) {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Error(`cannot start the hub: ${error.message}`)));
    child.on("exit", (code) => reject(new Error(`the hub ended with ${code} before it was ready`)));
    createInterface({ input: child.stdout }).on("line", (line) => pattern.test(line) && resolve(line));
  });
}
