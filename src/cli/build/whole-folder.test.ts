import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { makeWhole } from "./whole-folder.js";

let root = "";
let folder = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "unikvm-whole-"));
  folder = join(root, "made");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const holding =
  (text: string) =>
  async (work: string): Promise<string> => {
    mkdirSync(work);
    writeFileSync(join(work, text), text);
    return text;
  };

test("a folder gets its name when it is whole, and replaces what was there", async () => {
  assert.equal(await makeWhole(folder, holding("one")), "one");
  const made = await makeWhole(folder, (work) => {
    assert.deepEqual(readdirSync(folder), ["one"]);
    return holding("two")(work);
  });
  assert.equal(made, "two");
  assert.deepEqual(readdirSync(folder), ["two"]);
  assert.deepEqual(readdirSync(root), ["made"]);
});

test("what fails leaves what was there", async () => {
  await makeWhole(folder, holding("one"));
  const failing = makeWhole(folder, async (work) => {
    await holding("two")(work);
    throw new Error("no room");
  });
  await assert.rejects(failing, /no room/);
  assert.equal(readFileSync(join(folder, "one"), "utf8"), "one");
  assert.deepEqual(readdirSync(root), ["made"]);
});

test("what cannot take its place leaves what was there", async () => {
  await makeWhole(folder, holding("one"));
  await assert.rejects(
    makeWhole(folder, async () => undefined),
    { code: "ENOENT" },
  );
  assert.deepEqual(readdirSync(folder), ["one"]);
  assert.deepEqual(readdirSync(root), ["made"]);
});

test("what one that was killed left behind is in nobody's way, and in nothing that is made", async () => {
  for (const name of [".made-unfinished", ".made-before"]) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, "left"), "");
  }
  await makeWhole(folder, holding("one"));
  assert.deepEqual(readdirSync(folder), ["one"]);
  assert.deepEqual(readdirSync(root), ["made"]);
});
