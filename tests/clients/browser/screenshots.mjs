// Pictures of the pages for the documentation: `npm run screenshots` with ROOMCAST_BIN, into docs/img.
// `npm run screenshots dashboard` makes those of one page alone.

import { fileURLToPath } from "node:url";
import { DevHub, Hub } from "../rig/hub.mjs";
import { Dashboard, visitor } from "./dashboard.mjs";
import { launch, Live } from "./live.mjs";

const FOLDER = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../../docs/img", import.meta.url));
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

async function livePage(browser) {
  const hub = await DevHub.start("--demo");
  const pictures = {
    "live-light": { colorScheme: "light" },
    "live-dark": { colorScheme: "dark" },
    "live-phone": { colorScheme: "light", ...PHONE },
  };
  for (const [name, options] of Object.entries(pictures)) {
    const live = await Live.open(browser, hub, options);
    await live.user.rows.nth(40).waitFor({ state: "attached" });
    await hub.publish("campaign:demo-1", { eventType: "status.changed", toStatus: "ACTIVE", trigger: "manual" });
    await live.user.row("campaign:status_changed", "ACTIVE · manual").locator("summary").click();
    if (options.isMobile) await live.user.chip("user:ada").evaluate((chip) => scrollTo(0, chip.offsetTop - 60));
    await live.page.screenshot({ path: `${FOLDER}/${name}.png`, animations: "disabled" });
    await live.close();
  }
  await hub.stop();
}

/** How long the dashboard hears the hub before its picture is taken, so that its charts show something. */
const HEARD_MS = 100_000;

async function dashboardPage(browser) {
  const hub = await Hub.start();
  const pictures = {
    "dashboard-light": { colorScheme: "light", viewport: { width: 1440, height: 1480 } },
    "dashboard-dark": { colorScheme: "dark", viewport: { width: 1440, height: 1480 } },
    "dashboard-phone": { colorScheme: "light", ...PHONE },
    "dashboard-phone-dark": { colorScheme: "dark", ...PHONE },
  };
  const pages = [];
  for (const options of Object.values(pictures)) pages.push(await (await Dashboard.open(browser, hub.url, options)).enter());
  await traffic(hub, Date.now() + HEARD_MS);
  for (const [number, name] of Object.keys(pictures).entries()) {
    await pages[number].search("");
    await pages[number].page.getByRole("button", { name: "Largest" }).click();
    await pages[number].item("rooms", "campaign:spring-raffle").waitFor();
    await pages[number].page.evaluate(() => scrollTo(0, 0));
    await pages[number].page.screenshot({ path: `${FOLDER}/${name}.png`, animations: "disabled" });
    await pages[number].close();
  }
  await hub.stop();
}

/** Forty users who come one after the other, campaigns of different sizes, bursts of events, and a few that are refused. */
async function traffic(hub, end) {
  const event = (channel, payload) => ({ channel, payload });
  for (let turn = 0; Date.now() < end; turn++) {
    const campaigns = ["spring-raffle", `shop-${turn % 7}`];
    if (turn < 40) await visitor(hub, `auth0|user-${turn % 31}`, { campaigns });
    const size = 20 + Math.round(15 * Math.sin(turn / 12)) + (turn % 60 === 30 ? 300 : 0);
    const about = (n) => campaigns[n % 2];
    await hub.publish(...Array.from({ length: size }, (_, n) => event(`campaign:${about(n)}`, { eventType: "updated", n })));
    const wrong = event("campaign:spring-raffle", { eventType: "status.changed", trigger: "scheduler" });
    if (turn % 90 === 45) await hub.publish(wrong).catch(() => {}); // it is refused: that is what it is for
    if (turn % 120 === 60) {
      await hub.publish(event("system:alerts", { level: "warning", title: "Disk", message: "91 % full on db-2" }));
      await hub.publish(event("system:services", { eventType: "service.status", service: "billing", status: "degraded" }));
    }
    await new Promise((resolve) => setTimeout(resolve, 200)); // the pace of the traffic
  }
}

const browser = await launch();
const wanted = process.argv[2];
try {
  if (wanted !== "dashboard") await livePage(browser);
  if (wanted !== "live") await dashboardPage(browser);
} finally {
  await browser.close();
}
process.exit(0); // what is still open ends with it
