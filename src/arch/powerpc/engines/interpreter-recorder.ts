/** The semantics as an interpreter's handler: registers in the vCPU's state, operand fields cut from the word. */

import type { Node, Recording, Resource, Type } from "../../../engine/ir.js";
import { asF64, asI32, asI64, asNode, asV128 } from "../../../engine/recorder.js";
import type { HelperSignature } from "../../../semantics/signature.js";
import type { FunctionBuilder } from "../../../wasm/function-builder.js";
import type { F64, I32, I64, V128 } from "../isa/machine.js";
import type { Field, FieldPiece } from "../isa/pattern.js";
import { fieldValue } from "../isa/pattern.js";
import { type RegisterName, registers } from "../isa/registers.js";
import type { PowerHandler } from "./handlers.js";
import { state } from "./layout.js";
import { PowerRecorder, type PowerRecorderOptions } from "./power-recorder.js";

export interface InterpreterLocals {
  readonly state: number;
  readonly word: number;
}

/** Registers that helpers leave alone unless they leave the instruction. */
const untouchedByHelpers = new Set<RegisterName>([
  ...(["lr", "ctr", "so", "ov", "ov32", "ca", "ca32", "xerRest"] as const),
  ...(["floatPending", "floatA", "floatB", "floatC", "floatD"] as const),
]);
const resourceOf = (name: RegisterName): Resource => (untouchedByHelpers.has(name) ? `reg:${name}` : "named");

export class InterpreterRecorder extends PowerRecorder {
  readonly #locals: InterpreterLocals;
  readonly #emitCia: (f: FunctionBuilder) => void;
  /** Register addresses already computed in this instruction, by field and scale. */
  readonly #addresses = new Map<string, Node>();
  #state: Node<"i32"> | undefined;
  #word: Node<"i32"> | undefined;
  #prefix: Node<"i32"> | undefined;

  constructor(options: PowerRecorderOptions, locals: InterpreterLocals, emitCia: (f: FunctionBuilder) => void) {
    super(options);
    this.#locals = locals;
    this.#emitCia = emitCia;
  }

  protected override begin(): void {
    this.#addresses.clear();
    const leaf = (local: number) => this.node("i32", [], (f) => f.get(local), undefined, true);
    this.#state = leaf(this.#locals.state);
    this.#word = leaf(this.#locals.word);
    this.#prefix = undefined;
  }

  /** What is decoded of an instruction of two words is where they lie: runtime/prefixed.as.ts. */
  #findWords(): void {
    const place = this.#recorded(this.#word);
    const at = (offset: number) => this.node("i32", [place], (f) => f.load("i32", offset));
    this.#prefix = at(0);
    this.#word = at(4);
  }

  /** Records the handler of `spec`: what must be enabled, then the semantics. */
  handler(spec: PowerHandler): Recording {
    return this.record(() => {
      if (spec.variant.prefix) this.#findWords();
      const operands: Record<string, I32 | I64> = {};
      for (const [name, field] of Object.entries(spec.variant.fields)) {
        if (field.width > 32) {
          operands[name] = this.#wideField(field);
          continue;
        }
        operands[name] = spec.fixed.includes(name)
          ? this.i32.const(fieldValue(field, spec.value))
          : asI32(this.#field(field));
      }
      this.runs(spec.variant, operands);
    });
  }

  /** What only is there while a handler is recorded. */
  #recorded<T extends Type>(node: Node<T> | undefined): Node<T> {
    if (!node) throw new Error("no handler is being recorded");
    return node;
  }

  /** The word that a piece stands in, and its shift there. */
  #pieceIn({ shift }: FieldPiece): { word: I32; shift: number } {
    return shift < 32
      ? { word: this.#recorded(this.#word), shift }
      : { word: this.#recorded(this.#prefix), shift: shift - 32 };
  }

  #wideField({ pieces, width, scale }: Field): I64 {
    const { i32, i64 } = this;
    const parts = pieces.map((piece) => {
      const { word, shift } = this.#pieceIn(piece);
      const part = i32.and(i32.shrU(word, i32.const(shift)), i32.const(2 ** piece.width - 1));
      return i64.shl(i64.extendU(part), i64.const(piece.at + 64 - width));
    });
    return i64.mul(
      i64.shrS(
        parts.reduce((a, b) => i64.or(a, b)),
        i64.const(64 - width),
      ),
      i64.const(scale),
    );
  }

  #field(field: Field): Node<"i32"> {
    const { i32 } = this;
    let value: I32 | undefined;
    const only = field.pieces.length === 1 && (field.pieces[0]?.shift ?? 32) < 32 ? field.pieces[0] : undefined;
    const word = this.#recorded(this.#word);
    if (only && field.signed && only.at === 0) {
      // Sign-extends by shifting through the top.
      const top = 32 - only.shift - only.width;
      value = i32.shrS(i32.shl(word, i32.const(top)), i32.const(32 - only.width));
    } else {
      for (const part of field.pieces) {
        const { width, at } = part;
        const { word: from, shift } = this.#pieceIn(part);
        const mask = i32.const((2 ** width - 1) << at);
        const moved = shift >= at ? i32.shrU(from, i32.const(shift - at)) : i32.shl(from, i32.const(at - shift));
        const piece = i32.and(moved, mask);
        value = value ? i32.or(value, piece) : piece;
      }
      if (value && field.signed) {
        const unused = i32.const(32 - field.width);
        value = i32.shrS(i32.shl(value, unused), unused);
      }
    }
    if (!value) throw new Error("an operand field without bits");
    if (field.scale !== 1) value = i32.shl(value, i32.const(Math.log2(field.scale)));
    const node = asNode(value);
    if (only && !field.signed && field.scale === 1 && only.at === 0) {
      node.field = { shift: only.shift, width: only.width };
    }
    return node;
  }

  /** State address + number * 2^scale, for a register file's element; constant numbers are left to the offset. */
  #element(number: I32, scale: number): { address: Node; offset: number } {
    const n = asNode(number);
    if (n.constant !== undefined) return { address: this.stateAddress(), offset: Number(n.constant) << scale };
    const { i32 } = this;
    const s = asI32(this.stateAddress());
    const at = n.field;
    if (!at) return { address: asNode(i32.add(s, i32.shl(number, i32.const(scale)))), offset: 0 };
    const key = `${at.shift},${at.width},${scale}`;
    let address = this.#addresses.get(key);
    if (!address) {
      const word = this.#recorded(this.#word);
      const moved =
        at.shift >= scale ? i32.shrU(word, i32.const(at.shift - scale)) : i32.shl(word, i32.const(scale - at.shift));
      const scaled = i32.and(moved, i32.const((2 ** at.width - 1) << scale));
      address = asNode(i32.add(s, scaled));
      this.#addresses.set(key, address);
    }
    return { address, offset: 0 };
  }

  /** Addresses made under a condition are not known outside it. */
  #scoped<A extends unknown[]>(body: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      const outer = new Map(this.#addresses);
      body(...args);
      this.#addresses.clear();
      for (const [key, node] of outer) this.#addresses.set(key, node);
    };
  }

  override if(condition: I32, then: () => void, otherwise?: () => void): void {
    super.if(condition, this.#scoped(then), otherwise && this.#scoped(otherwise));
  }

  override repeat(count: I32, body: (index: I32) => void): void {
    super.repeat(count, this.#scoped(body));
  }

  #read<T extends Type>(type: T, address: Node, offset: number, resource: Resource): Node<T> {
    return this.node(type, [address], (f) => f.load(type, offset), resource);
  }

  #write(value: Node, address: Node, offset: number, resource: Resource): void {
    this.effect([address, value], [resource], (f) => f.store(value.type, offset));
  }

  protected stateAddress(): Node<"i32"> {
    return this.#recorded(this.#state);
  }

  cia(): I64 {
    const node = this.node("i64", [], this.#emitCia);
    node.displacement = asNode(this.i32.const(0));
    return asI64(node);
  }

  gpr(number: I32): I64 {
    const { address, offset } = this.#element(number, 3);
    return asI64(this.#read("i64", address, state.gpr.offset + offset, "gpr"));
  }

  setGpr(number: I32, value: I64): void {
    const { address, offset } = this.#element(number, 3);
    this.#write(asNode(value), address, state.gpr.offset + offset, "gpr");
  }

  fpr(number: I32): I64 {
    const { address, offset } = this.#element(number, 4);
    return asI64(this.#read("i64", address, state.vsr.offset + 8 + offset, "vsr"));
  }

  setFpr(number: I32, value: I64): void {
    this.#setScalar(number, asNode(value));
  }

  #setScalar(number: I32, value: Node<"i64" | "f64">): void {
    const { address, offset } = this.#element(number, 4);
    this.#write(value, address, state.vsr.offset + 8 + offset, "vsr");
    this.#write(asNode(this.i64.const(0)), address, state.vsr.offset + offset, "vsr");
  }

  double(number: I32): F64 {
    const { address, offset } = this.#element(number, 4);
    return asF64(this.#read("f64", address, state.vsr.offset + 8 + offset, "vsr"));
  }

  setDouble(number: I32, value: F64): void {
    this.#setScalar(number, asNode(value));
  }

  vsr(number: I32): V128 {
    const { address, offset } = this.#element(number, 4);
    return asV128(this.#read("v128", address, state.vsr.offset + offset, "vsr"));
  }

  setVsr(number: I32, value: V128): void {
    const { address, offset } = this.#element(number, 4);
    this.#write(asNode(value), address, state.vsr.offset + offset, "vsr");
  }

  override vr(number: I32): V128 {
    const { address, offset } = this.#element(number, 4);
    return asV128(this.#read("v128", address, state.vsr.offset + 32 * 16 + offset, "vsr"));
  }

  override setVr(number: I32, value: V128): void {
    const { address, offset } = this.#element(number, 4);
    this.#write(asNode(value), address, state.vsr.offset + 32 * 16 + offset, "vsr");
  }

  crField(number: I32): I32 {
    const { address, offset } = this.#element(number, 2);
    return asI32(this.#read("i32", address, state.cr.offset + offset, "cr"));
  }

  setCrField(number: I32, value: I32): void {
    const { address, offset } = this.#element(number, 2);
    this.#write(asNode(value), address, state.cr.offset + offset, "cr");
  }

  override crBit(number: I32): I32 {
    const { i32 } = this;
    if (asNode(number).constant !== undefined) return super.crBit(number);
    // The field's offset is the bit number without its low two bits.
    const s = asI32(this.stateAddress());
    const address = asNode(i32.add(s, i32.and(number, i32.const(28))));
    const field = asI32(this.#read("i32", address, state.cr.offset, "cr"));
    const place = i32.and(i32.xor(number, i32.const(3)), i32.const(3));
    return i32.and(i32.shrU(field, place), i32.const(1));
  }

  protected readRegister(name: RegisterName): Node {
    return this.#read(registers[name], this.stateAddress(), state[name].offset, resourceOf(name));
  }

  protected writeRegister(name: RegisterName, value: Node): void {
    this.#write(value, this.stateAddress(), state[name].offset, resourceOf(name));
  }

  protected readFacilities(): Node<"i32"> {
    return this.#read("i32", this.stateAddress(), state.facilities.offset, "named");
  }

  protected helperWrites(_effect: HelperSignature["effect"]): readonly Resource[] {
    return ["named"];
  }

  /** A relative jump needs its displacement only: the core adds it to the entry's address. */
  protected override jumpUses(target: Node): Node {
    return target.displacement ?? target;
  }

  protected endInContextChange(): void {
    const next = asNode(this.i64.add(this.cia(), this.i64.const(4)));
    const pc = this.mode64 ? next : asNode(this.i64.and(asI64(next), this.i64.const(0xffffffffn)));
    this.effect([this.stateAddress(), pc], [], (f, exits) => {
      f.store("i64", state.pc.offset);
      exits.leave(f);
    });
  }
}
