/**
 * Builds the interpreter: one WebAssembly module with a core function per mode (MSR[SF] x MSR[LE]) and the rarer handlers
 * as functions of their own, all from the instruction definitions. How it works: docs/engine-contract.md.
 */

import { decodeTable, type HandlerSpec, handlerSpecs } from "../../arch/powerpc/engines/handlers.js";
import { InterpreterRecorder } from "../../arch/powerpc/engines/interpreter-recorder.js";
import { codePage, Handler, state } from "../../arch/powerpc/engines/layout.js";
import { type HelperName, helpers } from "../../arch/powerpc/isa/helpers.js";
import { vmLayout } from "../../kvm/layout.js";
import type { HelperSignature } from "../../semantics/signature.js";
import { FunctionBuilder, type ValueType } from "../../wasm/function-builder.js";
import { ModuleBuilder } from "../../wasm/module-builder.js";
import { conversionOpcodes, integerOpcodes, Op } from "../../wasm/opcodes.js";
import { type Exits, emit, plan } from "../ir.js";
import { type AccessContext, checkFault } from "../memory-access.js";
import { type CoreRoutine, coreRoutines } from "../recorder.js";
import { regionSignature } from "../region-entry.js";
import { buildCore, type CoreContext } from "./core.js";

const [i32, i64] = [0, 1] as const;

class InterpreterBuilder {
  readonly #module = new ModuleBuilder();
  readonly #runtime = new Map<string, number>();
  readonly #regionType: number;
  readonly #handlerType: number;
  readonly #specs: readonly HandlerSpec[];
  readonly #hotCount: number;
  readonly #regionTable: number;
  readonly #handlerTable: number;
  /** Size of each mode's core function in bytes, for the build's report. */
  readonly coreSizes: number[] = [];

  constructor(readonly shared: boolean) {
    const { specs, hotCount } = handlerSpecs();
    this.#specs = specs;
    this.#hotCount = hotCount;
    const m = this.#module;
    for (const [name, [params, results]] of Object.entries(coreRoutines)) {
      this.#runtime.set(name, m.importFunction("runtime", name, params, results));
    }
    for (const [name, h] of Object.entries(helpers) as [HelperName, HelperSignature][]) {
      const params: ValueType[] = h.effect === "pure" ? [...h.params] : ["i32", ...h.params];
      this.#runtime.set(name, m.importFunction("runtime", name, params, h.result === "void" ? [] : [h.result]));
    }
    m.importMemory("env", "memory", 1, 65536, shared);
    this.#regionTable = m.importTable("env", "regions", 1);
    this.#handlerTable = m.table(4 * (Handler.first + specs.length));
    this.#regionType = m.type(...regionSignature);
    this.#handlerType = m.type(["i32", "i32"], ["i32"]);
  }

  #helper(name: HelperName | CoreRoutine): number {
    const index = this.#runtime.get(name);
    if (index === undefined) throw new Error(`the run-time library has no ${name}`);
    return index;
  }

  #access(stateLocal: number, table: AccessContext["table"], asid: AccessContext["asid"]): AccessContext {
    return {
      state: stateLocal,
      table,
      asid,
      slow: (name) => this.#helper(name),
      checkFault: checkFault(stateLocal),
    };
  }

  #coreContext(mode: number, stride: number): CoreContext {
    return {
      mode,
      stride,
      specs: this.#specs,
      hotCount: this.#hotCount,
      helper: (name) => this.#helper(name),
      access: (stateLocal, table, asid) => this.#access(stateLocal, table, asid),
      regionType: this.#regionType,
      regionTable: this.#regionTable,
      handlerType: this.#handlerType,
      handlerTable: this.#handlerTable,
    };
  }

  build(): Uint8Array<ArrayBuffer> {
    const m = this.#module;
    const known = new Map<string, number>();
    const stride = Handler.first + this.#specs.length;
    const cores: number[] = [];
    const illegal = m.declare("illegal", ["i32", "i32"], ["i32"]);
    m.define(illegal, this.#illegal().finish());
    for (let mode = 0; mode < 4; mode++) {
      const functions = this.#specs.map((spec) => {
        const body = this.#handlerFunction(spec, mode);
        const key = body.join();
        let index = known.get(key);
        if (index === undefined) {
          index = m.declare(spec.name, ["i32", "i32"], ["i32"]);
          m.define(index, body);
          known.set(key, index);
        }
        return index;
      });
      m.elements(this.#handlerTable, mode * stride + Handler.illegal, [illegal, ...functions]);
      const core = m.declare(`core${mode}`, ["i32"], ["i32"]);
      const body = buildCore(this.#coreContext(mode, stride)).finish();
      this.coreSizes.push(body.length);
      m.define(core, body);
      cores.push(core);
    }
    // What an instruction that may have a breakpoint is decoded as.
    const alone = m.declare("alone", ...regionSignature);
    m.define(alone, this.#alone());
    m.elements(this.#regionTable, 0, [alone]);
    const one = m.declare("one", ["i32"], ["i32"]);
    m.define(one, this.#one(stride));
    const run = m.declare("run", ["i32"], ["i32"]);
    m.define(run, this.#run(cores, one));
    m.exportFunction("run", run);
    const step = m.declare("step", ["i32"], ["i32"]);
    m.define(step, this.#step(one));
    m.exportFunction("step", step);
    const instead = m.declare("instead", ["i32"], ["i32"]);
    m.define(instead, this.#instead(stride));
    m.exportFunction("instead", instead);
    const table = decodeTable(this.#specs);
    m.data(vmLayout.decodeTables, new Uint8Array(table.buffer, table.byteOffset, table.byteLength));
    if (table.byteLength > vmLayout.base - vmLayout.decodeTables) {
      throw new Error(`the decode table needs ${table.byteLength} bytes, more than its place in kvm/layout.ts`);
    }
    return m.build({ names: true });
  }

  /** A region that leads to one instruction at a time. */
  #alone(): FunctionBuilder {
    const f = new FunctionBuilder(regionSignature[0]);
    f.get(0);
    f.call(this.#helper("runAlone"));
    return f;
  }

  /** The handler of a word that is no instruction. */
  #illegal(): FunctionBuilder {
    const f = new FunctionBuilder(["i32", "i32"]);
    f.get(0);
    f.i32Const(0);
    f.call(this.#helper("raise"));
    f.i32Const(2);
    return f;
  }

  /** A handler by itself: (state, word) -> 0 go on, 1 pc is set, 2 pc is set and the instruction did not happen. */
  #handlerFunction(spec: HandlerSpec, mode: number): Uint8Array {
    const f = new FunctionBuilder(["i32", "i32"]);
    const mode64 = (mode & 2) !== 0;
    const loadState = (field: "tlb" | "asid") => (g: FunctionBuilder) => {
      g.get(0);
      g.memory(field === "tlb" ? Op["i32.load"] : Op["i64.load"], state[field].offset);
    };
    const recorder = new InterpreterRecorder(
      {
        mode64,
        littleEndian: (mode & 1) !== 0,
        runtime: { helper: (name) => this.#helper(name) },
        access: { ...this.#access(0, loadState("tlb"), loadState("asid")), noted: true },
      },
      { state: 0, word: 1 },
      (g) => {
        g.get(0);
        g.memory(Op["i64.load"], state.pc.offset);
      },
    );
    const result = (value: number) => (g: FunctionBuilder) => {
      g.i32Const(value);
      g.return();
    };
    const exits: Exits = {
      storePc: () => {},
      fault: result(2),
      leave: result(1),
      handOver: () => {},
      leaveHandedOver: result(1),
      jump: (g, target, value) => {
        // The recording holds the displacement of a relative target, the address of another.
        const address = g.local("i64");
        g.get(0);
        g.get(0);
        g.memory(Op["i64.load"], state.pc.offset);
        g.memory(Op["i64.store"], state.cfar.offset);
        g.get(0);
        g.i32Const(0);
        g.memory(Op["i32.store"], state.branchEntry.offset);
        if (target.displacement) {
          g.get(0);
          g.memory(Op["i64.load"], state.pc.offset);
          value(target.displacement);
          g.op(0xac); // i64.extend_i32_s
          g.op(integerOpcodes.add[i64]);
        } else value(target);
        g.i64Const(mode64 ? -4n : 0xfffffffcn);
        g.op(integerOpcodes.and[i64]);
        g.set(address);
        g.get(0);
        g.get(address);
        g.memory(Op["i64.store"], state.pc.offset);
        g.release(address);
        g.i32Const(1);
        g.return();
      },
    };
    emit(f, plan(recorder.handler(spec)), exits);
    f.i32Const(0);
    return f.finish();
  }

  /** (state) -> exitCode: runs until there is something for the caller. */
  #run(cores: readonly number[], one: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    // Requests and interrupts that came while the vCPU was outside are looked at first.
    this.#setState(f, "recheck", 1);
    const again = f.loop();
    const done = f.block();
    const traced = f.block();
    const labels = cores.map(() => f.block());
    this.#getState(f, "mode");
    f.brTable(labels.toReversed(), traced);
    for (const core of cores) {
      f.end();
      f.get(0);
      f.call(core);
      f.op(integerOpcodes.eqz[i32]);
      f.brIf(again);
      f.br(done);
    }
    f.end(); // traced
    f.get(0);
    f.call(one);
    f.op(integerOpcodes.eqz[i32]);
    f.brIf(again);
    f.end();
    f.end();
    // Outside the engine, CFAR is what it should be.
    f.get(0);
    f.call(this.#helper("settleComeFrom"));
    this.#getState(f, "exitCode");
    return f;
  }

  #getState(f: FunctionBuilder, field: keyof typeof state): void {
    f.get(0);
    f.memory(state[field].type === "i64" ? Op["i64.load"] : Op["i32.load"], state[field].offset);
  }

  #setState(f: FunctionBuilder, field: keyof typeof state, value: number): void {
    f.get(0);
    f.i32Const(value);
    f.memory(Op["i32.store"], state[field].offset);
  }

  #orMode(f: FunctionBuilder, bits: number): void {
    f.get(0);
    this.#getState(f, "mode");
    f.i32Const(bits);
    f.op(integerOpcodes.or[i32]);
    f.memory(Op["i32.store"], state.mode.offset);
  }

  /** (state) -> exitCode: one instruction. */
  #step(one: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    this.#setState(f, "recheck", 1);
    f.get(0);
    f.call(one);
    f.op(Op.drop);
    this.#getState(f, "exitCode");
    return f;
  }

  /**
   * (state) -> 1 if it completed and the guest goes on at pc, 0 if more may have changed: the instruction at pc in place of
   * a region that met what it cannot do itself. Decoded entries stay as they are, among them that region's.
   */
  #instead(stride: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    const entry = f.local("i32");
    const instruction = f.local("i64");
    const result = f.local("i32");
    const interrupts = f.local("i64");
    this.#getState(f, "statInterrupt");
    f.set(interrupts);
    f.get(0);
    f.call(this.#helper("fetch"));
    f.tee(entry);
    f.op(integerOpcodes.eqz[i32]);
    // Fetching may have raised an interrupt: the context is another one, and the vector's instruction is not for here.
    this.#getState(f, "statInterrupt");
    f.get(interrupts);
    f.op(integerOpcodes.ne[i64]);
    f.op(integerOpcodes.or[i32]);
    f.if();
    f.i32Const(0);
    f.return();
    f.end();
    f.get(0);
    f.get(0);
    f.get(entry);
    f.call(this.#helper("instructionAt"));
    f.tee(instruction);
    f.i64Const(32n);
    f.op(integerOpcodes.shrU[i64]);
    f.op(conversionOpcodes.wrap);
    f.get(instruction);
    f.op(conversionOpcodes.wrap);
    this.#getState(f, "mode");
    f.i32Const(3);
    f.op(integerOpcodes.and[i32]);
    f.i32Const(stride);
    f.op(integerOpcodes.mul[i32]);
    f.op(integerOpcodes.add[i32]);
    f.callIndirect(this.#handlerType, this.#handlerTable);
    f.tee(result);
    f.i32Const(2);
    f.op(integerOpcodes.eq[i32]);
    f.if();
    this.#setState(f, "fault", 0);
    f.i32Const(0);
    f.return();
    f.end();
    f.get(0);
    this.#getState(f, "budget");
    f.i32Const(codePage.entrySize);
    f.op(integerOpcodes.sub[i32]);
    f.memory(Op["i32.store"], state.budget.offset);
    f.get(result);
    f.if();
    f.i32Const(0);
    f.return();
    f.end();
    f.get(0);
    this.#getState(f, "pc");
    f.i64Const(4n);
    f.op(integerOpcodes.add[i64]);
    f.memory(Op["i64.store"], state.pc.offset);
    f.i32Const(1);
    return f;
  }

  /**
   * (state) -> 0 or, if the engine must return to its caller, 1: interrupts that wait, then one instruction through its
   * function, then the Trace interrupt if MSR[SE] or MSR[BE] ask for it.
   */
  #one(stride: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    const entry = f.local("i32");
    const word = f.local("i32");
    const result = f.local("i32");
    const before = f.local("i64");
    // An instruction that is run again to complete its MMIO comes before any interrupt.
    this.#getState(f, "mmioReplay");
    f.op(integerOpcodes.eqz[i32]);
    this.#getState(f, "budget");
    f.i32Const(0);
    f.op(integerOpcodes.ltS[i32]);
    this.#getState(f, "recheck");
    f.op(integerOpcodes.or[i32]);
    f.op(integerOpcodes.and[i32]);
    f.if();
    f.get(0);
    f.call(this.#helper("service"));
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    f.end();
    f.get(0);
    f.call(this.#helper("stopsHere"));
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    f.get(0);
    f.call(this.#helper("fetch"));
    f.tee(entry);
    f.op(integerOpcodes.eqz[i32]);
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    this.#orMode(f, 4);
    // A region's entry is decoded anew: its handler stands for many instructions.
    f.get(entry);
    f.memory(Op["i32.load"], 0);
    f.i32Const(Handler.illegal);
    f.op(integerOpcodes.ltU[i32]);
    f.if();
    f.get(0);
    f.get(entry);
    f.call(this.#helper("decode"));
    f.end();
    f.get(0);
    this.#getState(f, "pc");
    f.memory(Op["i64.store"], state.steppedAt.offset);
    f.get(0);
    f.get(entry);
    f.memory(Op["i32.load"], 4);
    f.memory(Op["i32.store"], state.steppedWord.offset);
    this.#setState(f, "steppedAccess", 0);
    this.#getState(f, "msr");
    f.set(before);
    f.get(0);
    f.get(entry);
    f.memory(Op["i32.load"], 4);
    f.tee(word);
    f.get(entry);
    f.memory(Op["i32.load"], 0);
    this.#getState(f, "mode");
    f.i32Const(3);
    f.op(integerOpcodes.and[i32]);
    f.i32Const(stride);
    f.op(integerOpcodes.mul[i32]);
    f.op(integerOpcodes.add[i32]);
    f.callIndirect(this.#handlerType, this.#handlerTable);
    f.tee(result);
    f.op(integerOpcodes.eqz[i32]);
    f.if();
    f.get(0);
    this.#getState(f, "pc");
    f.i64Const(4n);
    f.op(integerOpcodes.add[i64]);
    f.memory(Op["i64.store"], state.pc.offset);
    f.end();
    f.get(result);
    f.i32Const(2);
    f.op(integerOpcodes.eq[i32]);
    f.if();
    this.#setState(f, "fault", 0);
    f.else();
    f.get(0);
    this.#getState(f, "budget");
    f.i32Const(codePage.entrySize);
    f.op(integerOpcodes.sub[i32]);
    f.memory(Op["i32.store"], state.budget.offset);
    this.#getState(f, "exitCode");
    f.op(integerOpcodes.eqz[i32]);
    f.if();
    f.get(0);
    f.get(before);
    // Branches: primary opcodes 16 and 18, and in 19 those that go to LR, CTR and TAR.
    const opcodeIs = (mask: number, value: number) => {
      f.get(word);
      f.i32Const(mask);
      f.op(integerOpcodes.and[i32]);
      f.i32Const(value);
      f.op(integerOpcodes.eq[i32]);
    };
    opcodeIs(0xf4000000 | 0, 0x40000000);
    for (const extended of [16, 528, 560]) {
      opcodeIs(0xfc0007fe | 0, 0x4c000000 | (extended << 1));
      f.op(integerOpcodes.or[i32]);
    }
    f.call(this.#helper("traced"));
    f.end();
    f.end();
    f.get(0);
    f.get(entry);
    f.call(this.#helper("ranAlone"));
    this.#getState(f, "exitCode");
    f.i32Const(0);
    f.op(integerOpcodes.ne[i32]);
    return f;
  }
}

/** The interpreter's module. `report` receives the core functions' sizes. */
export function buildInterpreter(options: {
  shared: boolean;
  report?: (text: string) => void;
}): Uint8Array<ArrayBuffer> {
  const builder = new InterpreterBuilder(options.shared);
  const bytes = builder.build();
  options.report?.(`interpreter: ${bytes.length} bytes, core functions ${builder.coreSizes.join(", ")}`);
  return bytes;
}
