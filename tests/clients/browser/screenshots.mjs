// Pictures of the live page for the documentation: `npm run screenshots` with ROOMCAST_BIN, into docs/img.

import { fileURLToPath } from "node:url";
import { DevHub } from "../rig/hub.mjs";
import { launch, Live } from "./live.mjs";

const FOLDER = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../../docs/img", import.meta.url));
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const PICTURES = {
  "live-light": { colorScheme: "light" },
  "live-dark": { colorScheme: "dark" },
  "live-phone": { colorScheme: "light", ...PHONE },
};

const hub = await DevHub.start("--demo");
const browser = await launch();
try {
  for (const [name, options] of Object.entries(PICTURES)) {
    const live = await Live.open(browser, hub, options);
    await live.user.rows.nth(40).waitFor({ state: "attached" });
    await hub.publish("campaign:demo-1", { eventType: "status.changed", toStatus: "ACTIVE", trigger: "manual" });
    await live.user.row("campaign:status_changed", "ACTIVE · manual").locator("summary").click();
    if (options.isMobile) await live.user.chip("user:ada").evaluate((chip) => scrollTo(0, chip.offsetTop - 60));
    await live.page.screenshot({ path: `${FOLDER}/${name}.png`, animations: "disabled" });
    await live.close();
  }
} finally {
  await browser.close();
  await hub.stop();
}
