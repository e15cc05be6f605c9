/** Every instruction, in one list. The decoder, the assembler, the disassembler and both engines derive from it. */
import type { InsnDefinition } from "./insn.js";
import { branchInstructions } from "./instructions/branch.js";
import { fixedArithmeticInstructions } from "./instructions/fixed-arithmetic.js";
import { fixedLoadInstructions } from "./instructions/fixed-load.js";

export const instructions: readonly InsnDefinition[] = [
  ...branchInstructions,
  ...fixedArithmeticInstructions,
  ...fixedLoadInstructions,
];
