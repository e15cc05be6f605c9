/** A supervisor case's context in words, for whoever reads a failure. */

import { Msr } from "../../src/arch/powerpc/isa/msr.js";
import type { State } from "./record.js";
import type { KernelKind, SupervisorCase } from "./supervisor-kernel.js";
import { patchCount, patchSize, sprOffset, supervisorOffsets } from "./supervisor-record.js";

/** The names of the bits that are set. */
export function msrText(msr: bigint): string {
  const names = Object.entries(Msr)
    .filter(([, bit]) => (msr & bit) !== 0n)
    .map(([name]) => name);
  return `0x${msr.toString(16)} (${names.join(" ")})`;
}

export function contextText(one: SupervisorCase, kernel: KernelKind, expected: State): string {
  const { initial } = one;
  const hex = (value: bigint) => `0x${value.toString(16)}`;
  const lines = [
    `    kernel ${kernel.littleEndian ? "little" : "big"}-endian, AIL ${kernel.alternateLocation ? 3 : 0}; QEMU came to vector ${hex(expected.get(supervisorOffsets.vector))}`,
    `    MSR ${msrText(initial.get(supervisorOffsets.msr))}, begun at ${hex(initial.get(supervisorOffsets.start))}`,
    `    PID ${initial.get(sprOffset("pid"))}, AMR ${hex(initial.get(sprOffset("amr")) >> 62n)}…, IAMR ${hex(initial.get(sprOffset("iamr")) >> 62n)}…, FSCR ${hex(initial.get(sprOffset("fscr")))}`,
  ];
  for (let n = 0; n < patchCount; n++) {
    const at = initial.get(supervisorOffsets.patches + n * patchSize);
    const value = initial.get(supervisorOffsets.patches + n * patchSize + 8);
    if (value !== 0n) lines.push(`    entry ${n} at ${hex(at)}: ${hex(value)}`);
  }
  return lines.join("\n");
}
