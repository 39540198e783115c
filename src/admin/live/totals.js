// The header: how the hub is, from `initial:system_status` and the hub's own `system:service_status`.

import { grouped, perSecond, say, span } from "./dom.js";

/** After this long without news figures are not shown as if they were of now. */
const STALE_MS = 5_000;
const STATUS = { healthy: "operational", unhealthy: "unhealthy", degraded: "degraded" };

export class Totals {
  #ui;
  #startedAt = null;
  #heardAt = -Infinity;

  constructor(ui) {
    this.#ui = ui;
  }

  hear(event, data) {
    if (event === "initial:system_status") {
      this.#startedAt = performance.now() - data.uptime * 1000;
      say(this.#ui.version, data.version);
      this.#status(data.status);
    } else if (event === "system:service_status" && data.service === "roomcast" && data.metrics) {
      this.#heardAt = performance.now();
      this.#status(STATUS[data.status] ?? data.status);
      this.#figures(data.metrics);
    }
  }

  /** Called once a second with the events that this page received. */
  tick(rate, anyConnected) {
    say(this.#ui.here, perSecond(rate));
    if (!anyConnected) {
      this.#startedAt = null;
      this.#status("not connected");
    }
    say(this.#ui.uptime, this.#startedAt === null ? "–" : span((performance.now() - this.#startedAt) / 1000));
    if (performance.now() - this.#heardAt > STALE_MS) {
      for (const name of ["sockets", "users", "rooms", "published", "deliveries", "delay", "parts"]) say(this.#ui[name], "–");
    }
  }

  #status(status) {
    say(this.#ui.status, status);
    this.#ui.status.dataset.status = status;
  }

  #figures(m) {
    const number = (value, show = grouped) => (typeof value === "number" ? show(value) : "–");
    say(this.#ui.sockets, number(m.connections));
    say(this.#ui.users, number(m.users));
    say(this.#ui.rooms, number(m.rooms));
    say(this.#ui.published, number(m.eventsPerSecond, perSecond));
    say(this.#ui.deliveries, number(m.deliveriesPerSecond, perSecond));
    say(this.#ui.delay, number(m.delayMs, (ms) => `${grouped(ms)} ms`));
    say(this.#ui.parts, `${m.redis ?? "–"} / ${m.database ?? "–"}`);
  }
}
