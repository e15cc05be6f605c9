import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { ModuleLoader } from "../modules/loader.js";
import { type Vac, vac } from "./module.js";
import { accountCode, allocateLpid, codeBytes, freeLpid, lpidCount } from "./vac.js";

test("no partition number is given twice, and 0 is the host's", () => {
  const given = [allocateLpid(), allocateLpid()];
  assert.equal(new Set([...given, 0]).size, 3);
  const [first = 0] = given;
  freeLpid(first);
  assert.equal(allocateLpid(), first);
  for (const lpid of given) freeLpid(lpid);
});

test("partition numbers end", () => {
  const all = Array.from({ length: lpidCount - 1 }, allocateLpid);
  assert.throws(allocateLpid, errno("ENOSPC"));
  for (const lpid of all) freeLpid(lpid);
});

test("another copy of this package shares them", async () => {
  const mine = allocateLpid();
  // A query makes a second instance of the module, as a second version of the package would be.
  const other = (await import(`${new URL("./vac.js", import.meta.url).href}?other`)) as Vac;
  assert.notEqual(other.allocateLpid, allocateLpid);
  const theirs = other.allocateLpid();
  assert.notEqual(theirs, mine);
  accountCode(100);
  assert.equal(other.codeBytes(), codeBytes());
  accountCode(-100);
  other.freeLpid(theirs);
  freeLpid(mine);
});

test("it is a module", async () => {
  const loader = new ModuleLoader([vac]);
  await loader.modprobe("vac");
  assert.equal(loader.offer<Vac>("vac").allocateLpid, allocateLpid);
});
