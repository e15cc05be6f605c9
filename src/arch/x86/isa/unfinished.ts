/**
 * Instructions that are declared, and so read and written, but that no engine has yet: to a guest they are invalid opcodes. A
 * test reads this list against the declarations. What is not even declared stands in omitted.ts.
 */
import type { InsnDefinition } from "./insn.js";
import * as move from "./instructions/move.js";
import * as system from "./instructions/system.js";

export interface UnfinishedInstruction {
  readonly definition: InsnDefinition;
  readonly reason: string;
}

const because = (reason: string, definitions: readonly InsnDefinition[]): UnfinishedInstruction[] =>
  definitions.map((definition) => ({ definition, reason }));

export const unfinished: readonly UnfinishedInstruction[] = [
  ...because("no processor that there is offers it", [
    ...[system.rdpkru, system.wrpkru, system.monitor, system.mwait, system.clzero, move.rdrand, move.rdseed],
  ]),
];
