/** QEMU runs the self-test guest too: it judges what the tests expect, where it can. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildGuest, judge, tests } from "../../guests/selftest/index.js";
import { missing } from "../oracles/oracles.js";
import { departures } from "./departures.js";
import { selfTestProgram } from "./program.js";

const noQemu = missing("qemuSystem");

/**
 * QEMU's timers are a thread of their own: on a busy machine its decrementer interrupts late, or where none is due, and
 * another test fails each time. What a test expects is wrong if QEMU never gives it.
 */
const attempts = 10;

for (const littleEndian of [true, false]) {
  test(`QEMU passes the self-test, ${littleEndian ? "little" : "big"}-endian`, { skip: noQemu }, () => {
    const guest = buildGuest(
      tests.filter(({ name }) => !(name in departures)),
      littleEndian,
    );
    const folder = mkdtempSync(join(tmpdir(), "unikvm-selftest-"));
    try {
      const [kernel, console] = [join(folder, "kernel"), join(folder, "console")];
      writeFileSync(kernel, selfTestProgram(guest));
      const machine = ["-M", "pseries,x-vof=on", "-cpu", "power9", "-smp", "2", "-m", "256M", "-nodefaults"];
      const args = [...machine, "-no-reboot", "-display", "none", "-serial", `file:${console}`, "-kernel", kernel];
      const failed = () => {
        const { status, stderr } = spawnSync("qemu-system-ppc64", args, { encoding: "utf8", timeout: 120_000 });
        assert.equal(status, 0, stderr);
        const { tests: results, finished } = judge(guest, readFileSync(console));
        assert.ok(finished);
        return results.filter(({ failures }) => failures.length > 0);
      };
      let never = failed();
      for (let more = attempts - 1; more > 0 && never.length > 0; more--) {
        const now = new Set(failed().map(({ name }) => name));
        never = never.filter(({ name }) => now.has(name));
      }
      assert.deepEqual(never, []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

test("every departure is that of a test", () => {
  const names = new Set(tests.map(({ name }) => name));
  for (const name of Object.keys(departures)) assert.ok(names.has(name), name);
});
