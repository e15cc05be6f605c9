/**
 * The core function of one mode, where the interpreter spends its time: the frequent handlers in one function, dispatched by
 * comparisons and a jump table, with the current decoded entry, the budget and the look-up tables in locals.
 */
import type { FunctionBuilder, Label } from "../../wasm/function-builder.js";
import { type Exits, emit, plan } from "../ir.js";
import { Handler } from "../layout.js";
import { emitCodePage, emitDecodedEntry, emitTlbEntry, emitTlbTag } from "../look-up.js";
import { callDepth, tableBits } from "../region-entry.js";
import { type CoreContext, CoreFrame } from "./core-frame.js";
import type { HandlerSpec } from "./target.js";

/** (state) -> 0: the mode changed, call the other core; 1: return to the caller. */
export function buildCore<S extends HandlerSpec>(context: CoreContext<S>): FunctionBuilder {
  return new Core(context).build();
}

/** Labels of the stages behind the handlers, by what they do. */
interface Stages {
  /** pc is in the state: everything may have changed. */
  readonly resync: Label;
  /** The instruction at `ip`. */
  readonly next: Label;
  /** To the address in `target`, paid for. */
  readonly go: Label;
  /** To the address in `target`, by the branch at `ip`. */
  readonly jump: Label;
  /** pc is set, the instruction counts. */
  readonly leave: Label;
  /** pc is set, the instruction does not count. */
  readonly fault: Label;
  /** The branch at `ip` goes to the entry at `to`, if the page went on for ever. */
  readonly taken: Label;
}

class Core<S extends HandlerSpec> extends CoreFrame<S> {
  build(): FunctionBuilder {
    const f = this.f;
    this.loadState("budget");
    f.set(this.budget);
    const resync = f.loop();
    this.#resync();
    const next = f.loop();
    const go = f.block();
    const jump = f.block();
    const leave = f.block();
    const fault = f.block();
    const taken = f.block();
    const stages: Stages = { resync, next, go, jump, leave, fault, taken };
    // Blocks from the outermost (rare) to the innermost (handler 0).
    const rare = f.block();
    const count = Handler.first + this.context.hotCount;
    const labels: Label[] = new Array(count);
    for (let i = count - 1; i >= 0; i--) labels[i] = f.block();
    this.#dispatch(labels, rare);
    this.#fixedHandlers(stages);
    this.#hotHandlers(stages);
    this.#rareHandler(stages);
    this.#taken(stages);
    this.#fault(stages);
    this.#leave(stages);
    f.end(); // jump
    this.noteBranch();
    this.payBranch();
    f.end(); // go
    this.#go(stages);
    f.end(); // next
    f.unreachable();
    f.end(); // resync
    f.unreachable();
    return f;
  }

  /** pc is in the state, budget in its local; exits, interrupts and the end of a slice are looked at here. */
  #resync(): void {
    const f = this.f;
    const { state, codePage } = this.layout;
    f.get(this.s);
    f.get(this.budget);
    f.store("i32", state.budget.offset);
    this.loadState("exitCode");
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    f.get(this.budget);
    f.i32Const(0);
    f.i32("ltS");
    this.loadState("recheck");
    f.i32("or");
    f.if();
    // Always returns: a function that runs on never gets the engine's optimised code, and run() calls again.
    this.call("service");
    f.return();
    f.end();
    this.call("fetch");
    f.tee(this.ip);
    f.i32("eqz");
    f.if();
    f.i32Const(1);
    f.return();
    f.end();
    this.loadState("mode");
    f.i32Const(this.context.mode);
    f.i32("ne");
    f.if();
    f.i32Const(0);
    f.return();
    f.end();
    for (const [field, local] of [
      ["budget", this.budget],
      ["tlb", this.table],
      ["asid", this.asid],
      ["fetchTlb", this.fetchTable],
      ["fetchAsid", this.fetchAsid],
      ["codeMap", this.codeMap],
      ["fetchPage", this.pageStart],
    ] as const) {
      this.loadState(field);
      f.set(local);
    }
    this.loadState("pc");
    f.i64Const(-(1n << BigInt(codePage.shift)));
    f.i64("and");
    f.set(this.pageAddress);
    // A page of code that is entered through another address than before: what was noted may still need the old one.
    f.get(this.pageStart);
    f.load("i64", codePage.effective);
    f.get(this.pageAddress);
    f.i64("ne");
    f.if();
    this.context.target.branches.settle(this.emission);
    f.get(this.pageStart);
    f.get(this.pageAddress);
    f.store("i64", codePage.effective);
    f.end();
    f.get(this.ip);
    f.set(this.start);
  }

  /** To the handler of the entry at ip: the most frequent by comparisons, the others by the jump table. */
  #dispatch(labels: readonly Label[], rare: Label): void {
    const f = this.f;
    f.get(this.ip);
    f.load("i32", 4);
    f.set(this.word);
    f.get(this.ip);
    f.load("i32", 0);
    f.tee(this.handler);
    const weights = this.context.specs.map(({ weight }) => weight);
    const frequentCount = Math.min(Math.max(weights.indexOf(0), 0), this.context.hotCount);
    f.i32Const(Handler.first);
    f.i32("sub");
    f.i32Const(frequentCount);
    f.i32("ltU");
    f.if();
    if (frequentCount > 0) this.#compare(labels, weights, 0, frequentCount);
    f.end();
    f.get(this.handler);
    f.brTable(labels, rare);
  }

  /** Branches to the handler, its number being in this range: as a tree of comparisons, the heavy ones near its root. */
  #compare(labels: readonly Label[], weights: readonly number[], from: number, to: number): void {
    const f = this.f;
    if (to - from === 1) {
      f.br(labels[Handler.first + from] as Label);
      return;
    }
    const total = weights.slice(from, to).reduce((a, b) => a + b);
    let left = 0;
    let middle = from;
    while (middle < to - 1 && left + (weights[middle] as number) / 2 < total / 2) left += weights[middle++] as number;
    middle = Math.max(middle, from + 1);
    f.get(this.handler);
    f.i32Const(Handler.first + middle);
    f.i32("ltU");
    f.if();
    this.#compare(labels, weights, from, middle);
    f.end();
    this.#compare(labels, weights, middle, to);
  }

  /** On to the entry `bytes` behind ip; `bytes` pushes the distance. */
  #onward(stages: Stages, bytes: () => void): void {
    const f = this.f;
    f.get(this.ip);
    bytes();
    f.i32("add");
    f.set(this.ip);
    f.br(stages.next);
  }

  /** The handlers whose numbers mean the same everywhere. Each begins behind the end of its label's block. */
  #fixedHandlers(stages: Stages): void {
    const f = this.f;
    const decode = () => {
      f.get(this.s);
      f.get(this.ip);
      f.call(this.context.helper("decode"));
      f.br(stages.next);
    };
    // Not decoded yet.
    f.end();
    decode();
    // The page's end: no instruction. The entry's own address is in the next page.
    f.end();
    this.storePc();
    this.pay();
    f.br(stages.resync);
    // A translated region. In modes that are not translated the entry becomes an instruction's again, unless that is to run
    // alone, which region 0 stands for: it would become the same again, for ever.
    f.end();
    if (this.mode.translated) this.#region(stages);
    else {
      f.get(this.word);
      f.i32("eqz");
      f.if();
      this.storePc();
      this.pay();
      this.call("runAlone");
      f.drop();
      f.br(stages.resync);
      f.end();
      decode();
    }
    // No instruction.
    f.end();
    this.storePc();
    this.context.target.illegal(this.emission);
    f.br(stages.fault);
  }

  /** Enters the region that the entry's word names. */
  #region(stages: Stages): void {
    const f = this.f;
    const { state } = this.layout;
    this.storePc();
    this.pay();
    f.get(this.s);
    f.get(this.budget);
    f.store("i32", state.budget.offset);
    f.get(this.s);
    f.get(this.word);
    f.i32Const(tableBits);
    f.i32("shrU");
    f.i32Const(callDepth);
    f.get(this.word);
    f.i32Const((1 << tableBits) - 1);
    f.i32("and");
    f.callIndirect(this.context.regionType, this.context.regionTable);
    f.set(this.to);
    const { deferred } = this.context.target;
    if (deferred) {
      f.get(this.s);
      f.load("i32", deferred.source.offset);
      f.if();
      f.get(this.s);
      f.call(this.context.settle);
      f.end();
    }
    this.count("statTranslated", () => {
      f.get(this.budget);
      this.loadState("budget");
      f.i32("sub");
      f.convert("extendS");
    });
    this.count("statRegionRuns", () => f.i64Const(1n));
    this.loadState("budget");
    f.set(this.budget);
    // 1: it only jumps, so nothing but pc has to be looked at.
    f.get(this.to);
    f.i32("eqz");
    f.brIf(stages.resync);
    f.get(this.s);
    this.loadState("exitsToSample");
    f.i32Const(1);
    f.i32("sub");
    f.tee(this.to);
    f.store("i32", state.exitsToSample.offset);
    f.get(this.to);
    f.i32Const(0);
    f.i32("leS");
    f.if();
    this.call("regionLeft");
    f.end();
    this.loadState("pc");
    f.set(this.target);
    f.br(stages.go);
  }

  #hotHandlers(stages: Stages): void {
    const f = this.f;
    const { target, mode, advance } = this.context;
    const recorder = target.recorder({
      mode,
      runtime: { helper: (name) => this.context.helper(name) },
      access: this.context.access(
        this.s,
        (g) => g.get(this.table),
        (g) => g.get(this.asid),
      ),
      locals: { state: this.s, word: this.word },
      emitCia: (g) => this.pushAddress(g, () => g.get(this.ip)),
    });
    const exits = this.#exits(stages);
    for (const spec of this.context.specs.slice(0, this.context.hotCount)) {
      f.end();
      emit(f, plan(recorder.handler(spec)), exits);
      this.#onward(stages, () => advance.pushBytes(f, spec, this.word));
    }
  }

  #exits(stages: Stages): Exits {
    return {
      storePc: (g) => this.storePc(g),
      fault: (g) => g.br(stages.fault),
      leave: (g) => g.br(stages.leave),
      handOver: () => {},
      leaveHandedOver: (g) => g.br(stages.leave),
      jump: (g, to, value) => {
        if (to.displacement) {
          const { scale } = this.layout.codePage;
          const distance = g.local("i32");
          value(to.displacement);
          g.set(distance);
          // Entries lie further apart than what they are for: so far they cannot be that their distance has no 32 bits.
          if (scale > 1) this.#farJump(g, stages, distance);
          g.get(this.ip);
          g.get(distance);
          g.release(distance);
          g.i32Const(scale);
          g.i32("shl");
          g.i32("add");
          g.set(this.to);
          g.br(stages.taken);
          return;
        }
        value(to);
        this.mask(g, this.mode.targetMask);
        g.set(this.target);
        g.br(stages.jump);
      },
    };
  }

  /** Goes by the address where entries that far away have no distance. */
  #farJump(g: FunctionBuilder, stages: Stages, distance: number): void {
    const near = 2 ** (30 - this.layout.codePage.scale);
    g.get(distance);
    g.i32Const(near);
    g.i32("add");
    g.i32Const(2 * near);
    g.i32("geU");
    g.if();
    this.pushAddress(g, () => g.get(this.ip));
    g.get(distance);
    g.convert("extendS");
    g.i64("add");
    this.mask(g, this.mode.targetMask);
    g.set(this.target);
    g.br(stages.jump);
    g.end();
  }

  /** The handlers that are functions of their own. */
  #rareHandler(stages: Stages): void {
    const f = this.f;
    const { advance, handlerTable, handlerType, mode, stride } = this.context;
    f.end();
    this.storePc();
    const { before } = this.context.target;
    if (before?.mode === mode) {
      f.get(this.s);
      f.get(this.word);
      f.call(this.context.helper(before.routine));
      this.loadState("fault");
      f.brIf(stages.fault);
    }
    f.get(this.s);
    f.get(this.word);
    f.get(this.ip);
    f.load("i32", 0);
    f.i32Const(mode * stride);
    f.i32("add");
    f.callIndirect(handlerType, handlerTable);
    f.tee(this.to);
    advance.testGoesOn(f);
    f.if();
    this.#onward(stages, () => advance.pushDistance(f, this.to));
    f.end();
    f.get(this.to);
    f.i32Const(1);
    f.i32("eq");
    f.brIf(stages.leave);
    f.br(stages.fault);
  }

  #taken(stages: Stages): void {
    const f = this.f;
    const { codePage } = this.layout;
    f.end();
    this.noteBranch();
    this.payBranch();
    f.get(this.to);
    f.get(this.pageStart);
    f.i32("sub");
    f.i32Const(codePage.instructions * codePage.entrySize);
    f.i32("ltU");
    f.get(this.budget);
    f.i32Const(0);
    f.i32("geS");
    f.i32("and");
    f.if();
    f.get(this.to);
    f.tee(this.ip);
    f.set(this.start);
    f.br(stages.next);
    f.end();
    this.pushAddress(f, () => f.get(this.to));
    f.set(this.target);
    f.br(stages.go);
  }

  #fault(stages: Stages): void {
    const f = this.f;
    f.end();
    this.pay();
    // The instruction counts, though it was none: handlers that fault as they begin come to the slice's end too. What leaves is
    // run again.
    this.loadState("exitCode");
    f.i32("eqz");
    f.if();
    f.get(this.budget);
    f.i32Const(this.layout.codePage.entrySize);
    f.i32("sub");
    f.set(this.budget);
    f.end();
    f.get(this.s);
    f.i32Const(0);
    f.store("i32", this.layout.state.fault.offset);
    f.br(stages.resync);
  }

  #leave(stages: Stages): void {
    this.f.end();
    this.payBranch();
    this.f.br(stages.resync);
  }

  /** What `fetch` would find at once is found here. */
  #go(stages: Stages): void {
    const f = this.f;
    const { state } = this.layout;
    f.get(this.budget);
    f.i32Const(0);
    f.i32("geS");
    f.if();
    this.#findPage(() => {
      f.get(this.to);
      f.tee(this.pageStart);
      emitDecodedEntry(f, this.layout, this.target);
      f.tee(this.ip);
      f.set(this.start);
      f.br(stages.next);
    });
    f.end();
    f.get(this.s);
    f.get(this.target);
    f.store("i64", state.pc.offset);
    f.br(stages.resync);
  }

  /** Emits `found` where the page of `target` is in the soft TLB and has decoded code, entered as before; its address in `to`. */
  #findPage(found: () => void): void {
    const f = this.f;
    const { codePage, tlb } = this.layout;
    f.get(this.fetchTable);
    emitTlbEntry(f, this.layout, this.target, "code");
    f.tee(this.to);
    f.load("i64", tlb.executeTag);
    f.get(this.target);
    emitTlbTag(f, this.layout, () => f.get(this.fetchAsid));
    f.i64("eq");
    f.if();
    f.get(this.codeMap);
    emitCodePage(f, this.layout, this.to, this.target);
    f.tee(this.to);
    f.if();
    f.get(this.to);
    f.load("i64", codePage.effective);
    f.get(this.target);
    f.i64Const(-(1n << BigInt(codePage.shift)));
    f.i64("and");
    f.tee(this.pageAddress);
    f.i64("eq");
    f.if();
    found();
    f.end();
    f.end();
    f.end();
  }
}
