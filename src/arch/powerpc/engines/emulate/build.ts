/**
 * Builds the interpreter: one WebAssembly module with a core function per mode (MSR[SF] x MSR[LE]) and the rarer handlers
 * as functions of their own, all from the instruction definitions. How it works: docs/engine-contract.md.
 */

import { vmLayout } from "../../../../kvm/layout.js";
import { FunctionBuilder, type Label, type ValueType } from "../../../../wasm/function-builder.js";
import { ModuleBuilder } from "../../../../wasm/module-builder.js";
import { conversionOpcodes, integerOpcodes, Op } from "../../../../wasm/opcodes.js";
import type { HelperSignature } from "../../isa/helpers/signature.js";
import { type HelperName, helpers } from "../../isa/helpers.js";
import { type Exits, emit } from "../shared/ir.js";
import { codePage, Handler, state, tlb } from "../shared/layout.js";
import { type AccessContext, checkFault } from "../shared/memory-access.js";
import { type CoreRoutine, coreRoutines } from "../shared/recorder.js";
import { decodeTable, type HandlerSpec, handlerSpecs } from "./handlers.js";
import { frequent } from "./hot.js";
import { emitAddressOf, InterpreterRecorder } from "./interpreter-recorder.js";

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
    this.#regionType = m.type(["i32"], ["i32"]);
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
      const body = this.#core(mode, stride).finish();
      this.coreSizes.push(body.length);
      m.define(core, body);
      cores.push(core);
    }
    const one = m.declare("one", ["i32"], ["i32"]);
    m.define(one, this.#one(stride));
    const run = m.declare("run", ["i32"], ["i32"]);
    m.define(run, this.#run(cores, one));
    m.exportFunction("run", run);
    const step = m.declare("step", ["i32"], ["i32"]);
    m.define(step, this.#step(one));
    m.exportFunction("step", step);
    const table = decodeTable(this.#specs);
    m.data(vmLayout.decodeTables, new Uint8Array(table.buffer, table.byteOffset, table.byteLength));
    if (table.byteLength > vmLayout.base - vmLayout.decodeTables) {
      throw new Error(`the decode table needs ${table.byteLength} bytes, more than its place in kvm/layout.ts`);
    }
    return m.build({ names: true });
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
        access: this.#access(0, loadState("tlb"), loadState("asid")),
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
    emit(f, recorder.handler(spec), exits);
    f.i32Const(0);
    return f.finish();
  }

  /** The core function of one mode: (state) -> 0: the mode changed, call the other core; 1: return to the caller. */
  #core(mode: number, stride: number): FunctionBuilder {
    const f = new FunctionBuilder(["i32"]);
    const mode64 = (mode & 2) !== 0;
    const s = 0;
    const ip = f.local("i32");
    const word = f.local("i32");
    const budget = f.local("i32");
    const pageStart = f.local("i32");
    const start = f.local("i32");
    const to = f.local("i32");
    const handler = f.local("i32");
    const table = f.local("i32");
    const fetchTable = f.local("i32");
    const codeMap = f.local("i32");
    const pageAddress = f.local("i64");
    const asid = f.local("i64");
    const fetchAsid = f.local("i64");
    const target = f.local("i64");

    const loadState32 = (field: keyof typeof state) => {
      f.get(s);
      f.memory(Op["i32.load"], state[field].offset);
    };
    /** state.pc = address of the entry that `entry` pushes. */
    const storePcOf = (g: FunctionBuilder, entry: () => void) => {
      g.get(s);
      emitAddressOf(g, pageAddress, entry, pageStart, mode64);
      g.memory(Op["i64.store"], state.pc.offset);
    };
    /** budget -= ip - start + extra */
    const pay = (extra: number) => {
      f.get(budget);
      f.get(ip);
      f.get(start);
      f.op(integerOpcodes.sub[i32]);
      f.op(integerOpcodes.sub[i32]);
      if (extra !== 0) {
        f.i32Const(extra);
        f.op(integerOpcodes.sub[i32]);
      }
      f.set(budget);
    };
    const entrySize = codePage.entrySize;
    const recorder = new InterpreterRecorder(
      {
        mode64,
        littleEndian: (mode & 1) !== 0,
        runtime: { helper: (name) => this.#helper(name) },
        access: this.#access(
          s,
          (g) => g.get(table),
          (g) => g.get(asid),
        ),
      },
      { state: s, word },
      (g) => emitAddressOf(g, pageAddress, () => g.get(ip), pageStart, mode64),
    );

    loadState32("budget");
    f.set(budget);
    const resync = f.loop();
    // pc is in the state, budget in its local; exits, interrupts and the end of a slice are looked at here.
    f.get(s);
    f.get(budget);
    f.memory(Op["i32.store"], state.budget.offset);
    loadState32("exitCode");
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    f.get(budget);
    f.i32Const(0);
    f.op(integerOpcodes.ltS[i32]);
    loadState32("recheck");
    f.op(integerOpcodes.or[i32]);
    f.if();
    f.get(s);
    // Always returns: a function that runs on never gets the engine's optimised code, and run() calls again.
    f.call(this.#helper("service"));
    f.return();
    f.end();
    f.get(s);
    f.call(this.#helper("fetch"));
    f.tee(ip);
    f.op(integerOpcodes.eqz[i32]);
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    loadState32("mode");
    f.i32Const(mode);
    f.op(integerOpcodes.ne[i32]);
    f.if();
    f.i32Const(0);
    f.return();
    f.end();
    loadState32("budget");
    f.set(budget);
    loadState32("tlb");
    f.set(table);
    f.get(s);
    f.memory(Op["i64.load"], state.asid.offset);
    f.set(asid);
    loadState32("fetchTlb");
    f.set(fetchTable);
    f.get(s);
    f.memory(Op["i64.load"], state.fetchAsid.offset);
    f.set(fetchAsid);
    loadState32("codeMap");
    f.set(codeMap);
    loadState32("fetchPage");
    f.set(pageStart);
    // pageAddress = pc - (ip - pageStart) / 2
    f.get(s);
    f.memory(Op["i64.load"], state.pc.offset);
    f.i64Const(-4096n);
    f.op(integerOpcodes.and[i64]);
    f.set(pageAddress);
    f.get(ip);
    f.set(start);

    const next = f.loop();
    const go = f.block();
    const jump = f.block();
    const leave = f.block();
    const fault = f.block();
    const taken = f.block();
    // Blocks from the outermost (rare) to the innermost (handler 0).
    const rare = f.block();
    const count = Handler.first + this.#hotCount;
    const labels: Label[] = new Array(count);
    for (let i = count - 1; i >= 0; i--) labels[i] = f.block();
    f.get(ip);
    f.memory(Op["i32.load"], 4);
    f.set(word);
    f.get(ip);
    f.memory(Op["i32.load"], 0);
    f.tee(handler);
    f.i32Const(Handler.first);
    f.op(integerOpcodes.sub[i32]);
    const weights = this.#specs.map((spec) => frequent[spec.name] ?? 0);
    const frequentCount = weights.indexOf(0);
    f.i32Const(frequentCount);
    f.op(integerOpcodes.ltU[i32]);
    f.if();
    /** Branches to the handler if its number lies in this range. */
    const compare = (from: number, to: number): void => {
      if (to - from === 1) {
        f.br(labels[Handler.first + from] as Label);
        return;
      }
      const total = weights.slice(from, to).reduce((a, b) => a + b);
      let left = 0;
      let middle = from;
      while (middle < to - 1 && left + (weights[middle] as number) / 2 < total / 2) left += weights[middle++] as number;
      middle = Math.max(middle, from + 1);
      f.get(handler);
      f.i32Const(Handler.first + middle);
      f.op(integerOpcodes.ltU[i32]);
      f.if();
      compare(from, middle);
      f.end();
      compare(middle, to);
    };
    compare(0, frequentCount);
    f.end();
    f.get(handler);
    f.brTable(labels, rare);
    const sequential = () => {
      f.get(ip);
      f.i32Const(entrySize);
      f.op(integerOpcodes.add[i32]);
      f.set(ip);
      f.br(next);
    };
    // Handler 0: not decoded yet.
    f.end();
    f.get(s);
    f.get(ip);
    f.call(this.#helper("decode"));
    f.br(next);
    // Handler 1: the page's end. The entry's own address is the next page's.
    f.end();
    storePcOf(f, () => f.get(ip));
    f.br(fault);
    // Handler 2: a translated region, its index in the entry's word.
    f.end();
    storePcOf(f, () => f.get(ip));
    pay(0);
    f.get(s);
    f.get(budget);
    f.memory(Op["i32.store"], state.budget.offset);
    f.get(s);
    f.get(word);
    f.callIndirect(this.#regionType, this.#regionTable);
    f.set(to);
    const count64 = (field: "statTranslated" | "statRegionRuns", amount: () => void) => {
      f.get(s);
      f.get(s);
      f.memory(Op["i64.load"], state[field].offset);
      amount();
      f.op(integerOpcodes.add[i64]);
      f.memory(Op["i64.store"], state[field].offset);
    };
    count64("statTranslated", () => {
      f.get(budget);
      loadState32("budget");
      f.op(integerOpcodes.sub[i32]);
      f.op(conversionOpcodes.extendS);
    });
    count64("statRegionRuns", () => f.i64Const(1n));
    loadState32("budget");
    f.set(budget);
    // 1: it only jumps, so nothing but pc has to be looked at.
    f.get(to);
    f.op(integerOpcodes.eqz[i32]);
    f.brIf(resync);
    f.get(s);
    f.memory(Op["i64.load"], state.pc.offset);
    f.set(target);
    f.br(go);
    const exits: Exits = {
      storePc: (g) => storePcOf(g, () => g.get(ip)),
      fault: (g) => g.br(fault),
      leave: (g) => g.br(leave),
      handOver: () => {},
      leaveHandedOver: (g) => g.br(leave),
      jump: (g, to64, value) => {
        if (to64.displacement) {
          g.get(ip);
          value(to64.displacement);
          g.i32Const(1);
          g.op(integerOpcodes.shl[i32]);
          g.op(integerOpcodes.add[i32]);
          g.set(to);
          g.br(taken);
          return;
        }
        value(to64);
        g.i64Const(mode64 ? -4n : 0xfffffffcn);
        g.op(integerOpcodes.and[i64]);
        g.set(target);
        g.br(jump);
      },
    };
    // Handler 3: no instruction.
    f.end();
    storePcOf(f, () => f.get(ip));
    f.get(s);
    f.i32Const(0);
    f.call(this.#helper("raise"));
    f.br(fault);
    for (const spec of this.#specs.slice(0, this.#hotCount)) {
      f.end();
      emit(f, recorder.handler(spec), exits);
      sequential();
    }
    f.end(); // rare
    storePcOf(f, () => f.get(ip));
    f.get(s);
    f.get(word);
    f.get(ip);
    f.memory(Op["i32.load"], 0);
    f.i32Const(mode * stride);
    f.op(integerOpcodes.add[i32]);
    f.callIndirect(this.#handlerType, this.#handlerTable);
    f.tee(to);
    f.op(integerOpcodes.eqz[i32]);
    f.if();
    sequential();
    f.end();
    f.get(to);
    f.i32Const(1);
    f.op(integerOpcodes.eq[i32]);
    f.brIf(leave);
    f.br(fault);

    f.end(); // taken: `to` is where the entry of the target would be if the page went on for ever
    pay(entrySize);
    f.get(to);
    f.get(pageStart);
    f.op(integerOpcodes.sub[i32]);
    f.i32Const(codePage.instructions * entrySize);
    f.op(integerOpcodes.ltU[i32]);
    f.get(budget);
    f.i32Const(0);
    f.op(integerOpcodes.geS[i32]);
    f.op(integerOpcodes.and[i32]);
    f.if();
    f.get(to);
    f.tee(ip);
    f.set(start);
    f.br(next);
    f.end();
    emitAddressOf(f, pageAddress, () => f.get(to), pageStart, mode64);
    f.set(target);
    f.br(go);

    f.end(); // fault: pc is set, the instruction does not count
    pay(0);
    f.get(s);
    f.i32Const(0);
    f.memory(Op["i32.store"], state.fault.offset);
    f.br(resync);

    f.end(); // leave: pc is set, the instruction counts
    pay(entrySize);
    f.br(resync);

    f.end(); // jump: to the address in `target`
    pay(entrySize);

    f.end(); // go: the same, already paid for. What `fetch` would find at once is found here.
    f.get(budget);
    f.i32Const(0);
    f.op(integerOpcodes.geS[i32]);
    f.if();
    f.get(fetchTable);
    f.get(target);
    f.i64Const(BigInt(tlb.pageShift - Math.log2(tlb.entrySize)));
    f.op(integerOpcodes.shrU[i64]);
    f.op(conversionOpcodes.wrap);
    f.i32Const((tlb.entries - 1) * tlb.entrySize);
    f.op(integerOpcodes.and[i32]);
    f.op(integerOpcodes.add[i32]);
    f.tee(to);
    f.memory(Op["i64.load"], tlb.executeTag);
    f.get(target);
    f.i64Const(-(1n << BigInt(tlb.pageShift)));
    f.op(integerOpcodes.and[i64]);
    f.get(fetchAsid);
    f.op(integerOpcodes.or[i64]);
    f.op(integerOpcodes.eq[i64]);
    f.if();
    // Address of the code page: codeMap[physical page of 4 KiB].
    f.get(codeMap);
    f.get(to);
    f.memory(Op["i32.load"], tlb.physicalPage);
    f.i32Const(tlb.pageShift - codePage.shift);
    f.op(integerOpcodes.shl[i32]);
    f.get(target);
    f.i64Const(BigInt(codePage.shift));
    f.op(integerOpcodes.shrU[i64]);
    f.op(conversionOpcodes.wrap);
    f.i32Const((1 << (tlb.pageShift - codePage.shift)) - 1);
    f.op(integerOpcodes.and[i32]);
    f.op(integerOpcodes.or[i32]);
    f.i32Const(2);
    f.op(integerOpcodes.shl[i32]);
    f.op(integerOpcodes.add[i32]);
    f.memory(Op["i32.load"], 0);
    f.tee(to);
    f.if();
    f.get(target);
    f.i64Const(-4096n);
    f.op(integerOpcodes.and[i64]);
    f.set(pageAddress);
    f.get(to);
    f.tee(pageStart);
    f.get(target);
    f.op(conversionOpcodes.wrap);
    f.i32Const(0xffc);
    f.op(integerOpcodes.and[i32]);
    f.i32Const(1);
    f.op(integerOpcodes.shl[i32]);
    f.op(integerOpcodes.add[i32]);
    f.tee(ip);
    f.set(start);
    f.br(next);
    f.end();
    f.end();
    f.end();
    f.get(s);
    f.get(target);
    f.memory(Op["i64.store"], state.pc.offset);
    f.br(resync);
    f.end(); // next
    f.op(Op.unreachable);
    f.end(); // resync
    f.op(Op.unreachable);
    return f;
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
    f.call(this.#helper("fetch"));
    f.tee(entry);
    f.op(integerOpcodes.eqz[i32]);
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
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
