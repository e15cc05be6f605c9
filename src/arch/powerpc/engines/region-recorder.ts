/**
 * The semantics as part of a region: operands are constants; general registers, CR fields, the XER bits, LR and CTR live in
 * locals while the region runs. Vector-scalar registers and the rest stay in the vCPU's state.
 */

import type { Late, Node, Recording, Resource, Type } from "../../../engine/ir.js";
import { asF64, asI32, asI64, asNode, asV128 } from "../../../engine/recorder.js";
import type { Holdable } from "../../../engine/translate/register-file.js";
import {
  HeldRegisters,
  type Operand,
  type RegionRecorder,
  type RegisterNumber,
  RegisterUnknown,
  regionLocals,
  registerNumber,
} from "../../../engine/translate/template.js";
import type { HelperSignature } from "../../../semantics/signature.js";
import type { HelperName } from "../isa/helpers.js";
import type { F64, I32, I64, V128 } from "../isa/machine.js";
import { fieldMask, fieldReader, fieldValue, type Variant } from "../isa/pattern.js";
import { type RegisterName, registers } from "../isa/registers.js";
import { state } from "./layout.js";
import { PowerRecorder } from "./power-recorder.js";
import { branches } from "./region-branches.js";

/** What is pending of FPSCR: held as a whole, since each operation writes it and few look. */
const status = ["floatPending", "floatA", "floatB", "floatC", "floatD"] as const satisfies readonly RegisterName[];
/** Single registers that a region keeps in locals; no helper touches them but those that leave. */
const single = [
  ...(["lr", "ctr", "so", "ov", "ov32", "ca", "ca32"] as const satisfies readonly RegisterName[]),
  ...status,
] as const;
const gprs = 32;
const crFields = 8;

/** Number of the scalar in VSR 0, among what is held. */
const scalars = gprs + crFields + single.length;

/** What a region holds in locals: the general registers, the CR fields, `single`, then doubleword 0 of each VSR. */
export const held: readonly Holdable[] = [
  ...Array.from({ length: gprs }, (_, n): Holdable => ({ type: "i64", offset: state.gpr.offset + 8 * n })),
  ...Array.from({ length: crFields }, (_, n): Holdable => ({ type: "i32", offset: state.cr.offset + 4 * n })),
  ...single.map((name): Holdable => {
    return { type: registers[name], offset: state[name].offset, whole: status.some((s) => s === name) };
  }),
  // So that a chain of operations does not go through the state; vectors are read from there.
  ...Array.from(
    { length: 64 },
    (_, n): Holdable => ({ type: "f64", offset: state.vsr.offset + 8 + 16 * n, through: true }),
  ),
];
const singleNumber = new Map<RegisterName, number>(single.map((name, i) => [name, gprs + crFields + i]));

export class PowerRegionRecorder extends PowerRecorder implements RegionRecorder<Variant> {
  readonly held = new HeldRegisters(held);

  /** A prefix is a part of the variant here (translator-target.ts), as what is literal is. */
  operands({ fields, prefix }: Variant): Operand[] {
    return Object.entries(fields).map(([name, field]) => ({
      name,
      mask: fieldMask(field),
      at: fieldReader(field, prefix?.value),
    }));
  }

  instruction(variant: Variant, word: number, late: ReadonlyMap<string, Operand>): Recording {
    return this.record(() => {
      const operands: Record<string, I32 | I64> = {};
      for (const [name, field] of Object.entries(variant.fields)) {
        const now = fieldValue(field, word, variant.prefix?.value);
        const operand = late.get(name);
        if (field.width > 32) {
          operands[name] = operand
            ? asI64(this.late("i64", { at: operand.at, now, operands: [name] }))
            : this.i64.const(now);
          continue;
        }
        operands[name] = operand
          ? asI32(this.late("i32", { at: operand.at, now, operands: [name] }))
          : this.i32.const(now);
      }
      this.runs(variant, operands);
    });
  }

  protected override late<T extends "i32" | "i64">(type: T, late: Late): Node<T> {
    return this.held.late(this, type, late);
  }

  #readHeld<T extends Type>(number: RegisterNumber, type: T): Node<T> {
    return this.held.read(this, number, type);
  }

  #writeHeld(number: RegisterNumber | number, value: Node): void {
    this.held.write(this, number, value);
  }

  /** The register with this number among those that are numbered from `first` on. */
  #number(number: I32, first = 0): RegisterNumber {
    const { constant, late } = asNode(number);
    if (typeof constant === "number") return registerNumber(first + constant);
    if (!late) throw new RegisterUnknown();
    return { at: (word) => first + Number(late.at(word)), now: first + Number(late.now), late: true };
  }

  #read<T extends Type>(type: T, offset: number, resource: Resource): Node<T> {
    return this.node(type, [this.stateAddress()], (f) => f.load(type, offset), resource);
  }

  #write(value: Node, offset: number, resource: Resource): void {
    this.effect([this.stateAddress(), value], [resource], (f) => f.store(value.type, offset));
  }

  /** Reads a part of a vector-scalar register, `offset` bytes from its start. */
  #readVsr<T extends Type>(type: T, number: I32, offset: number): Node<T> {
    const n = this.#number(number);
    const place = () => state.vsr.offset + 16 * n.at(this.held.place.word) + offset;
    return this.node(type, [this.stateAddress()], (f) => f.load(type, place()), this.held.resource("vsr", n));
  }

  #writeVsr(value: Node, number: I32, offset: number): void {
    const n = this.#number(number);
    const place = () => state.vsr.offset + 16 * n.at(this.held.place.word) + offset;
    const resource = this.held.resource("vsr", n);
    this.effect([this.stateAddress(), value], [resource], (f) => f.store(value.type, place()));
  }

  protected stateAddress(): Node<"i32"> {
    return this.node("i32", [], (f) => f.get(regionLocals.state), undefined, true);
  }

  cia(): I64 {
    const node = this.node("i64", [], (f) => {
      f.get(regionLocals.base);
      const { offset } = this.held.place;
      if (offset === 0) return;
      f.i64Const(BigInt(offset));
      f.i64("add");
    });
    node.displacement = asNode(this.i32.const(0));
    return asI64(node);
  }

  gpr(number: I32): I64 {
    return asI64(this.#readHeld(this.#number(number), "i64"));
  }

  setGpr(number: I32, value: I64): void {
    this.#writeHeld(this.#number(number), asNode(value));
  }

  override call<N extends HelperName>(name: N, ...args: unknown[]): never {
    // These look at what the region has kept to itself so far.
    if (name === "comeFrom" || name === "setComeFrom") this.effect([], [], branches.settle);
    return super.call(name, ...args);
  }

  fpr(number: I32): I64 {
    return asI64(this.#readVsr("i64", number, 8));
  }

  setFpr(number: I32, value: I64): void {
    this.setDouble(number, this.f64.ofBits(value));
  }

  double(number: I32): F64 {
    return asF64(this.#readHeld(this.#number(number, scalars), "f64"));
  }

  setDouble(number: I32, value: F64): void {
    this.#writeHeld(this.#number(number, scalars), asNode(value));
    this.#writeVsr(asNode(this.i64.const(0)), number, 0);
  }

  vsr(number: I32): V128 {
    return asV128(this.#readVsr("v128", number, 0));
  }

  setVsr(number: I32, value: V128): void {
    this.#writeVsr(asNode(value), number, 0);
    this.held.note(this, this.#number(number, scalars), asNode(this.f64.ofBits(this.v128.high(value))));
  }

  crField(number: I32): I32 {
    return asI32(this.#readHeld(this.#number(number, gprs), "i32"));
  }

  setCrField(number: I32, value: I32): void {
    this.#writeHeld(this.#number(number, gprs), asNode(value));
  }

  protected readRegister(name: RegisterName): Node {
    const number = singleNumber.get(name);
    if (number !== undefined) return this.held.read(this, number);
    return this.#read(registers[name], state[name].offset, "named");
  }

  protected writeRegister(name: RegisterName, value: Node): void {
    const number = singleNumber.get(name);
    if (number !== undefined) this.#writeHeld(number, value);
    else this.#write(value, state[name].offset, "named");
  }

  protected readFacilities(): Node<"i32"> {
    return this.#read("i32", state.facilities.offset, "named");
  }

  protected helperWrites(_effect: HelperSignature["effect"]): readonly Resource[] {
    return ["named"];
  }

  protected endInContextChange(): void {
    const next = asNode(this.i64.add(this.cia(), this.i64.const(4)));
    this.effect([this.stateAddress(), next], [], (f, exits) => {
      f.store("i64", state.pc.offset);
      exits.leave(f);
    });
  }
}
