// The examples of docs/clients.md, as they stand there: each subscribes, and hears of an event that is published then.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { after, before, describe, it } from "node:test";
import { DevHub } from "../rig/hub.mjs";
import { start, stop, until } from "../rig/process.mjs";

const clients = fileURLToPath(new URL("..", import.meta.url));
const text = await readFile(join(clients, "../../docs/clients.md"), "utf8");

/** The examples: the heading they stand under, their language, their code. */
function* examples() {
  let heading = "";
  for (const [, title, language, code] of text.matchAll(/^## ([^\n]*)$|^```(\w+)\n(.*?)^```$/gms)) {
    if (title) heading = title;
    else yield { heading, language, code };
  }
}

const PYTHON = join(clients, "python/.venv/bin/python");
const JARS = join(clients, "java/lib");
const RUNS = {
  js: { file: "hear.mjs", command: "node", args: (file) => [file] },
  python: { file: "hear.py", command: PYTHON, args: (file) => [file] },
  java: { file: "Hear.java", command: "java", args: (file) => ["-cp", `${JARS}/*`, file] },
};

/** Examples for several versions run with each. */
const VERSIONS = { "JavaScript, v3 and v4": [3, 4], "JavaScript, v2": [2] };

describe("the examples of docs/clients.md", { timeout: 120_000 }, () => {
  let hub, token;

  before(async () => {
    hub = await DevHub.start();
    await hub.demo();
    token = (await (await fetch(`${hub.url}/dev/token?sub=ada`)).json()).token;
  });

  after(() => hub?.stop());

  async function hears({ language, code }, version) {
    const dir = await mkdtemp(join(tmpdir(), "roomcast-docs-"));
    const { file, command, args } = RUNS[language];
    await writeFile(join(dir, file), code.replace("127.0.0.1:8080", `127.0.0.1:${hub.port}`));
    if (version) {
      await mkdir(join(dir, "node_modules"));
      await symlink(join(clients, `node_modules/socket.io-client-${version}`), join(dir, "node_modules/socket.io-client"));
    }
    const program = start(command, args(join(dir, file)), { env: { ...process.env, TOKEN: token }, cwd: dir });
    const said = [];
    createInterface({ input: program.stdout }).on("line", (line) => said.push(line));
    const says = (what) => until(() => said.some((line) => line.includes(what)), () => `${what}; it said ${said.join("\n")}`);
    try {
      await says(language === "python" && code.includes("websocket-client") ? '"reply":1' : "ack");
      await hub.publish("campaign:demo-1", { eventType: "updated", note: "for the example" });
      await says("for the example");
    } finally {
      await stop(program, "SIGKILL");
      await rm(dir, { recursive: true, force: true });
    }
  }

  let count = 0;
  for (const example of examples()) {
    count++;
    const skip = example.language === "java" && !existsSync(JARS) && "no JDK here";
    for (const version of VERSIONS[example.heading] ?? [undefined]) {
      it(`${example.heading} (${example.code.split("\n")[0]})${version ? `, with v${version}` : ""}`, { skip }, () =>
        hears(example, version));
    }
  }

  it("are all there", () => assert.equal(count, 6));
});
