/**
 * The semantics as part of a region: operands are constants; general registers, CR fields, the XER bits, LR and CTR live in
 * locals while the region runs. Vector-scalar registers and the rest stay in the vCPU's state.
 */
import { FunctionBuilder } from "../../../../wasm/function-builder.js";
import { conversionOpcodes, integerOpcodes, Op, Simd } from "../../../../wasm/opcodes.js";
import type { HelperSignature } from "../../isa/helpers/signature.js";
import type { HelperName } from "../../isa/helpers.js";
import type { I32, I64, V128 } from "../../isa/machine.js";
import { fieldValue, type Variant } from "../../isa/pattern.js";
import { type RegisterName, registers } from "../../isa/registers.js";
import type { Node, Recording, Resource } from "../shared/ir.js";
import { state } from "../shared/layout.js";
import { Recorder, type RecorderOptions } from "../shared/recorder.js";

/** Single registers that a region keeps in locals; no helper touches them but those that leave. */
const local = ["lr", "ctr", "so", "ov", "ov32", "ca", "ca32"] as const satisfies readonly RegisterName[];
const isLocal = (name: RegisterName): boolean => (local as readonly RegisterName[]).includes(name);

/** Locals that every region's function has: its parameter, then those that the prologue sets. */
export const regionLocals = { state: 0, base: 1, asid: 2, budget: 3, table: 4, jumps: 5, from: 6 } as const;

/** A function with these locals. */
export function regionFunction(): FunctionBuilder {
  const f = new FunctionBuilder(["i32"]);
  const made = [f.local("i64"), f.local("i64"), f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  if (made.join() !== "1,2,3,4,5,6") throw new Error("the region's locals are not where they should be");
  return f;
}

/**
 * Brings CFAR up to date. The local `from` has the offset of the last taken branch, with bit 0 set; 0: none was taken since
 * the region was entered, or since this was done last.
 */
export function emitComeFrom(f: FunctionBuilder): void {
  f.get(regionLocals.from);
  f.if();
  f.get(regionLocals.state);
  f.get(regionLocals.base);
  f.get(regionLocals.from);
  f.op(conversionOpcodes.extendU);
  f.op(integerOpcodes.add[1]);
  f.i64Const(-2n);
  f.op(integerOpcodes.and[1]);
  f.memory(Op["i64.store"], state.cfar.offset);
  f.get(regionLocals.state);
  f.i32Const(0);
  f.tee(regionLocals.from);
  f.memory(Op["i32.store"], state.branchEntry.offset);
  f.end();
}

/** A register held in a local: where it comes from and goes to, and whether the region changes it. */
export interface HeldRegister {
  readonly type: "i32" | "i64";
  readonly offset: number;
  readonly local: number;
  written: boolean;
}

/** A register is chosen when the instruction runs (string loads, multiples): held in a local, it could not be. */
export class RegisterUnknown extends Error {}

export class RegionRecorder extends Recorder {
  #f: FunctionBuilder;
  /** Registers that the region touches, by resource name. */
  readonly held = new Map<Resource, HeldRegister>();
  /** Distance of the instruction being recorded from the region's base address, bytes. */
  #offset = 0;

  constructor(options: RecorderOptions, f: FunctionBuilder) {
    super(options);
    this.#f = f;
  }

  /** Begins a new region, whose function is `f`. Making a recorder is dear; one serves all regions of a byte order. */
  restart(f: FunctionBuilder): void {
    this.#f = f;
    this.held.clear();
  }

  /** Records the instruction `word` at `offset`; undefined if it is one for the interpreter alone. */
  instruction(variant: Variant, word: number, offset: number): Recording | undefined {
    this.#offset = offset;
    try {
      return this.#record(variant, word);
    } catch (error) {
      if (error instanceof RegisterUnknown) return undefined;
      throw error;
    }
  }

  #record(variant: Variant, word: number): Recording {
    return this.record(() => {
      const { definition, flags, fields } = variant;
      const operands: Record<string, I32 | boolean> = { ...flags };
      for (const [name, field] of Object.entries(fields)) operands[name] = this.i32.const(fieldValue(field, word));
      if (definition.options.privileged) this.requirePrivilege(definition.options.privileged);
      this.requireFacilities(definition.options, operands);
      if (definition.options.privileged !== "hypervisor") definition.semantics(this, operands);
    });
  }

  #hold(resource: Resource, type: "i32" | "i64", offset: number): HeldRegister {
    let register = this.held.get(resource);
    if (!register) {
      register = { type, offset, local: this.#f.local(type), written: false };
      this.held.set(resource, register);
    }
    return register;
  }

  #readHeld(resource: Resource, type: "i32" | "i64", offset: number): Node {
    const register = this.#hold(resource, type, offset);
    return this.node(type, [], (f) => f.get(register.local), resource, true);
  }

  #writeHeld(resource: Resource, type: "i32" | "i64", offset: number, value: Node): void {
    const register = this.#hold(resource, type, offset);
    register.written = true;
    this.effect([value], [resource], (f) => f.set(register.local));
  }

  #constant(number: I32): number {
    const { constant } = number as unknown as Node;
    if (typeof constant !== "number") throw new RegisterUnknown();
    return constant;
  }

  #read(type: "i32" | "i64" | "v128", offset: number, resource: Resource): Node {
    const code =
      type === "v128"
        ? (f: FunctionBuilder) => f.simdMemory(Simd["v128.load"], offset)
        : (f: FunctionBuilder) => f.memory(type === "i32" ? Op["i32.load"] : Op["i64.load"], offset);
    return this.node(type, [this.stateAddress()], code, resource);
  }

  #write(value: Node, offset: number, resource: Resource): void {
    this.effect([this.stateAddress(), value], [resource], (f) => {
      if (value.type === "v128") f.simdMemory(Simd["v128.store"], offset);
      else f.memory(value.type === "i32" ? Op["i32.store"] : Op["i64.store"], offset);
    });
  }

  protected stateAddress(): Node {
    return this.node("i32", [], (f) => f.get(regionLocals.state), undefined, true);
  }

  cia(): I64 {
    const offset = BigInt(this.#offset);
    const node = this.node("i64", [], (f) => {
      f.get(regionLocals.base);
      if (offset === 0n) return;
      f.i64Const(offset);
      f.op(integerOpcodes.add[1]);
    });
    node.displacement = this.i32.const(0) as unknown as Node;
    return node as unknown as I64;
  }

  gpr(number: I32): I64 {
    const n = this.#constant(number);
    return this.#readHeld(`gpr${n}`, "i64", state.gpr.offset + 8 * n) as unknown as I64;
  }

  setGpr(number: I32, value: I64): void {
    const n = this.#constant(number);
    this.#writeHeld(`gpr${n}`, "i64", state.gpr.offset + 8 * n, value as unknown as Node);
  }

  override call<N extends HelperName>(name: N, ...args: unknown[]): never {
    // These look at what the region has kept to itself so far.
    if (name === "comeFrom" || name === "setComeFrom") this.effect([], [], emitComeFrom);
    return super.call(name, ...args);
  }

  fpr(number: I32): I64 {
    const n = this.#constant(number);
    return this.#read("i64", state.vsr.offset + 8 + 16 * n, `vsr${n}`) as unknown as I64;
  }

  setFpr(number: I32, value: I64): void {
    const n = this.#constant(number);
    this.#write(value as unknown as Node, state.vsr.offset + 8 + 16 * n, `vsr${n}`);
    this.#write(this.i64.const(0) as unknown as Node, state.vsr.offset + 16 * n, `vsr${n}`);
  }

  vsr(number: I32): V128 {
    const n = this.#constant(number);
    return this.#read("v128", state.vsr.offset + 16 * n, `vsr${n}`) as unknown as V128;
  }

  setVsr(number: I32, value: V128): void {
    const n = this.#constant(number);
    this.#write(value as unknown as Node, state.vsr.offset + 16 * n, `vsr${n}`);
  }

  crField(number: I32): I32 {
    const n = this.#constant(number);
    return this.#readHeld(`cr${n}`, "i32", state.cr.offset + 4 * n) as unknown as I32;
  }

  setCrField(number: I32, value: I32): void {
    const n = this.#constant(number);
    this.#writeHeld(`cr${n}`, "i32", state.cr.offset + 4 * n, value as unknown as Node);
  }

  protected readRegister(name: RegisterName): Node {
    if (isLocal(name)) return this.#readHeld(`reg:${name}`, registers[name], state[name].offset);
    return this.#read(registers[name], state[name].offset, "named");
  }

  protected writeRegister(name: RegisterName, value: Node): void {
    if (isLocal(name)) this.#writeHeld(`reg:${name}`, registers[name], state[name].offset, value);
    else this.#write(value, state[name].offset, "named");
  }

  protected readFacilities(): Node {
    return this.#read("i32", state.facilities.offset, "named");
  }

  protected helperWrites(_effect: HelperSignature["effect"]): readonly Resource[] {
    return ["named"];
  }

  protected endInContextChange(): void {
    const next = this.i64.add(this.cia(), this.i64.const(4)) as unknown as Node;
    this.effect([this.stateAddress(), next], [], (f, exits) => {
      f.memory(Op["i64.store"], state.pc.offset);
      exits.leave(f);
    });
  }
}
