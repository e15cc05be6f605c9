/**
 * What the stages of the core function share: its locals, and how an instruction's address, the state's fields and what
 * instructions cost are had from them.
 */
import { FunctionBuilder } from "../../wasm/function-builder.js";
import type { EngineField } from "../layout.js";
import type { AccessContext } from "../memory-access.js";
import type { Emission, Mode } from "../target.js";
import type { Advance } from "./advance.js";
import type { HandlerSpec, InterpreterTarget } from "./target.js";

/** What the core shares with the rest of the interpreter's module. */
export interface CoreContext<S extends HandlerSpec> {
  readonly target: InterpreterTarget<S>;
  readonly mode: number;
  /** Handlers of one mode in the handler table. */
  readonly stride: number;
  /** All handlers by number from `Handler.first`; the first `hotCount` stand in the core. */
  readonly specs: readonly S[];
  readonly hotCount: number;
  readonly advance: Advance;
  /** Function index of what works deferred registers out. */
  readonly settle: number;
  /** Function index of a routine of the run-time library. */
  helper(name: string): number;
  access(stateLocal: number, table: AccessContext["table"], asid: AccessContext["asid"]): AccessContext;
  readonly regionType: number;
  readonly regionTable: number;
  readonly handlerType: number;
  readonly handlerTable: number;
}

/** A core function being built, before it has a stage. */
export class CoreFrame<S extends HandlerSpec> {
  protected readonly context: CoreContext<S>;
  protected readonly mode: Mode;
  protected readonly f = new FunctionBuilder(["i32"]);
  protected readonly s = 0;
  /** Address of the current decoded entry, and where the run of instructions not paid for begins. */
  protected readonly ip = this.f.local("i32");
  protected readonly word = this.f.local("i32");
  protected readonly budget = this.f.local("i32");
  protected readonly pageStart = this.f.local("i32");
  protected readonly start = this.f.local("i32");
  protected readonly to = this.f.local("i32");
  protected readonly handler = this.f.local("i32");
  protected readonly table = this.f.local("i32");
  protected readonly fetchTable = this.f.local("i32");
  protected readonly codeMap = this.f.local("i32");
  /** Effective address of the page's first byte. */
  protected readonly pageAddress = this.f.local("i64");
  protected readonly asid = this.f.local("i64");
  protected readonly fetchAsid = this.f.local("i64");
  protected readonly target = this.f.local("i64");

  constructor(context: CoreContext<S>) {
    this.context = context;
    this.mode = context.target.modes[context.mode] as Mode;
  }

  protected get layout() {
    return this.context.target.layout;
  }

  protected get emission(): Emission {
    return { f: this.f, state: this.s, runtime: { helper: (name) => this.context.helper(name) } };
  }

  protected loadState(field: EngineField): void {
    const { type, offset } = this.layout.state[field];
    this.f.get(this.s);
    this.f.load(type, offset);
  }

  protected call(name: string): void {
    this.f.get(this.s);
    this.f.call(this.context.helper(name));
  }

  /** Pushes the effective address of the entry whose address `entry` pushes. */
  protected pushAddress(f: FunctionBuilder, entry: () => void): void {
    f.get(this.pageAddress);
    entry();
    f.get(this.pageStart);
    f.i32("sub");
    f.i32Const(this.layout.codePage.scale);
    f.i32("shrS");
    f.convert("extendS");
    f.i64("add");
    this.mask(f, this.mode.addressMask);
  }

  protected mask(f: FunctionBuilder, mask: bigint | undefined): void {
    if (mask === undefined) return;
    f.i64Const(mask);
    f.i64("and");
  }

  /** state.pc = address of the current entry. */
  protected storePc(f: FunctionBuilder = this.f): void {
    f.get(this.s);
    this.pushAddress(f, () => f.get(this.ip));
    f.store("i64", this.layout.state.pc.offset);
  }

  /** budget -= ip - start */
  protected pay(): void {
    const f = this.f;
    f.get(this.budget);
    f.get(this.ip);
    f.get(this.start);
    f.i32("sub");
    f.i32("sub");
    f.set(this.budget);
  }

  /** The same, and the instruction at ip, which goes elsewhere. */
  protected payBranch(): void {
    const f = this.f;
    f.get(this.budget);
    f.get(this.ip);
    f.get(this.start);
    f.i32("sub");
    f.i32("sub");
    f.i32Const(this.layout.codePage.entrySize);
    f.i32("sub");
    f.set(this.budget);
  }

  protected noteBranch(): void {
    this.context.target.branches.note(this.emission, () => this.f.get(this.ip));
  }

  protected count(field: "statTranslated" | "statRegionRuns", amount: () => void): void {
    const f = this.f;
    f.get(this.s);
    this.loadState(field);
    amount();
    f.i64("add");
    f.store("i64", this.layout.state[field].offset);
  }
}
