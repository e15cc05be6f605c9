/**
 * A device of the host, assigned to Debian's guest through VFIO, is driven there by a program of ours: DMA both ways,
 * interrupts counted, and what it must not reach. On both engines.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CpioEntry } from "../../guests/cpio.js";
import { missing } from "../oracles/oracles.js";
import { boot, implementations, noGuest, root, textBetween, threadModes } from "./booting.test-support.js";
import { guestModules } from "./modules.test-support.js";

const compiler = "powerpc64le-linux-gnu-gcc";
const noCompiler = missing("littleEndianLibrary");

/** The program, compiled. */
function program(): CpioEntry {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-vfio-"));
  try {
    const out = join(folder, "vfio-guest");
    const source = join(root, "test/boot/vfio-guest.c");
    const { status, stderr } = spawnSync(compiler, ["-static", "-O1", "-Wall", "-Werror", "-o", out, source]);
    assert.equal(status, 0, String(stderr));
    return { path: "vfio-guest", type: "file", mode: 0o755, data: readFileSync(out) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const expected = `\
vfio-guest begins
identification 756b0001
window at 0800000000000000
no master: result 1
memory to device: result 0
wrong bytes: 0
device to memory: result 0
wrong bytes: 0
interrupt 1, asserted 1
more: -1
interrupts counted: 19
storm: 20
after the storm: -1
hostile 0: results 1 1
hostile 1: results 1 1
hostile 2: results 1 1
hostile 3: results 1 1
hostile 4: results 1 1
hostile 5: results 1 1
too long: result 2
no such command: result 2
other memory: as it was
unikvm.run: exit status 0`;

for (const type of implementations) {
  for (const threads of threadModes) {
    // One of each is enough: what differs between the modes of threads does not differ between implementations.
    if ((type === "hv") !== (threads === "worker")) continue;
    test(`a device through VFIO under ${type}, ${threads}`, { skip: noGuest || noCompiler }, async (t) => {
      const drivers = await guestModules(["myri10ge", "uio", "uio_pci_generic"]);
      if (typeof drivers === "string") {
        t.skip(`the guest's kernel has no modules here: ${drivers}`);
        return;
      }
      const script = readFileSync(join(root, "test/boot/vfio-guest.sh"));
      const files: CpioEntry[] = [
        ...drivers,
        program(),
        { path: "vfio-guest.sh", type: "file", mode: 0o755, data: script },
      ];
      const append = "quiet unikvm.run=/vfio-guest.sh";
      const { status, stdout, stderr } = await boot({
        type,
        threads,
        append,
        args: ["--device", "vfio-pci,host=edu"],
        files,
      });
      const seen = textBetween(stdout, "vfio-guest begins", "unikvm.run:");
      assert.equal(seen, expected, `${stdout}\n${stderr}`);
      assert.equal(status, 0, stderr);
      assert.equal(stderr, "");
    });
  }
}
