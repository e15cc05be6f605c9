import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { GuestUnavailable, PrivateApt, runProgram } from "./apt.js";
import { debianGuest } from "./debian.js";

test("a program that is missing is a sentence", async () => {
  await assert.rejects(runProgram("no-such-program-here", []), (error: Error) => {
    assert.ok(error instanceof GuestUnavailable);
    assert.match(error.message, /no-such-program-here was not found/);
    return true;
  });
});

test("where there is no apt, fetching says how to bring a guest", async () => {
  const path = process.env["PATH"];
  const folder = mkdtempSync(join(tmpdir(), "unikvm-apt-"));
  try {
    process.env["PATH"] = folder;
    await assert.rejects(
      debianGuest.fetch(folder, () => {}),
      (error: Error) => {
        assert.ok(error instanceof GuestUnavailable);
        assert.match(error.message, /apt-get was not found/);
        assert.match(error.message, /--kernel VMLINUX --initrd INITRD/);
        return true;
      },
    );
  } finally {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the configuration keeps apt's state in our folder and clears the system's hooks", () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-apt-"));
  try {
    new PrivateApt(folder, "ppc64el");
    const text = readFileSync(join(folder, "apt.conf"), "utf8");
    assert.match(text, /^#clear APT::Update;$/m);
    for (const key of ["Dir::State", "Dir::State::Lists", "Dir::State::status", "Dir::Cache"]) {
      assert.ok(text.includes(`${key} "${folder}`), key);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
