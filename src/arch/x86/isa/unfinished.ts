/**
 * Instructions that are declared, and so read and written, but that no engine has yet: to a guest they are invalid opcodes. A
 * test reads this list against the declarations. What is not even declared stands in omitted.ts.
 */
import type { InsnDefinition } from "./insn.js";

export interface UnfinishedInstruction {
  readonly definition: InsnDefinition;
  readonly reason: string;
}

export const unfinished: readonly UnfinishedInstruction[] = [];
