// `examples/echo_server.rs` on a free port.

import { freePort, start, stop, until } from "./process.mjs";

const BINARY = process.env.ROOMCAST_ECHO_BIN;

export class Echo {
  static async start(port) {
    if (!BINARY) throw new Error("ROOMCAST_ECHO_BIN names the echo server's binary: run this by `make test`");
    const echo = new Echo();
    echo.port = port ?? (await freePort());
    echo.url = `http://127.0.0.1:${echo.port}`;
    // it pings often, and clients that share two cores with others are waited for
    const env = { PATH: process.env.PATH, RUST_LOG: "warn", PORT: `${echo.port}`, PING_TIMEOUT: "20000" };
    echo.process = start(BINARY, [], { env });
    echo.process.stdout.resume();
    await until(() => echo.answers(), "the echo server answers");
    return echo;
  }

  async answers() {
    if (this.process.exitCode !== null) throw new Error(`the echo server ended with ${this.process.exitCode}`);
    return fetch(this.url).then(() => true, () => false);
  }

  stop() {
    return stop(this.process, "SIGKILL");
  }
}
