import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PrivateApt, runProgram } from "./apt.js";
import type { GuestRecipe } from "./cache.js";
import { debianRecipe } from "./debian.js";
import { debianGuests } from "./debian-parts.js";
import { GuestUnavailable } from "./unavailable.js";

test("a program that is missing is a sentence", async () => {
  await assert.rejects(runProgram("no-such-program-here", []), (error: Error) => {
    assert.ok(error instanceof GuestUnavailable);
    assert.match(error.message, /no-such-program-here was not found/);
    return true;
  });
});

const [defaultGuest] = debianGuests.map((guest) => debianRecipe(guest)) as [GuestRecipe];

test("where there is no apt, fetching says how to bring a guest", async () => {
  const path = process.env["PATH"];
  const folder = mkdtempSync(join(tmpdir(), "unikvm-apt-"));
  try {
    process.env["PATH"] = folder;
    await assert.rejects(
      defaultGuest.fetch(folder, () => {}),
      (error: Error) => {
        assert.ok(error instanceof GuestUnavailable);
        assert.match(error.message, /apt-get was not found/);
        assert.match(error.message, /unikvm guest export FILE .* unikvm guest import FILE here/);
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

/** What fetching the default guest fails of if apt-get says `stderr` and apt-cache knows nothing. */
async function failureWith(stderr: string): Promise<string> {
  const path = process.env["PATH"];
  const folder = mkdtempSync(join(tmpdir(), "unikvm-apt-"));
  try {
    writeFileSync(join(folder, "apt-get"), `#!/bin/sh\necho '${stderr}' >&2\nexit 100\n`, { mode: 0o755 });
    writeFileSync(join(folder, "apt-cache"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    process.env["PATH"] = `${folder}:${path}`;
    return await defaultGuest
      .fetch(folder, () => {})
      .then(
        () => "it was fetched",
        (error: Error) => error.message,
      );
  } finally {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true, force: true });
  }
}

test("a full disk and a network that is not there are not taken for sources that lack the package", async () => {
  const full = await failureWith("E: Write error - write (28: No space left on device)");
  assert.match(full, /no room on the disk of the cache: .*No space left on device\)\nMake room, or set XDG_CACHE_HOME/);
  assert.doesNotMatch(full, /knows no package/);
  const offline = await failureWith("W: Failed to fetch http://mirror.invalid/dists/x  Could not resolve");
  assert.match(offline, /could not read all of its sources:\nW: Failed to fetch http:\/\/mirror.invalid/);
});
