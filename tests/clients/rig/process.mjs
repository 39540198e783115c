// Starting programs, waiting for what they say, and ending them by their ids.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

/** How long a test waits for what has to come, in milliseconds. */
export const PATIENCE = 20_000;

const running = new Set();

// whatever went wrong, nothing is left behind
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** Starts a program whose output can be waited for; what it complains of is shown. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], ...options });
  running.add(child);
  child.on("exit", () => running.delete(child));
  return child;
}

/** The first line that matches; the rest is read on, so that the pipe never fills up. */
export function lineOf(child, pattern, what) {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Error(`cannot start ${what}: ${error.message}`)));
    child.on("exit", (code) => reject(new Error(`${what} ended with ${code} before it was ready`)));
    createInterface({ input: child.stdout }).on("line", (line) => pattern.test(line) && resolve(line));
  });
}

export async function stop(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

/** Looks until the condition holds, and gives what it gave. */
export async function until(condition, what, patience = PATIENCE) {
  for (const deadline = Date.now() + patience; ;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 5)); // between two looks
  }
}

/** A port of the loopback that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
