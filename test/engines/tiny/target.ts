/** The tiny processor as the engine sees it: all that an architecture has to say, and nothing in the engine's folder. */

import type { HandlerPlace, HandlerSpec, InterpreterTarget } from "../../../src/engine/interpret/target.js";
import type { Node, Recording, Resource } from "../../../src/engine/ir.js";
import {
  codePages,
  engineErrors,
  engineExits,
  engineFields,
  engineRequests,
  engineVm,
  engineVmEnd,
  Handler,
  layOut,
  softTlb,
  vcpuParts,
} from "../../../src/engine/layout.js";
import type { ArchitectureTables } from "../../../src/engine/numbers.js";
import { asI32, asI64, asNode, Recorder, type RecorderOptions } from "../../../src/engine/recorder.js";
import { engineRoutines } from "../../../src/engine/routines.js";
import type { EngineTarget } from "../../../src/engine/target.js";
import type { TranslatorTarget } from "../../../src/engine/translate/target.js";
import { HeldRegisters, type RegionRecorder, regionLocals } from "../../../src/engine/translate/template.js";
import type { I32, I64 } from "../../../src/semantics/values.js";
import type { FunctionBuilder } from "../../../src/wasm/function-builder.js";
import { instructions, longest, type TinyInstruction, type TinyMachine } from "./isa.js";

/** Registers, the address to return to, and how many slices have passed. */
const built = layOut({ registers: ["i64", 8], link: ["i64", 1], time: ["i64", 1], ...engineFields });
export const state = built.fields;
export const tlb = softTlb(12, 4096, 1024);
export const codePage = codePages({
  ...{ unit: 1, longest, usual: 1, pages: 16, patience: 2, kinds: 1 },
  ...{ spanShift: tlb.pageShift, reachShift: tlb.pageShift },
});
export const vcpu = vcpuParts(built.size, tlb, codePage);

/** Why the processor stopped. */
export const Exit = { ...engineExits, halt: 16, illegal: 17, pageFault: 18 } as const;

/** What it keeps of a VM: its page table, a word a page: 1 + the physical page, 0 if there is none. */
export const archLayout = { ...engineVm, pageTable: engineVmEnd } as const;
/** Pages that can have a place in it. */
export const pages = 32;

/** What the run-time library (runtime/) shares with TypeScript. */
export const tables = {
  EXIT: Exit,
  REQUEST: engineRequests,
  ERROR: engineErrors,
  ARCH: { ...archLayout, pages },
  DEBUG: { breakpoint: 1, watchRead: 2, watchWrite: 4 },
} as const satisfies ArchitectureTables;

const target = {
  layout: { state, tlb, codePage, vcpu },
  routines: { ...engineRoutines, halt: [["i32"], []], illegal: [["i32"], []] },
  modes: [{ addressMask: undefined, targetMask: undefined, translated: true }],
} as const satisfies EngineTarget;

abstract class TinyRecorder extends Recorder implements TinyMachine {
  constructor(options: Omit<RecorderOptions, "addressMask" | "littleEndian">) {
    super({ ...options, addressMask: undefined, littleEndian: true });
  }

  abstract register(number: I32): I64;
  abstract setRegister(number: I32, value: I64): void;
  abstract link(): I64;
  abstract setLink(value: I64): void;
  abstract field(shift: number, width: number): I32;

  signedField(shift: number, width: number): I32 {
    const { i32 } = this;
    const unused = i32.const(32 - width);
    return i32.shrS(i32.shl(this.field(shift, width), unused), unused);
  }

  halt(): void {
    this.routine("halt", []);
  }

  protected helperWrites(): readonly Resource[] {
    return [];
  }

  protected endInContextChange(): void {
    throw new Error("no instruction changes the context");
  }
}

class InterpreterRecorder extends TinyRecorder {
  readonly #place: HandlerPlace;

  constructor(place: HandlerPlace) {
    super(place);
    this.#place = place;
  }

  handler({ instruction }: TinyHandler): Recording {
    return this.record(() => instruction.body(this));
  }

  protected stateAddress(): Node<"i32"> {
    return this.node("i32", [], (f) => f.get(this.#place.locals.state), undefined, true);
  }

  cia(): I64 {
    const node = this.node("i64", [], this.#place.emitCia);
    node.displacement = asNode(this.i32.const(0));
    return asI64(node);
  }

  field(shift: number, width: number): I32 {
    const { i32 } = this;
    const word = asI32(this.node("i32", [], (f) => f.get(this.#place.locals.word), undefined, true));
    return i32.and(i32.shrU(word, i32.const(shift)), i32.const(2 ** width - 1));
  }

  #address(number: I32): Node {
    return asNode(this.i32.add(asI32(this.stateAddress()), this.i32.shl(number, this.i32.const(3))));
  }

  register(number: I32): I64 {
    const load = (f: FunctionBuilder) => f.load("i64", state.registers.offset);
    return asI64(this.node("i64", [this.#address(number)], load, "registers"));
  }

  setRegister(number: I32, value: I64): void {
    const store = (f: FunctionBuilder) => f.store("i64", state.registers.offset);
    this.effect([this.#address(number), asNode(value)], ["registers"], store);
  }

  link(): I64 {
    return asI64(this.node("i64", [this.stateAddress()], (f) => f.load("i64", state.link.offset), "link"));
  }

  setLink(value: I64): void {
    this.effect([this.stateAddress(), asNode(value)], ["link"], (f) => f.store("i64", state.link.offset));
  }

  protected override jumpUses(target: Node): Node {
    return target.displacement ?? target;
  }
}

class TinyRegionRecorder extends TinyRecorder implements RegionRecorder<TinyInstruction> {
  readonly held = new HeldRegisters(translatorTarget.held);
  #word = 0;

  instruction({ body }: TinyInstruction, word: number): Recording {
    this.#word = word;
    return this.record(() => body(this));
  }

  protected stateAddress(): Node<"i32"> {
    return this.node("i32", [], (f) => f.get(regionLocals.state), undefined, true);
  }

  cia(): I64 {
    const node = this.node("i64", [], (f) => {
      f.get(regionLocals.base);
      f.i64Const(BigInt(this.held.place.offset));
      f.i64("add");
    });
    node.displacement = asNode(this.i32.const(0));
    return asI64(node);
  }

  field(shift: number, width: number): I32 {
    return this.i32.const((this.#word >>> shift) & (2 ** width - 1));
  }

  register(number: I32): I64 {
    return asI64(this.held.read(this, asNode(number).constant as number, "i64"));
  }

  setRegister(number: I32, value: I64): void {
    this.held.write(this, asNode(number).constant as number, asNode(value));
  }

  link(): I64 {
    return asI64(this.held.read(this, 8, "i64"));
  }

  setLink(value: I64): void {
    this.held.write(this, 8, asNode(value));
  }
}

export interface TinyHandler extends HandlerSpec {
  readonly instruction: TinyInstruction;
}

/** Handler numbers by opcode, a byte each, then lengths: the form of this processor's decode table. */
const decodeTable = ([specs = []]: readonly (readonly TinyHandler[])[]): Uint8Array => {
  const table = new Uint8Array(512).fill(Handler.illegal, 0, 256);
  specs.forEach(({ instruction: { opcode, length } }, i) => {
    table[opcode] = Handler.first + i;
    table[256 + opcode] = length;
  });
  return table;
};

const nothing = (): void => {};

export const interpreterTarget = {
  ...target,
  handlers: () => ({
    specs: instructions.map((instruction) => ({ ...instruction, instruction })),
    // The frequent ones and some more.
    hotCount: instructions.filter(({ weight }) => weight > 0).length + 3,
  }),
  decodeTable,
  recorder: (place) => new InterpreterRecorder(place),
  illegal: ({ f, state: s, runtime }) => {
    f.get(s);
    f.call(runtime.helper("illegal"));
  },
  branches: { note: nothing, noteAtPc: nothing, settle: nothing },
  leaving: nothing,
  alone: () => nothing,
} as const satisfies InterpreterTarget<TinyHandler>;

const byOpcode = new Map(instructions.map((one) => [one.opcode, one]));

export const translatorTarget: TranslatorTarget<TinyInstruction> = {
  ...target,
  held: Array.from({ length: 9 }, (_, i) => ({
    type: "i64",
    offset: i < 8 ? state.registers.offset + 8 * i : state.link.offset,
  })),
  warmUp: nothing,
  recorder: (_mode, runtime, access) => new TinyRegionRecorder({ runtime, access }),
  decoder: () => (view, at, room) => {
    const variant = byOpcode.get(view.getUint8(at));
    if (!variant || variant.length > room) return undefined;
    let word = 0;
    for (let i = 1; i < Math.min(variant.length, 5); i++) word |= view.getUint8(at + i) << (8 * (i - 1));
    return { variant, word, length: variant.length };
  },
  flow: ({ variant }) => variant.flow,
  jumpTable: () => [],
  branches: { note: nothing, settle: nothing, settleAt: nothing },
  breakpoints: (view, at) =>
    Array.from({ length: view.getInt32(at + state.breakCount.offset, true) }, (_, i) =>
      view.getBigUint64(at + state.breakAddress.offset + 8 * i, true),
    ),
};
