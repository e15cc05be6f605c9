/** x86 as the translator sees it. */
import type { TranslatorTarget } from "../../../engine/translate/target.js";
import { KVM_GUESTDBG_USE_HW_BP } from "../../../kvm/constants.js";
import { longest } from "../isa/decoder.js";
import { instructionSet } from "../isa/instruction-set.js";
import { call, callIndirect, ret, retPop } from "../isa/instructions/branch.js";
import { lacks } from "./features.js";
import { handlerName, handlerSpecs, type X86Handler } from "./handlers.js";
import { jumpTable } from "./jump-table.js";
import { CodeMode, state } from "./layout.js";
import { type Operands, operandsOf } from "./operands.js";
import { deferred, held, wordOf, type X86Instruction, X86RegionRecorder } from "./region-recorder.js";
import { sizeOfMode, x86Target } from "./x86-target.js";

const nothing = (): void => {};

/** Handlers by name, of 64-bit code and of all other, made once for each thread that decodes such. */
const byName = new Map<32 | 64, ReadonlyMap<string, X86Handler>>();
function handlers(codeSize: 32 | 64): ReadonlyMap<string, X86Handler> {
  const known = byName.get(codeSize);
  if (known) return known;
  const made = new Map(handlerSpecs(codeSize).specs.map((spec) => [spec.name, spec]));
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
  ...x86Target,
  held,
  deferred,
  // RSP and the flags.
  deliveryReadsHeld: true,
  warmUp: () => void handlers(64),
  recorder: (mode, runtime, access) => new X86RegionRecorder({ runtime, access }, mode === CodeMode.flat),
  decoder: (_, own) => (view, at, room, mode, next) => {
    const has = view.getBigUint64(own + state.features.offset, true);
    const found = decodeBytes(
      (i) => {
        if (i < room) return view.getUint8(at + i);
        return next !== undefined && i < longest ? view.getUint8(next + i - room) : undefined;
      },
      sizeOfMode(mode),
      has,
    );
    if (!found) return undefined;
    const { handler, operands } = found;
    return { variant: instructionOf(handler, operands), word: wordOf(operands), length: operands.length };
  },
  flow: ({ variant: { handler } }) => {
    const { definition } = handler.form;
    if (definition === call || definition === callIndirect) return "call";
    return definition === ret || definition === retPop ? "return" : "plain";
  },
  jumpTable,
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
