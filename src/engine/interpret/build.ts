/**
 * Builds the interpreter: one WebAssembly module with a core function per mode and the rarer handlers
 * as functions of their own, all from the instruction definitions. How it works: docs/engine-contract.md.
 */
import { vmLayout } from "../../kvm/layout.js";
import { FunctionBuilder } from "../../wasm/function-builder.js";
import { ModuleBuilder } from "../../wasm/module-builder.js";
import { type Exits, emit, plan } from "../ir.js";
import { type EngineField, Handler } from "../layout.js";
import { type AccessContext, checkFault } from "../memory-access.js";
import { regionSignature } from "../region-entry.js";
import { aloneBit, type Emission, type Mode } from "../target.js";
import { accessFunctions } from "./access-functions.js";
import { Advance, Answer } from "./advance.js";
import { CommonFunctions } from "./common-functions.js";
import { buildCore } from "./core.js";
import type { CoreContext } from "./core-frame.js";
import type { HandlerList, HandlerSpec, InterpreterTarget } from "./target.js";

class InterpreterBuilder<S extends HandlerSpec> {
  readonly #target: InterpreterTarget<S>;
  readonly #module = new ModuleBuilder();
  readonly #common = new CommonFunctions(this.#module);
  readonly #runtime = new Map<string, number>();
  readonly #regionType: number;
  readonly #handlerType: number;
  /** By mode. */
  readonly #handlers: readonly HandlerList<S>[];
  readonly #advance: Advance;
  /** Places of a mode in the table of handlers. */
  #stride = 0;
  readonly #regionTable: number;
  #handlerTable = 0;
  /** The function that works deferred registers out. */
  #settleIndex = 0;
  /** Size of each mode's core function in bytes, for the build's report. */
  readonly coreSizes: number[] = [];

  constructor(target: InterpreterTarget<S>, shared: boolean) {
    this.#target = target;
    this.#handlers = target.modes.map((_, mode) => target.handlers(mode));
    const all = this.#handlers.map(({ specs }) => specs);
    this.#advance = new Advance(target.layout, all.flat());
    const m = this.#module;
    for (const [name, [params, results]] of Object.entries(target.routines)) {
      this.#runtime.set(name, m.importFunction("runtime", name, params, results));
    }
    m.importMemory("env", "memory", 1, 65536, shared);
    this.#regionTable = m.importTable("env", "regions", 1);
    this.#regionType = m.type(...regionSignature);
    this.#handlerType = m.type(["i32", "i32"], ["i32"]);
  }

  #helper(name: string): number {
    const index = this.#runtime.get(name);
    if (index === undefined) throw new Error(`the run-time library has no ${name}`);
    return index;
  }

  #access(stateLocal: number, table: AccessContext["table"], asid: AccessContext["asid"]): AccessContext {
    return {
      layout: this.#target.layout,
      state: stateLocal,
      table,
      asid,
      slow: (name) => this.#helper(name),
      checkFault: checkFault(this.#target.layout, stateLocal),
    };
  }

  /** Of code that holds nothing of the state in locals. */
  #accessAlone(stateLocal: number): AccessContext {
    const loadState = (field: "tlb" | "asid") => (f: FunctionBuilder) => {
      const { type, offset } = this.#target.layout.state[field];
      f.get(stateLocal);
      f.load(type, offset);
    };
    return { ...this.#access(stateLocal, loadState("tlb"), loadState("asid")), noted: true };
  }

  #coreContext(mode: number): CoreContext<S> {
    const { specs, hotCount } = this.#handlers[mode] as HandlerList<S>;
    return {
      target: this.#target,
      mode,
      stride: this.#stride,
      specs,
      hotCount,
      advance: this.#advance,
      settle: this.#settleIndex,
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
    const cores: number[] = [];
    const illegal = m.declare("illegal", ["i32", "i32"], ["i32"]);
    m.define(illegal, this.#illegal().finish());
    const functions = this.#handlerFunctions();
    const numbers = functions.map((_, mode) => this.#numbersOf(mode, functions));
    const stride = 1 + Math.max(...numbers.flat());
    this.#stride = stride;
    this.#handlerTable = m.table(functions.length * stride);
    this.#settleIndex = m.declare("settle", ["i32"], []);
    m.define(this.#settleIndex, this.#settle());
    m.exportFunction("settle", this.#settleIndex);
    for (const [mode, of] of functions.entries()) {
      const places: number[] = [];
      for (const [i, number] of (numbers[mode] ?? []).entries()) places[number - Handler.illegal] = of[i] as number;
      places[0] = illegal;
      m.elements(this.#handlerTable, mode * stride + Handler.illegal, places);
      const core = m.declare(`core${mode}`, ["i32"], ["i32"]);
      const body = buildCore(this.#coreContext(mode)).finish();
      this.coreSizes.push(body.length);
      m.define(core, body);
      cores.push(core);
    }
    // What an instruction that may have a breakpoint is decoded as.
    const alone = m.declare("alone", ...regionSignature);
    m.define(alone, this.#alone());
    m.elements(this.#regionTable, 0, [alone]);
    const handle = m.declare("handle", ["i32", "i32", "i32"], ["i32"]);
    m.define(handle, this.#handle());
    const one = m.declare("one", ["i32"], ["i32"]);
    m.define(one, this.#one(handle));
    const run = m.declare("run", ["i32"], ["i32"]);
    m.define(run, this.#run(cores, one));
    m.exportFunction("run", run);
    const step = m.declare("step", ["i32"], ["i32"]);
    m.define(step, this.#step(one));
    m.exportFunction("step", step);
    const instead = m.declare("instead", ["i32"], ["i32"]);
    m.define(instead, this.#instead(handle));
    m.exportFunction("instead", instead);
    const specs = this.#handlers.map((list) => list.specs);
    const table = this.#target.decodeTable(specs, numbers);
    m.data(vmLayout.decodeTables, table);
    if (table.byteLength > vmLayout.base - vmLayout.decodeTables) {
      throw new Error(`the decode table needs ${table.byteLength} bytes, more than its place in kvm/layout.ts`);
    }
    return m.build({ names: true });
  }

  /** The functions of each mode's handlers; what is the same is there once. */
  #handlerFunctions(): number[][] {
    const m = this.#module;
    const known = new Map<string, number>();
    return this.#handlers.map(({ specs }, mode) =>
      specs.map((spec) => {
        const body = this.#handlerFunction(spec, mode);
        const key = body.join();
        const present = known.get(key);
        if (present !== undefined) return present;
        const index = m.declare(spec.name, ["i32", "i32"], ["i32"]);
        m.define(index, body);
        known.set(key, index);
        return index;
      }),
    );
  }

  /** The numbers of a mode's handlers. */
  #numbersOf(mode: number, functions: readonly (readonly number[])[]): number[] {
    const { specs, sharedNumbers = false } = this.#handlers[mode] as HandlerList<S>;
    const alike = functions.flatMap((_, other) => (this.#handlers[other]?.specs === specs ? [other] : []));
    const inCore = Math.max(...alike.map((other) => (this.#handlers[other] as HandlerList<S>).hotCount));
    const known = new Map<string, number>();
    let next: number = Handler.first;
    return specs.map((_, i) => {
      if (!sharedNumbers || i < inCore) return next++;
      const key = alike.map((other) => functions[other]?.[i]).join();
      const number = known.get(key) ?? next++;
      known.set(key, number);
      return number;
    });
  }

  /** (state): works out what registers are that regions leave to be. */
  #settle(): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    const { deferred } = this.#target;
    if (!deferred) return f;
    const never = () => {
      throw new Error("what works registers out is no instruction");
    };
    const recording = deferred.settling({
      mode: 0,
      runtime: { helper: (name) => this.#helper(name) },
      access: this.#accessAlone(0),
      locals: { state: 0, word: 0 },
      emitCia: never,
    });
    const exits = { storePc: never, fault: never, leave: never, handOver: never, leaveHandedOver: never, jump: never };
    emit(f, plan(recording), exits);
    return f;
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
    this.#target.illegal(this.#emission(f));
    f.i32Const(Answer.fault);
    return f;
  }

  #emission(f: FunctionBuilder): Emission {
    return { f, state: 0, runtime: { helper: (name) => this.#helper(name) } };
  }

  /** A handler by itself: (state, word) -> an `Answer`, or that the next instruction follows (advance.ts). */
  #handlerFunction(spec: S, mode: number): Uint8Array {
    const f = new FunctionBuilder(["i32", "i32"]);
    const { state } = this.#target.layout;
    const { targetMask } = this.#target.modes[mode] as Mode;
    const functions = accessFunctions(this.#common, (local) => this.#accessAlone(local));
    const recorder = this.#target.recorder({
      mode,
      runtime: { helper: (name) => this.#helper(name) },
      access: { ...this.#accessAlone(0), functions },
      common: this.#common,
      locals: { state: 0, word: 1 },
      emitCia: (g) => {
        g.get(0);
        g.load("i64", state.pc.offset);
      },
    });
    const result = (value: number) => (g: FunctionBuilder) => {
      g.i32Const(value);
      g.return();
    };
    const exits: Exits = {
      storePc: () => {},
      fault: result(Answer.fault),
      leave: result(Answer.left),
      handOver: () => {},
      leaveHandedOver: result(Answer.left),
      jump: (g, target, value) => {
        // The recording holds the displacement of a relative target, the address of another.
        const address = g.local("i64");
        this.#target.branches.noteAtPc(this.#emission(g));
        if (target.displacement) {
          g.get(0);
          g.load("i64", state.pc.offset);
          value(target.displacement);
          g.convert("extendS");
          g.i64("add");
        } else value(target);
        if (targetMask !== undefined) {
          g.i64Const(targetMask);
          g.i64("and");
        }
        g.set(address);
        g.get(0);
        g.get(address);
        g.store("i64", state.pc.offset);
        g.release(address);
        g.i32Const(Answer.left);
        g.return();
      },
    };
    emit(f, plan(recorder.handler(spec)), exits);
    this.#advance.pushGoesOn(f, spec, 1);
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
      f.i32("eqz");
      f.brIf(again);
      f.br(done);
    }
    f.end(); // traced
    f.get(0);
    f.call(one);
    f.i32("eqz");
    f.brIf(again);
    f.end();
    f.end();
    this.#target.leaving(this.#emission(f));
    this.#getState(f, "exitCode");
    return f;
  }

  #getState(f: FunctionBuilder, field: EngineField): void {
    f.get(0);
    const { type, offset } = this.#target.layout.state[field];
    f.load(type, offset);
  }

  #setState(f: FunctionBuilder, field: EngineField, value: number): void {
    f.get(0);
    f.i32Const(value);
    f.store("i32", this.#target.layout.state[field].offset);
  }

  /** Asks for one instruction at a time. */
  #setAlone(f: FunctionBuilder): void {
    f.get(0);
    this.#getState(f, "mode");
    f.i32Const(aloneBit(this.#target));
    f.i32("or");
    f.store("i32", this.#target.layout.state.mode.offset);
  }

  /** Pushes the number of the present mode. */
  #pushMode(f: FunctionBuilder): void {
    this.#getState(f, "mode");
    f.i32Const(aloneBit(this.#target) - 1);
    f.i32("and");
  }

  /** (state, word, handler's number) -> its answer, in the present mode. */
  #handle(): FunctionBuilder {
    const f = new FunctionBuilder(["i32", "i32", "i32"]);
    const { before, layout } = this.#target;
    if (before) {
      this.#pushMode(f);
      f.i32Const(before.mode);
      f.i32("eq");
      f.if();
      f.get(0);
      f.get(1);
      f.call(this.#helper(before.routine));
      f.get(0);
      f.load("i32", layout.state.fault.offset);
      f.if();
      f.i32Const(Answer.fault);
      f.return();
      f.end();
      f.end();
    }
    f.get(0);
    f.get(1);
    f.get(2);
    this.#pushMode(f);
    f.i32Const(this.#stride);
    f.i32("mul");
    f.i32("add");
    f.callIndirect(this.#handlerType, this.#handlerTable);
    return f;
  }

  #setPcToNext(f: FunctionBuilder, answer: number): void {
    f.get(0);
    this.#getState(f, "pc");
    this.#advance.advance(f, answer);
    f.store("i64", this.#target.layout.state.pc.offset);
  }

  #pay(f: FunctionBuilder, answer: number): void {
    f.get(0);
    this.#getState(f, "budget");
    this.#advance.pushPrice(f, answer);
    f.i32("sub");
    f.store("i32", this.#target.layout.state.budget.offset);
  }

  /** (state) -> exitCode: one instruction. */
  #step(one: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    this.#setState(f, "recheck", 1);
    f.get(0);
    f.call(one);
    f.drop();
    this.#getState(f, "exitCode");
    return f;
  }

  /**
   * (state) -> 1 if it completed and the guest goes on at pc, 0 if more may have changed: the instruction at pc in place of
   * a region that met what it cannot do itself. Decoded entries stay as they are, among them that region's.
   */
  #instead(handle: number): FunctionBuilder {
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
    f.i32("eqz");
    // Fetching may have raised an interrupt: the context is another one, and the vector's instruction is not for here.
    this.#getState(f, "statInterrupt");
    f.get(interrupts);
    f.i64("ne");
    f.i32("or");
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
    f.i64("shrU");
    f.convert("wrap");
    f.get(instruction);
    f.convert("wrap");
    f.call(handle);
    f.tee(result);
    f.i32Const(Answer.fault);
    f.i32("eq");
    f.if();
    this.#setState(f, "fault", 0);
    f.i32Const(0);
    f.return();
    f.end();
    this.#pay(f, result);
    this.#advance.testLeft(f, result);
    f.if();
    f.i32Const(0);
    f.return();
    f.end();
    this.#setPcToNext(f, result);
    f.i32Const(1);
    return f;
  }

  #pushTold(f: FunctionBuilder, entry: number): void {
    if (this.#target.told) {
      this.#target.told(this.#emission(f), () => f.get(entry));
      return;
    }
    f.get(entry);
    f.load("i32", 4);
  }

  /**
   * (state) -> 0 or, if the engine must return to its caller, 1: interrupts that wait, then one instruction through its
   * function, then what the architecture does after each.
   */
  #one(handle: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    const entry = f.local("i32");
    const told = f.local("i32");
    const result = f.local("i32");
    // An instruction that is run again to complete its MMIO comes before any interrupt, by translations as they are now.
    this.#getState(f, "mmioReplay");
    f.if();
    f.get(0);
    f.call(this.#helper("serveAgain"));
    f.end();
    this.#getState(f, "mmioReplay");
    f.i32("eqz");
    this.#getState(f, "budget");
    f.i32Const(0);
    f.i32("ltS");
    this.#getState(f, "recheck");
    f.i32("or");
    f.i32("and");
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
    // What stopped it may have been the guest's.
    this.#getState(f, "exitCode");
    f.i32Const(0);
    f.i32("ne");
    f.return();
    f.end();
    f.get(0);
    f.call(this.#helper("fetch"));
    f.tee(entry);
    f.i32("eqz");
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    this.#setAlone(f);
    // A region's entry is decoded anew: its handler stands for many instructions.
    f.get(entry);
    f.load("i32", 0);
    f.i32Const(Handler.illegal);
    f.i32("ltU");
    f.if();
    f.get(0);
    f.get(entry);
    f.call(this.#helper("decode"));
    f.end();
    f.get(0);
    this.#getState(f, "pc");
    f.store("i64", this.#target.layout.state.steppedAt.offset);
    f.get(0);
    this.#pushTold(f, entry);
    f.tee(told);
    f.store("i32", this.#target.layout.state.steppedWord.offset);
    this.#setState(f, "steppedAccess", 0);
    const followUp = this.#target.alone(this.#emission(f), told);
    f.get(0);
    f.get(entry);
    f.load("i32", 4);
    f.get(entry);
    f.load("i32", 0);
    f.call(handle);
    f.tee(result);
    this.#advance.testGoesOn(f);
    f.if();
    this.#setPcToNext(f, result);
    f.end();
    f.get(result);
    f.i32Const(Answer.fault);
    f.i32("eq");
    f.if();
    this.#setState(f, "fault", 0);
    f.else();
    this.#pay(f, result);
    this.#getState(f, "exitCode");
    f.i32("eqz");
    f.if();
    followUp();
    f.end();
    f.end();
    f.get(0);
    f.get(entry);
    f.call(this.#helper("ranAlone"));
    this.#getState(f, "exitCode");
    f.i32Const(0);
    f.i32("ne");
    return f;
  }
}

/** The interpreter's module. `report` receives the core functions' sizes. */
export function buildInterpreter<S extends HandlerSpec>(options: {
  target: InterpreterTarget<S>;
  shared: boolean;
  report?: (text: string) => void;
}): Uint8Array<ArrayBuffer> {
  const builder = new InterpreterBuilder(options.target, options.shared);
  const bytes = builder.build();
  options.report?.(`interpreter: ${bytes.length} bytes, core functions ${builder.coreSizes.join(", ")}`);
  return bytes;
}
