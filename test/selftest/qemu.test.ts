/** QEMU runs the self-test guest too: it judges what the tests expect, where it can. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildGuest, judge, type SelfTestGuest, tests } from "../../guests/selftest/index.js";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { staticElf } from "../differential/elf.js";
import { missing } from "../oracles/oracles.js";
import { departures } from "./departures.js";

const noQemu = missing("qemuSystem");

const loadAddress = 0x1000000;
const imageOffset = 0x1000;

/**
 * On a busy machine QEMU's decrementer interrupts where none is due. What a test expects is wrong if QEMU never gives it.
 */
const attempts = 3;

/** Firmware keeps the bottom of memory, so the guest comes in a program that moves it there. */
function program({ image, littleEndian }: SelfTestGuest): Uint8Array {
  const doublewords = Math.ceil(image.length / 8);
  const mover = assemble(
    `
  bcl 20, 31, 1f
1:
  mflr r3
  addi r3, r3, ${imageOffset - 4}
  lis r5, ${doublewords >> 16}
  ori r5, r5, ${doublewords & 0xffff}
  mtctr r5
  li r4, 0
2:
  ld r6, 0(r3)
  std r6, 0(r4)
  addi r3, r3, 8
  addi r4, r4, 8
  bdnz 2b
  li r3, 0
  mtsrr0 r3
  mfmsr r4
  ori r4, r4, ${littleEndian ? 1 : 0}
  mtsrr1 r4
  rfid`,
    { origin: loadAddress, littleEndian: false },
  ).bytes;
  const bytes = new Uint8Array(imageOffset + 8 * doublewords);
  bytes.set(mover);
  bytes.set(image, imageOffset);
  return staticElf(loadAddress, [{ address: loadAddress, bytes, executable: true }], false);
}

for (const littleEndian of [true, false]) {
  test(`QEMU passes the self-test, ${littleEndian ? "little" : "big"}-endian`, { skip: noQemu }, () => {
    const guest = buildGuest(
      tests.filter(({ name }) => !(name in departures)),
      littleEndian,
    );
    const folder = mkdtempSync(join(tmpdir(), "unikvm-selftest-"));
    try {
      const [kernel, console] = [join(folder, "kernel"), join(folder, "console")];
      writeFileSync(kernel, program(guest));
      const machine = ["-M", "pseries,x-vof=on", "-cpu", "power9", "-smp", "2", "-m", "256M", "-nodefaults"];
      const args = [...machine, "-no-reboot", "-display", "none", "-serial", `file:${console}`, "-kernel", kernel];
      const failed = () => {
        const { status, stderr } = spawnSync("qemu-system-ppc64", args, { encoding: "utf8", timeout: 120_000 });
        assert.equal(status, 0, stderr);
        const { tests: results, finished } = judge(guest, readFileSync(console));
        assert.ok(finished);
        return results.filter(({ failures }) => failures.length > 0);
      };
      let failures = failed();
      for (let more = attempts - 1; more > 0 && failures.length > 0; more--) failures = failed();
      assert.deepEqual(failures, []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

test("every departure is that of a test", () => {
  const names = new Set(tests.map(({ name }) => name));
  for (const name of Object.keys(departures)) assert.ok(names.has(name), name);
});
