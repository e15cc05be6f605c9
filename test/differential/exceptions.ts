/**
 * Where QEMU 7.2 is not the judge: results that the ISA leaves undefined, and QEMU's known departures from it. Everything
 * else that differs is a mistake of ours. An instruction whose exceptions concern more than FPSCR is not drawn in sequences:
 * a difference that is allowed in its result would show in all that follows.
 */
import type { Variant } from "../../src/arch/powerpc/isa/pattern.js";
import type { Exception } from "./exception.js";
import { qemuFaults } from "./qemu-faults.js";
import { undefinedResults } from "./undefined-results.js";

export const exceptions: readonly Exception[] = [...undefinedResults, ...qemuFaults];

const corrections = exceptions.filter(({ ignore }) => typeof ignore === "object" && "correct" in ignore);

const byMnemonic = new Map<string, readonly Exception[]>();
/** The exceptions that may concern an instruction. */
export function exceptionsFor({ mnemonic }: Variant): readonly Exception[] {
  let list = byMnemonic.get(mnemonic);
  if (!list) {
    list = exceptions.filter((e) => e.mnemonics.test(mnemonic));
    byMnemonic.set(mnemonic, list);
  }
  return list;
}

/** Whether QEMU's answer for the instruction may have to be corrected: that it agrees with ours says nothing then. */
export function corrected(mnemonic: string): boolean {
  return corrections.some((e) => e.mnemonics.test(mnemonic));
}
