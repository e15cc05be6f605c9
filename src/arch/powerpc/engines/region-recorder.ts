/**
 * The semantics as part of a region: operands are constants; general registers, CR fields, the XER bits, LR and CTR live in
 * locals while the region runs. Vector-scalar registers and the rest stay in the vCPU's state.
 */

import type { Node, Recording, Resource, Type } from "../../../engine/ir.js";
import type { Holdable } from "../../../engine/translate/register-file.js";
import {
  HeldRegisters,
  type RegionRecorder,
  RegisterUnknown,
  regionLocals,
} from "../../../engine/translate/template.js";
import type { HelperSignature } from "../../../semantics/signature.js";
import type { FunctionBuilder } from "../../../wasm/function-builder.js";
import { integerOpcodes, Op, Simd } from "../../../wasm/opcodes.js";
import type { HelperName } from "../isa/helpers.js";
import type { F64, I32, I64, V128 } from "../isa/machine.js";
import { fieldValue, type Variant } from "../isa/pattern.js";
import { type RegisterName, registers } from "../isa/registers.js";
import { state } from "./layout.js";
import { PowerRecorder } from "./power-recorder.js";
import { branches } from "./region-branches.js";

/** Single registers that a region keeps in locals; no helper touches them but those that leave. */
const single = [
  ...(["lr", "ctr", "so", "ov", "ov32", "ca", "ca32"] as const),
  ...(["floatPending", "floatA", "floatB", "floatC", "floatD"] as const),
] as const satisfies readonly RegisterName[];
const gprs = 32;
const crFields = 8;

/** What a region holds in locals: the general registers, the CR fields, then `single`. */
export const held: readonly Holdable[] = [
  ...Array.from({ length: gprs }, (_, n): Holdable => ({ type: "i64", offset: state.gpr.offset + 8 * n })),
  ...Array.from({ length: crFields }, (_, n): Holdable => ({ type: "i32", offset: state.cr.offset + 4 * n })),
  ...single.map((name): Holdable => ({ type: registers[name], offset: state[name].offset })),
];
const singleNumber = new Map<RegisterName, number>(single.map((name, i) => [name, gprs + crFields + i]));

export class PowerRegionRecorder extends PowerRecorder implements RegionRecorder<Variant> {
  readonly held = new HeldRegisters(held);

  instruction(variant: Variant, word: number): Recording {
    return this.record(() => {
      const operands: Record<string, I32> = {};
      for (const [name, field] of Object.entries(variant.fields))
        operands[name] = this.i32.const(fieldValue(field, word));
      this.runs(variant, operands);
    });
  }

  #readHeld(number: number): Node {
    return this.held.read(this, number);
  }

  #writeHeld(number: number, value: Node): void {
    this.held.write(this, number, value);
  }

  #constant(number: I32): number {
    const { constant } = number as unknown as Node;
    if (typeof constant !== "number") throw new RegisterUnknown();
    return constant;
  }

  #read(type: Type, offset: number, resource: Resource): Node {
    return this.node(type, [this.stateAddress()], (f) => f.load(type, offset), resource);
  }

  #write(value: Node, offset: number, resource: Resource): void {
    this.effect([this.stateAddress(), value], [resource], (f) => f.store(value.type, offset));
  }

  protected stateAddress(): Node {
    return this.node("i32", [], (f) => f.get(regionLocals.state), undefined, true);
  }

  cia(): I64 {
    const node = this.node("i64", [], (f) => {
      f.get(regionLocals.base);
      const { offset } = this.held.place;
      if (offset === 0) return;
      f.i64Const(BigInt(offset));
      f.op(integerOpcodes.add[1]);
    });
    node.displacement = this.i32.const(0) as unknown as Node;
    return node as unknown as I64;
  }

  gpr(number: I32): I64 {
    return this.#readHeld(this.#constant(number)) as unknown as I64;
  }

  setGpr(number: I32, value: I64): void {
    this.#writeHeld(this.#constant(number), value as unknown as Node);
  }

  override call<N extends HelperName>(name: N, ...args: unknown[]): never {
    // These look at what the region has kept to itself so far.
    if (name === "comeFrom" || name === "setComeFrom") this.effect([], [], branches.settle);
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

  double(number: I32): F64 {
    const n = this.#constant(number);
    return this.#read("f64", state.vsr.offset + 8 + 16 * n, `vsr${n}`) as unknown as F64;
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
    return this.#readHeld(gprs + this.#constant(number)) as unknown as I32;
  }

  setCrField(number: I32, value: I32): void {
    this.#writeHeld(gprs + this.#constant(number), value as unknown as Node);
  }

  protected readRegister(name: RegisterName): Node {
    const number = singleNumber.get(name);
    if (number !== undefined) return this.#readHeld(number);
    return this.#read(registers[name], state[name].offset, "named");
  }

  protected writeRegister(name: RegisterName, value: Node): void {
    const number = singleNumber.get(name);
    if (number !== undefined) this.#writeHeld(number, value);
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
