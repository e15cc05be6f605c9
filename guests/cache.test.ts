import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { ensureGuest, findGuest, type Guest, type GuestRecipe, guestFolder, removeGuest } from "./cache.js";
import { GuestUnavailable } from "./unavailable.js";

const saved = process.env["XDG_CACHE_HOME"];
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "unikvm-cache-"));
  process.env["XDG_CACHE_HOME"] = folder;
});
afterEach(() => {
  if (saved === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = saved;
  rmSync(folder, { recursive: true, force: true });
});

/** A guest of two small files that counts how often it is fetched and assembled. */
function toy(assembly = "1") {
  const count = { fetched: 0, assembled: 0 };
  const recipe: GuestRecipe = {
    name: "toy",
    architecture: "ppc64le",
    append: "console=hvc0",
    kernel: "kernel",
    initrd: "initrd",
    assembly,
    async fetch(into) {
      count.fetched++;
      writeFileSync(join(into, "kernel"), "a kernel");
      return { description: "a toy", packages: { toy: "1.0" } };
    },
    assemble(into) {
      count.assembled++;
      writeFileSync(join(into, "initrd"), `initrd ${assembly}`);
    },
  };
  return { recipe, count };
}

const quiet = () => {};
const there = (found: Guest | { missing: string }): Guest => {
  if ("missing" in found) throw new Error(found.missing);
  return found;
};

test("the cache follows XDG_CACHE_HOME, but not a relative one", () => {
  assert.equal(guestFolder(), join(folder, "unikvm", "guests"));
  process.env["XDG_CACHE_HOME"] = "relative";
  assert.match(guestFolder(), /\.cache/);
});

test("without a home folder a sentence says what to set", () => {
  const home = process.env["HOME"];
  try {
    delete process.env["XDG_CACHE_HOME"];
    for (const none of ["", "relative"]) {
      process.env["HOME"] = none;
      assert.throws(() => findGuest(toy().recipe), /set HOME, or XDG_CACHE_HOME/);
    }
  } finally {
    if (home === undefined) delete process.env["HOME"];
    else process.env["HOME"] = home;
  }
});

test("a guest is fetched once and then found", async () => {
  const { recipe, count } = toy();
  assert.deepEqual(findGuest(recipe), { missing: "not fetched" });
  const guest = await ensureGuest(recipe, quiet);
  assert.equal(readFileSync(guest.kernel, "utf8"), "a kernel");
  assert.equal(readFileSync(guest.initrd, "utf8"), "initrd 1");
  assert.equal(guest.append, "console=hvc0");
  assert.deepEqual(await ensureGuest(recipe, quiet), guest);
  assert.deepEqual(count, { fetched: 1, assembled: 1 });
  assert.deepEqual(readdirSync(guestFolder()), ["toy"]);
});

test("two at once fetch once", async () => {
  const { recipe, count } = toy();
  const [one, two] = await Promise.all([ensureGuest(recipe, quiet), ensureGuest(recipe, quiet)]);
  assert.deepEqual(one, two);
  assert.equal(count.fetched, 1);
});

/** Other values in the guest's manifest. */
function spoil({ folder }: Guest, wrong: object): void {
  const path = join(folder, "guest.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...wrong }));
}

test("damage of every kind is seen and mended", async () => {
  const { recipe, count } = toy();
  const guest = await ensureGuest(recipe, quiet);
  const harm: [() => void, RegExp][] = [
    [() => writeFileSync(guest.kernel, "b kernel"), /damaged: kernel has a wrong digest/],
    [() => writeFileSync(guest.kernel, "a ker"), /damaged: kernel has a wrong size/],
    [() => rmSync(guest.initrd), /damaged: initrd is missing/],
    [() => rmSync(join(guest.folder, "guest.json")), /damaged: guest.json is missing/],
    [() => writeFileSync(join(guest.folder, "guest.json"), "{"), /damaged: guest.json is not as it was written/],
    ...[
      { files: null },
      { files: [] },
      { files: { kernel: null } },
      { files: { "../kernel": { size: 8, sha256: "" } } },
      { packages: null },
      { assembly: 1 },
      { format: 2 },
    ].map((wrong): [() => void, RegExp] => [() => spoil(guest, wrong), /damaged: guest.json is not as it was written/]),
    [() => spoil(guest, { files: {} }), /damaged: guest.json has no kernel/],
  ];
  for (const [index, [act, expected]] of harm.entries()) {
    act();
    const found = findGuest(recipe);
    assert.match("missing" in found ? found.missing : "found", expected);
    await ensureGuest(recipe, quiet);
    assert.equal(count.fetched, index + 2);
    there(findGuest(recipe));
  }
});

test("what cannot be read now is not taken for damage, and not replaced unless that is asked for", {
  skip: !existsSync("/proc/self/mem") && "no file here that fails to be read",
}, async () => {
  const { recipe, count } = toy();
  const guest = await ensureGuest(recipe, quiet);
  const { files } = JSON.parse(readFileSync(join(guest.folder, "guest.json"), "utf8"));
  spoil(guest, { files: { ...files, kernel: { ...files.kernel, size: 0 } } });
  rmSync(guest.kernel);
  symlinkSync("/proc/self/mem", guest.kernel);
  const expected = /the cached guest cannot be read: .*kernel: EIO/;
  assert.throws(() => findGuest(recipe), expected);
  await assert.rejects(ensureGuest(recipe, quiet), expected);
  assert.equal(count.fetched, 1);
  there(await ensureGuest(recipe, quiet, { again: true }));
});

test("a cache that cannot be written says what to do", async () => {
  writeFileSync(join(folder, "file"), "");
  process.env["XDG_CACHE_HOME"] = join(folder, "file");
  await assert.rejects(ensureGuest(toy().recipe, quiet), /cannot be written: .*\nSet XDG_CACHE_HOME/);
  await assert.rejects(removeGuest("toy"), GuestUnavailable);
});

test("another version's guest is assembled anew from what was fetched", async () => {
  await ensureGuest(toy("1").recipe, quiet);
  const { recipe, count } = toy("2");
  assert.deepEqual(findGuest(recipe), { missing: "made by another version of unikvm" });
  const guest = await ensureGuest(recipe, quiet);
  assert.equal(readFileSync(guest.initrd, "utf8"), "initrd 2");
  assert.deepEqual(count, { fetched: 0, assembled: 1 });
});

test("a fetch that fails leaves nothing and keeps what was there", async () => {
  const { recipe } = toy();
  const failing: GuestRecipe = {
    ...recipe,
    async fetch(into) {
      writeFileSync(join(into, "kernel"), "half");
      throw new GuestUnavailable("no network");
    },
  };
  await assert.rejects(ensureGuest(failing, quiet), GuestUnavailable);
  assert.deepEqual(readdirSync(guestFolder()), []);
  await ensureGuest(recipe, quiet);
  await assert.rejects(ensureGuest(failing, quiet, { again: true }), /no network/);
  there(findGuest(recipe));
});

test("what a killed fetch left is cleared away", async () => {
  const left = join(guestFolder(), ".partial-killed");
  mkdirSync(left, { recursive: true });
  await ensureGuest(toy().recipe, quiet);
  assert.equal(existsSync(left), false);
});

test("removing tells whether there was one", async () => {
  const { recipe } = toy();
  assert.equal(await removeGuest("toy"), false);
  await ensureGuest(recipe, quiet);
  assert.equal(await removeGuest("toy"), true);
  assert.deepEqual(findGuest(recipe), { missing: "not fetched" });
});
