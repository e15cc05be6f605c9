/** The default guest in the cache, as the command line finds it where things are scarce. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { main, noGuest } from "../boot/booting.test-support.js";

test("where memory is scarce a cached guest is whole all the same", {
  skip: noGuest || (process.platform !== "linux" && "no limit on address space here"),
}, () => {
  const script = `ulimit -v 1000000; '${process.execPath}' '${main}' guest list`;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
  assert.match(stdout, /^debian: Debian's Linux .* MB in /, stderr);
  assert.equal(status, 0);
});
