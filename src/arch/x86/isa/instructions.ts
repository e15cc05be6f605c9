/** Every instruction that is declared. */
import type { InsnDefinition } from "./insn.js";
import { arithmeticInstructions } from "./instructions/arithmetic.js";
import { bitInstructions } from "./instructions/bits.js";
import { branchInstructions } from "./instructions/branch.js";
import { decimalInstructions } from "./instructions/decimal.js";
import { flagInstructions } from "./instructions/flags.js";
import { floatControlInstructions } from "./instructions/float-control.js";
import { logicalInstructions } from "./instructions/logical.js";
import { moveInstructions } from "./instructions/move.js";
import { shiftInstructions } from "./instructions/shift.js";
import { sseFloatInstructions } from "./instructions/sse-float.js";
import { sseIntegerInstructions } from "./instructions/sse-integer.js";
import { sseMoveInstructions } from "./instructions/sse-move.js";
import { sseShuffleInstructions } from "./instructions/sse-shuffle.js";
import { stackInstructions } from "./instructions/stack.js";
import { stringInstructions } from "./instructions/string.js";
import { systemInstructions } from "./instructions/system.js";
import { x87Instructions } from "./instructions/x87.js";

export const instructions: readonly InsnDefinition[] = [
  ...arithmeticInstructions,
  ...bitInstructions,
  ...branchInstructions,
  ...decimalInstructions,
  ...flagInstructions,
  ...floatControlInstructions,
  ...logicalInstructions,
  ...moveInstructions,
  ...shiftInstructions,
  ...sseFloatInstructions,
  ...sseIntegerInstructions,
  ...sseMoveInstructions,
  ...sseShuffleInstructions,
  ...stackInstructions,
  ...stringInstructions,
  ...systemInstructions,
  ...x87Instructions,
];
