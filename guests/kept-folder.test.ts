import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keepFolder } from "./kept-folder.js";

const silent = () => undefined;

test("a kept folder is made once, and takes the place of older editions and of what was left half made", async () => {
  const parent = mkdtempSync(join(tmpdir(), "unikvm-kept-"));
  try {
    for (const name of ["thing.1", "other.1", ".partial-left"]) mkdirSync(join(parent, name));
    let made = 0;
    const folder = {
      place: join(parent, "thing.2"),
      what: "a thing",
      isOld: (name: string) => name.startsWith("thing."),
      make: async (work: string) => {
        made++;
        mkdirSync(join(work, "whole"));
        writeFileSync(join(work, "whole/file"), "contents");
        writeFileSync(join(work, "not kept"), "");
        return join(work, "whole");
      },
    };
    assert.equal(await keepFolder(folder, silent), folder.place);
    assert.equal(await keepFolder(folder, silent), folder.place);
    assert.equal(made, 1);
    assert.equal(readFileSync(join(folder.place, "file"), "utf8"), "contents");
    assert.deepEqual(
      readdirSync(parent)
        .filter((name) => name !== ".lock")
        .sort(),
      ["other.1", "thing.2"],
    );
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
});

test("one that is there needs no lock: who has it may be about to make another, and the cache one that can only be read", async () => {
  const parent = mkdtempSync(join(tmpdir(), "unikvm-kept-"));
  try {
    const place = join(parent, "thing");
    mkdirSync(place);
    writeFileSync(join(parent, ".lock"), `${process.pid}\n\n${hostname()}\n`);
    const make = () => Promise.reject(new Error("it is there"));
    const signal = AbortSignal.timeout(5000);
    assert.equal(await keepFolder({ place, what: "a thing", isOld: () => true, make, signal }, silent), place);
    assert.deepEqual(readdirSync(parent).sort(), [".lock", "thing"]);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
});

test("nothing is left of a folder that could not be made", async () => {
  const parent = mkdtempSync(join(tmpdir(), "unikvm-kept-"));
  try {
    const failing = {
      place: join(parent, "thing"),
      what: "a thing",
      isOld: () => false,
      make: async (work: string): Promise<string> => {
        writeFileSync(join(work, "half"), "");
        throw new RangeError("no");
      },
    };
    await assert.rejects(keepFolder(failing, silent), RangeError);
    assert.deepEqual(
      readdirSync(parent).filter((name) => name !== ".lock"),
      [],
    );
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
});
