/** Runs cases under qemu-ppc64le or qemu-ppc64 (user mode): the judge. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IsaLevel } from "../../src/arch/powerpc/isa/levels.js";
import type { Case } from "./generate.js";
import { buildProgram, swapRecord } from "./loader.js";
import { recordSize, State } from "./record.js";

const program = (littleEndian: boolean) => (littleEndian ? "qemu-ppc64le" : "qemu-ppc64");

/** The version line of the emulator, or undefined if it is not installed. */
export function qemuVersion(littleEndian: boolean): string | undefined {
  const { status, stdout } = spawnSync(program(littleEndian), ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : undefined;
}

/** The processor that QEMU has for each version of the architecture. */
const processors = { "2.07": "power8", "3.0": "power9", "3.1": "power10" } as const satisfies Record<IsaLevel, string>;

/** The states after each case, on a processor of this version of the architecture. Throws an Error if the emulator fails. */
export function runUnderQemu(cases: readonly Case[], littleEndian: boolean, level: IsaLevel = "3.0"): State[] {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-differential-"));
  try {
    const file = join(folder, "cases");
    writeFileSync(file, buildProgram(cases, littleEndian));
    chmodSync(file, 0o755);
    const { status, signal, stdout, stderr } = spawnSync(program(littleEndian), ["-cpu", processors[level], file], {
      maxBuffer: cases.length * recordSize + 4096,
      timeout: 300_000,
    });
    if (status !== 0 || stdout.length !== cases.length * recordSize) {
      const why = signal ? `was ended by ${signal}` : `ended with status ${status}`;
      throw new Error(`${program(littleEndian)} ${why} after ${stdout?.length ?? 0} bytes: ${stderr}`);
    }
    return cases.map((_, i) => {
      const bytes = new Uint8Array(stdout.subarray(i * recordSize, (i + 1) * recordSize));
      if (!littleEndian) swapRecord(bytes);
      return new State(bytes);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
