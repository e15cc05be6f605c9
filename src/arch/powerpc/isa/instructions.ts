/** Every instruction, in one list. The decoder, the assembler, the disassembler and both engines derive from it. */
import type { InsnDefinition } from "./insn.js";
import { atomicInstructions } from "./instructions/atomic.js";
import { branchInstructions } from "./instructions/branch.js";
import { compareInstructions } from "./instructions/compare.js";
import { conditionRegisterInstructions } from "./instructions/condition-register.js";
import { decimalFloatInstructions } from "./instructions/decimal-float.js";
import { fixedArithmeticInstructions } from "./instructions/fixed-arithmetic.js";
import { fixedBitsInstructions } from "./instructions/fixed-bits.js";
import { fixedDivideInstructions } from "./instructions/fixed-divide.js";
import { fixedLoadInstructions } from "./instructions/fixed-load.js";
import { fixedLogicalInstructions } from "./instructions/fixed-logical.js";
import { fixedStoreInstructions } from "./instructions/fixed-store.js";
import { floatArithmeticInstructions } from "./instructions/float-arithmetic.js";
import { floatConvertInstructions } from "./instructions/float-convert.js";
import { floatStatusInstructions } from "./instructions/float-status.js";
import { floatStorageInstructions } from "./instructions/float-storage.js";
import { matrixMultiplyInstructions } from "./instructions/matrix-multiply.js";
import { moveSprInstructions } from "./instructions/move-spr.js";
import { prefixedStorageInstructions } from "./instructions/prefixed-storage.js";
import { prefixedVectorInstructions } from "./instructions/prefixed-vector.js";
import { rotateShiftInstructions } from "./instructions/rotate-shift.js";
import { storageControlInstructions } from "./instructions/storage-control.js";
import { systemInstructions } from "./instructions/system.js";
import { vectorAddInstructions } from "./instructions/vector-add.js";
import { vectorBitsInstructions } from "./instructions/vector-bits.js";
import { vectorCompareInstructions } from "./instructions/vector-compare.js";
import { vectorCountInstructions } from "./instructions/vector-count.js";
import { vectorCryptoInstructions } from "./instructions/vector-crypto.js";
import { vectorDecimalInstructions } from "./instructions/vector-decimal.js";
import { vectorDivideInstructions } from "./instructions/vector-divide.js";
import { vectorExtractInstructions } from "./instructions/vector-extract.js";
import { vectorFloatInstructions } from "./instructions/vector-float.js";
import { vectorInsertInstructions } from "./instructions/vector-insert.js";
import { vectorInteger128Instructions } from "./instructions/vector-integer-128.js";
import { vectorLogicalInstructions } from "./instructions/vector-logical.js";
import { vectorMaskInstructions } from "./instructions/vector-mask.js";
import { vectorMinMaxInstructions } from "./instructions/vector-minmax.js";
import { vectorMultiplyInstructions } from "./instructions/vector-multiply.js";
import { vectorPackInstructions } from "./instructions/vector-pack.js";
import { vectorPermuteInstructions } from "./instructions/vector-permute.js";
import { vectorQuadwordInstructions } from "./instructions/vector-quadword.js";
import { vectorShiftInstructions } from "./instructions/vector-shift.js";
import { vectorStatusInstructions } from "./instructions/vector-status.js";
import { vectorStorageInstructions } from "./instructions/vector-storage.js";
import { vectorSumInstructions } from "./instructions/vector-sum.js";
import { vsxFloatConvertInstructions } from "./instructions/vsx-float-convert.js";
import { vsxFloatFieldsInstructions } from "./instructions/vsx-float-fields.js";
import { vsxFloatQuadInstructions } from "./instructions/vsx-float-quad.js";
import { vsxFloatScalarInstructions } from "./instructions/vsx-float-scalar.js";
import { vsxFloatVectorInstructions } from "./instructions/vsx-float-vector.js";
import { vsxLoadInstructions } from "./instructions/vsx-load.js";
import { vsxMoveInstructions } from "./instructions/vsx-move.js";
import { vsxPairStorageInstructions } from "./instructions/vsx-pair-storage.js";
import { vsxPermuteInstructions } from "./instructions/vsx-permute.js";
import { vsxSpecialInstructions } from "./instructions/vsx-special.js";
import { vsxStoreInstructions } from "./instructions/vsx-store.js";

export const instructions: readonly InsnDefinition[] = [
  ...atomicInstructions,
  ...branchInstructions,
  ...compareInstructions,
  ...conditionRegisterInstructions,
  ...decimalFloatInstructions,
  ...fixedArithmeticInstructions,
  ...fixedDivideInstructions,
  ...fixedLoadInstructions,
  ...fixedLogicalInstructions,
  ...fixedStoreInstructions,
  ...floatArithmeticInstructions,
  ...floatConvertInstructions,
  ...floatStatusInstructions,
  ...floatStorageInstructions,
  ...moveSprInstructions,
  ...rotateShiftInstructions,
  ...storageControlInstructions,
  ...systemInstructions,
  ...vectorAddInstructions,
  ...vectorBitsInstructions,
  ...vectorCompareInstructions,
  ...vectorCountInstructions,
  ...vectorCryptoInstructions,
  ...vectorDecimalInstructions,
  ...vectorExtractInstructions,
  ...vectorFloatInstructions,
  ...vectorLogicalInstructions,
  ...vectorMinMaxInstructions,
  ...vectorMultiplyInstructions,
  ...vectorPackInstructions,
  ...vectorPermuteInstructions,
  ...vectorQuadwordInstructions,
  ...vectorShiftInstructions,
  ...vectorStatusInstructions,
  ...vectorStorageInstructions,
  ...vectorSumInstructions,
  ...vsxFloatConvertInstructions,
  ...vsxFloatFieldsInstructions,
  ...vsxFloatQuadInstructions,
  ...vsxFloatScalarInstructions,
  ...vsxFloatVectorInstructions,
  ...vsxLoadInstructions,
  ...vsxMoveInstructions,
  ...vsxPermuteInstructions,
  ...vsxStoreInstructions,
  ...fixedBitsInstructions,
  ...vectorDivideInstructions,
  ...vectorMaskInstructions,
  ...vectorInsertInstructions,
  ...vectorInteger128Instructions,
  ...vsxPairStorageInstructions,
  ...vsxSpecialInstructions,
  ...matrixMultiplyInstructions,
  ...prefixedStorageInstructions,
  ...prefixedVectorInstructions,
];
