/** What both engines are told of x86: 64-bit code, code of 32 bits in flat segments, and all other (docs/decisions/0013). */
import { engineRoutines, helperType, type Routines } from "../../../engine/routines.js";
import type { EngineTarget } from "../../../engine/target.js";
import { type HelperName, helpers } from "../isa/helpers.js";
import { CodeMode, codePage, state, tlb, vcpu } from "./layout.js";

export const x86Target = {
  layout: { state, tlb, codePage, vcpu },
  routines: {
    ...engineRoutines,
    /** (state, vector): an exception of the instruction at pc. */
    raise: [["i32", "i32"], []],
    illegal: [["i32"], []],
    /** (state): what SSE's, AVX's and MMX's instructions raise now; what the last operation of SSE's found. */
    raiseBlocked: [["i32"], []],
    raiseAvxBlocked: [["i32"], []],
    raiseMmx: [["i32"], []],
    raiseFloat: [["i32"], []],
    /** (state, address, bytes): where an operand lies that is read and then written; 0 after a fault. Then, that it was written. */
    updateSlow: [["i32", "i64", "i32"], ["i32"]],
    updateDone: [["i32", "i32"], []],
    /** (host address, what was there, value, bytes): whether that still was there, and the value is now. */
    exchangeUnaligned: [["i32", "i64", "i64", "i32"], ["i32"]],
    /** (state, word): the instruction is in its code segment as a whole, or a fault. */
    insideCode: [["i32", "i32"], []],
    /** Outside 64-bit mode: an operand's offset; its address; one by segment and offset; one from where a register points. */
    operandOffset: [["i32", "i32"], ["i64"]],
    operandAddress: [["i32", "i32", "i32", "i64", "i32", "i32"], ["i64"]],
    segmentAddress: [["i32", "i32", "i64", "i32", "i32"], ["i64"]],
    stackAddress: [["i32", "i32", "i32", "i32", "i32"], ["i64"]],
    /** (state, register, distance): what RSP becomes, so far from there. */
    stackMoved: [["i32", "i32", "i64"], ["i64"]],
    /** (state): before an instruction that runs alone. (state, RFLAGS and the number of deliveries before): after it. */
    beforeAlone: [["i32"], []],
    afterAlone: [["i32", "i64", "i64"], []],
    ...(Object.fromEntries(
      Object.entries(helpers).map(([name, signature]) => [name, helperType(signature)]),
    ) as Readonly<Record<HelperName, Routines[string]>>),
  },
  // By `CodeMode`.
  modes: [
    { addressMask: undefined, targetMask: undefined, translated: true },
    { addressMask: 0xffffffffn, targetMask: 0xffffffffn, translated: false },
    { addressMask: 0xffffffffn, targetMask: 0xffffffffn, translated: true },
  ],
} as const satisfies EngineTarget;

/** Of the size of code that it is for handlers are told apart. */
export const sizeOfMode = (mode: number): 32 | 64 => (mode === CodeMode.long ? 64 : 32);
