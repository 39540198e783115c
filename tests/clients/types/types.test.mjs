// The descriptions under docs/api: up to date, valid, and of use to a TypeScript program.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { description, file, types } from "./make.mjs";

const require = createRequire(import.meta.url);
const here = path.dirname(new URL(import.meta.url).pathname);
const document = JSON.parse(await readFile(description, "utf8"));

/** What the compiler says of a project: nothing where it compiles. */
async function compiled(project) {
  const compiler = path.join(path.dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const run = promisify(execFile)(process.execPath, [compiler, "--project", project]);
  return run.then(() => "", ({ stdout, stderr }) => stdout + stderr);
}

test("roomcast.d.ts is what the description says", async () => {
  assert.equal(await readFile(file, "utf8"), await types(document), "`make api` writes it anew");
});

test("asyncapi.json is an AsyncAPI 3.0 document", () => {
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  addFormats(ajv);
  const valid = ajv.compile(require("@asyncapi/specs/schemas/3.0.0-without-$id.json"));
  assert.ok(valid(document), JSON.stringify(valid.errors, null, 1));
  delete document.info.title;
  assert.ok(!valid(document), "a document without a title is none");
});

test("the example in TypeScript compiles against the types", async () => {
  assert.equal(await compiled(path.join(here, "tsconfig.json")), "");
});

test("what is misspelt does not compile", async (t) => {
  const example = await readFile(path.join(here, "../../../examples/typescript/client.ts"), "utf8");
  for (const [right, wrong] of [
    ['"campaign:status_changed"', '"campaign:status_change"'],
    ["{ campaignId }, (answer", "{ campaign: campaignId }, (answer"],
    ["answer.data.timestamp", "answer.data.time"],
  ]) {
    const copy = await mkdtemp(path.join(here, "wrong-"));
    t.after(() => rm(copy, { recursive: true, force: true }));
    await cp(path.join(here, "tsconfig.json"), path.join(copy, "tsconfig.json"));
    const config = JSON.parse(await readFile(path.join(copy, "tsconfig.json"), "utf8"));
    config.compilerOptions.paths["socket.io-client"] = ["../../node_modules/socket.io-client-4"];
    config.include = ["client.ts"];
    await writeFile(path.join(copy, "tsconfig.json"), JSON.stringify(config));
    assert.ok(example.includes(right), right);
    const source = example.replace(right, wrong).replace("../../docs/api", "../../../../docs/api");
    await writeFile(path.join(copy, "client.ts"), source);
    assert.match(await compiled(copy), /client\.ts.*error TS/, wrong);
  }
});
