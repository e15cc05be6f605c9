/**
 * x86 as the engine sees it: 64-bit code, code of 32 bits in flat segments, and all other, which is interpreted
 * (docs/decisions/0013).
 */
import type { InterpreterTarget } from "../../../engine/interpret/target.js";
import { engineRoutines, helperType, type Routines } from "../../../engine/routines.js";
import type { EngineTarget } from "../../../engine/target.js";
import type { TranslatorTarget } from "../../../engine/translate/target.js";
import { KVM_GUESTDBG_USE_HW_BP } from "../../../kvm/constants.js";
import { type HelperName, helpers } from "../isa/helpers.js";
import { instructionSet } from "../isa/instruction-set.js";
import { call, callIndirect, ret, retPop } from "../isa/instructions/branch.js";
import { dispatchTable, lacks } from "./dispatch.js";
import { GeneralRecorder } from "./general-recorder.js";
import { handlerName, handlerSpecs, type X86Handler } from "./handlers.js";
import { InterpreterRecorder } from "./interpreter-recorder.js";
import { CodeMode, codePage, state, tlb, vcpu } from "./layout.js";
import { type Operands, operandsOf } from "./operands.js";
import { held, wordOf, type X86Instruction, X86RegionRecorder } from "./region-recorder.js";

const target = {
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

/** Handlers of 64-bit code and of all other. */
const lists = new Map<32 | 64, ReturnType<typeof handlerSpecs>>();
function handlerList(codeSize: 32 | 64): ReturnType<typeof handlerSpecs> {
  const list = lists.get(codeSize) ?? handlerSpecs(codeSize);
  lists.set(codeSize, list);
  return list;
}

const nothing = (): void => {};
const sizeOfMode = (mode: number): 32 | 64 => (mode === CodeMode.long ? 64 : 32);

export const interpreterTarget = {
  ...target,
  handlers: (mode) => {
    const list = handlerList(sizeOfMode(mode));
    return { ...list, hotCount: mode === CodeMode.general ? 0 : list.hotCount, sharedNumbers: true };
  },
  // Modes of the same size have the same handlers.
  decodeTable: (specs, numbers) =>
    dispatchTable(
      [CodeMode.long, CodeMode.flat].map(
        (mode) => new Map((specs[mode] ?? []).map(({ name }, i) => [name, numbers[mode]?.[i] ?? 0])),
      ),
    ),
  recorder: (place) => {
    if (place.mode === CodeMode.general) return new GeneralRecorder(place);
    return new InterpreterRecorder(place, place.mode === CodeMode.flat);
  },
  before: { mode: CodeMode.general, routine: "insideCode" },
  illegal: ({ f, state: s, runtime }) => {
    f.get(s);
    f.call(runtime.helper("illegal"));
  },
  branches: { note: nothing, noteAtPc: nothing, settle: nothing },
  leaving: nothing,
  // What traps behind it: debug registers' matches, and a single step if RFLAGS.TF, as it was, asks for it; and what had to wait.
  alone: ({ f, state: s, runtime }) => {
    const before = f.local("i64");
    const delivered = f.local("i64");
    f.get(s);
    f.load("i64", state.statInterrupt.offset);
    f.set(delivered);
    f.get(s);
    f.call(runtime.helper("beforeAlone"));
    f.get(s);
    f.load("i64", state.systemFlags.offset);
    f.set(before);
    return () => {
      f.get(s);
      f.get(before);
      f.get(delivered);
      f.call(runtime.helper("afterAlone"));
    };
  },
} as const satisfies InterpreterTarget<X86Handler>;

/** Handlers by name, of 64-bit code and of all other, made once for each thread that decodes such. */
const byName = new Map<32 | 64, ReadonlyMap<string, X86Handler>>();
function handlers(codeSize: 32 | 64): ReadonlyMap<string, X86Handler> {
  const known = byName.get(codeSize);
  if (known) return known;
  const made = new Map(handlerList(codeSize).specs.map((spec) => [spec.name, spec]));
  byName.set(codeSize, made);
  return made;
}

/**
 * The instruction whose bytes `byte` gives, as engines have it for a processor with these features; undefined if there is none
 * that they have.
 */
function decodeBytes(
  byte: (i: number) => number | undefined,
  codeSize: 32 | 64,
  has: bigint,
): { readonly handler: X86Handler; readonly operands: Operands } | undefined {
  let found = instructionSet().decode(byte, codeSize);
  if (typeof found !== "string" && lacks(found.of, has)) {
    if (!found.of.definition.options.elsePlain) return undefined;
    found = instructionSet().decode(byte, codeSize, true);
  }
  if (typeof found === "string") return undefined;
  const handler = handlers(codeSize).get(handlerName(found, found.of));
  return handler && { handler, operands: operandsOf(found, found.of) };
}

/** What templates are of, by handler and then by the operands that decide. A guest could make any number. */
const instructions = new Map<X86Handler, Map<number, X86Instruction>>();
const instructionLimit = 16_384;
let instructionCount = 0;

/** One object for all instructions that differ in no more than their displacements and immediates. */
function instructionOf(handler: X86Handler, operands: Operands): X86Instruction {
  const { reg, rm, vvvv, base, index, scale, segment, ripRelative, lock, length } = operands;
  const flags = (ripRelative ? 1 : 0) + (lock ? 2 : 0);
  const parts = [reg, rm, vvvv, base, index, scale, segment, flags, length];
  // Each is below 32, and nine times five bits fit a number.
  const key = parts.reduce((sum, part) => 32 * sum + part, 0);
  const known = instructions.get(handler)?.get(key);
  if (known) return known;
  if (instructionCount++ >= instructionLimit) {
    instructions.clear();
    instructionCount = 1;
  }
  const made: X86Instruction = { handler, operands };
  const of = instructions.get(handler) ?? new Map<number, X86Instruction>();
  instructions.set(handler, of.set(key, made));
  return made;
}

export const translatorTarget: TranslatorTarget<X86Instruction> = {
  ...target,
  held,
  // RSP and the flags.
  deliveryReadsHeld: true,
  warmUp: () => void handlers(64),
  recorder: (mode, runtime, access) => new X86RegionRecorder({ runtime, access }, mode === CodeMode.flat),
  decoder: (_, own) => (view, at, room, mode) => {
    const has = view.getBigUint64(own + state.features.offset, true);
    const found = decodeBytes((i) => (i < room ? view.getUint8(at + i) : undefined), sizeOfMode(mode), has);
    if (!found) return undefined;
    const { handler, operands } = found;
    return { variant: instructionOf(handler, operands), word: wordOf(operands), length: operands.length };
  },
  flow: ({ variant: { handler } }) => {
    const { definition } = handler.form;
    if (definition === call || definition === callIndirect) return "call";
    return definition === ret || definition === retPop ? "return" : "plain";
  },
  jumpTable: () => [],
  branches: { note: nothing, settle: nothing, settleAt: nothing },
  breakpoints: (view, at) => {
    const isUsers = view.getInt32(at + state.guestDebug.offset, true) & KVM_GUESTDBG_USE_HW_BP;
    const { offset } = isUsers ? state.hostDebug : state.debug;
    const register = (i: number) => view.getBigUint64(at + offset + 8 * i, true);
    const control = Number(BigInt.asUintN(32, register(7)));
    const breaks = [0, 1, 2, 3].filter((i) => (control >> (2 * i)) & 3 && !((control >> (16 + 4 * i)) & 3));
    return breaks.map(register);
  },
};
