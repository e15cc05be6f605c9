/**
 * Where an operand in memory is that ModRM names, as a function of the interpreter's module: one for code of every kind, so that
 * handlers that are the same but for this are one function. Code that is neither of 64 bits nor in flat segments asks the
 * run-time library (mmu/segmentation.as.ts), as flat code does of segments that are not flat.
 */
import type { CommonFunctions } from "../../../engine/interpret/common-functions.js";
import { lengthMask } from "../../../engine/interpret/target.js";
import type { RuntimeFunctions } from "../../../engine/recorder.js";
import { aloneBit } from "../../../engine/target.js";
import type { FunctionBuilder } from "../../../wasm/function-builder.js";
import { rsp } from "../isa/machine.js";
import { CodeMode, flatData, Segment, state } from "./layout.js";
import { place, record } from "./operands.js";

/** It is to be written; what is added is no index: it is added to the whole address in 64-bit code. */
export const AskedBits = { write: 1, further: 2 } as const;

/** What of the state's `mode` is the mode. */
const modeMask = aloneBit({ modes: Object.keys(CodeMode) }) - 1;

/** The function's parameters. */
const P = { state: 0, word: 1, moved: 2, more: 3, bytes: 4, asked: 5 } as const;

/**
 * Index of (state, word, what is added where RSP is the base, what is always added, bytes, `AskedBits`) -> linear address. After
 * it, `fault` is looked at.
 */
export function operandAddress(common: CommonFunctions, runtime: RuntimeFunctions): number {
  const params = ["i32", "i32", "i32", "i64", "i32", "i32"] as const;
  return common.get("operand's address", params, ["i64"], (f) => emitAddress(f, runtime));
}

function emitAddress(f: FunctionBuilder, runtime: RuntimeFunctions): void {
  const own = f.local("i32");
  const sum = f.local("i64");
  f.get(P.word);
  f.i32Const(~lengthMask);
  f.i32("and");
  f.set(own);
  const byte = (offset: number): void => {
    f.get(own);
    f.access("i32.load8_u", offset);
  };
  /** A word of 64 bits of the state, so many bytes further as the record's byte says. */
  const field = (offset: number, at: number): void => {
    f.get(P.state);
    byte(at);
    f.i32("add");
    f.load("i64", offset);
  };
  const isMode = (mode: number): void => {
    f.get(P.state);
    f.load("i32", state.mode.offset);
    f.i32Const(modeMask);
    f.i32("and");
    f.i32Const(mode);
    f.i32("eq");
  };
  const asked = (bit: number): void => {
    f.get(P.asked);
    f.i32Const(bit);
    f.i32("and");
  };
  const add = (): void => {
    f.get(sum);
    f.get(P.more);
    f.i64("add");
    f.set(sum);
  };
  const cutIfNarrow = (mask: bigint): void => {
    byte(record.narrow);
    f.if();
    f.get(sum);
    f.i64Const(mask);
    f.i64("and");
    f.set(sum);
    f.end();
  };

  // base + index * 2 ** scale + displacement
  field(state.general.offset, record.base);
  field(state.general.offset, record.index);
  byte(record.scale);
  f.convert("extendU");
  f.i64("shl");
  f.i64("add");
  f.get(own);
  f.load("i32", record.displacement);
  f.convert("extendS");
  f.i64("add");
  f.set(sum);
  f.get(P.moved);
  f.if();
  byte(record.base);
  f.i32Const(place(rsp));
  f.i32("eq");
  f.if();
  f.get(sum);
  f.get(P.moved);
  f.convert("extendS");
  f.i64("add");
  f.set(sum);
  f.end();
  f.end();

  isMode(CodeMode.long);
  f.if();
  byte(record.ripRelative);
  f.if();
  f.get(sum);
  f.get(P.state);
  f.load("i64", state.pc.offset);
  f.i64("add");
  f.get(P.word);
  f.i32Const(lengthMask);
  f.i32("and");
  f.convert("extendU");
  f.i64("add");
  f.set(sum);
  f.end();
  asked(AskedBits.further);
  f.if();
  cutIfNarrow(0xffffffffn);
  add();
  f.else();
  add();
  cutIfNarrow(0xffffffffn);
  f.end();
  f.get(sum);
  field(state.segmentBase.offset, record.segment);
  f.i64("add");
  f.return();
  f.end();

  isMode(CodeMode.flat);
  f.if();
  add();
  f.get(sum);
  f.i64Const(0xffffffffn);
  f.i64("and");
  f.set(sum);
  cutIfNarrow(0xffffn);
  // ES, SS and DS are flat; FS, GS and CS may be.
  f.i32Const((1 << Segment.es) | (1 << Segment.ss) | (1 << Segment.ds));
  byte(record.segment);
  f.i32Const(3);
  f.i32("shrU");
  f.i32("shrU");
  f.i32Const(1);
  f.i32("and");
  f.if();
  f.get(sum);
  f.return();
  f.end();
  const segment = f.local("i32");
  f.get(P.state);
  byte(record.segment);
  f.i32Const(1);
  f.i32("shrU");
  f.i32("add");
  f.tee(segment);
  f.load("i32", state.segmentLimit.offset);
  f.i32Const(-1);
  f.i32("eq");
  f.get(segment);
  f.load("i32", state.segmentAccess.offset);
  f.i32Const(flatData.mask);
  f.i32("and");
  f.i32Const(flatData.is);
  f.i32("eq");
  f.i32("and");
  f.if();
  f.get(sum);
  field(state.segmentBase.offset, record.segment);
  f.i64("add");
  f.i64Const(0xffffffffn);
  f.i64("and");
  f.return();
  f.end();
  f.end();

  f.get(P.state);
  f.get(P.word);
  f.get(P.moved);
  f.get(P.more);
  f.get(P.bytes);
  asked(AskedBits.write);
  f.call(runtime.helper("operandAddress"));
}
