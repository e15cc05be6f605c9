/** Every instruction that is declared. */
import type { InsnDefinition } from "./insn.js";
import { arithmeticInstructions } from "./instructions/arithmetic.js";
import { avxMemoryInstructions } from "./instructions/avx-memory.js";
import { avxShuffleInstructions } from "./instructions/avx-shuffle.js";
import { bitInstructions } from "./instructions/bits.js";
import { branchInstructions } from "./instructions/branch.js";
import { decimalInstructions } from "./instructions/decimal.js";
import { extendedStateInstructions } from "./instructions/extended-state.js";
import { flagInstructions } from "./instructions/flags.js";
import { floatControlInstructions } from "./instructions/float-control.js";
import { fmaInstructions } from "./instructions/fma.js";
import { galoisInstructions } from "./instructions/galois.js";
import { logicalInstructions } from "./instructions/logical.js";
import { moveInstructions } from "./instructions/move.js";
import { shiftInstructions } from "./instructions/shift.js";
import { sseConvertInstructions } from "./instructions/sse-convert.js";
import { sseCryptoInstructions } from "./instructions/sse-crypto.js";
import { sseElementInstructions } from "./instructions/sse-element.js";
import { sseFloatInstructions } from "./instructions/sse-float.js";
import { sseIntegerInstructions } from "./instructions/sse-integer.js";
import { sseMoveInstructions } from "./instructions/sse-move.js";
import { sseShuffleInstructions } from "./instructions/sse-shuffle.js";
import { sseStringInstructions } from "./instructions/sse-string.js";
import { sse4Instructions } from "./instructions/sse4.js";
import { ssse3Instructions } from "./instructions/ssse3.js";
import { stackInstructions } from "./instructions/stack.js";
import { stringInstructions } from "./instructions/string.js";
import { systemInstructions } from "./instructions/system.js";
import { x87Instructions } from "./instructions/x87.js";

export const instructions: readonly InsnDefinition[] = [
  ...arithmeticInstructions,
  ...avxMemoryInstructions,
  ...avxShuffleInstructions,
  ...bitInstructions,
  ...branchInstructions,
  ...decimalInstructions,
  ...extendedStateInstructions,
  ...flagInstructions,
  ...floatControlInstructions,
  ...fmaInstructions,
  ...galoisInstructions,
  ...logicalInstructions,
  ...moveInstructions,
  ...shiftInstructions,
  ...sse4Instructions,
  ...sseConvertInstructions,
  ...sseCryptoInstructions,
  ...sseElementInstructions,
  ...sseFloatInstructions,
  ...sseIntegerInstructions,
  ...sseMoveInstructions,
  ...sseShuffleInstructions,
  ...sseStringInstructions,
  ...ssse3Instructions,
  ...stackInstructions,
  ...stringInstructions,
  ...systemInstructions,
  ...x87Instructions,
];
