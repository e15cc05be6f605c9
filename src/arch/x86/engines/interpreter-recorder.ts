/** x86 for the interpreter: registers are in the state, and which of them is in the operands' record. */
import { type HandlerPlace, lengthMask } from "../../../engine/interpret/target.js";
import type { Exits, Node, Recording } from "../../../engine/ir.js";
import { asI32, asI64, asNode, asV128 } from "../../../engine/recorder.js";
import type { I32, I64, V128 } from "../../../semantics/values.js";
import type { Access, FunctionBuilder } from "../../../wasm/function-builder.js";
import { flagsOf } from "../isa/flags.js";
import type { FlagName } from "../isa/machine.js";
import { rsp } from "../isa/machine.js";
import type { X86Handler } from "./handlers.js";
import { operandPlaces, origins } from "./late-flags.js";
import { CodeMode, state } from "./layout.js";
import { AskedBits, operandAddress } from "./operand-address.js";
import { place, record } from "./operands.js";
import { type MemoryPlace, type Named, type Place, type VectorPlace, type Where, X86Recorder } from "./x86-recorder.js";

const loads: Readonly<Record<number, Access>> = {
  8: "i64.load8_u",
  16: "i64.load16_u",
  32: "i64.load32_u",
  64: "i64.load",
};
const stores: Readonly<Record<number, Access>> = { 8: "i64.store8", 16: "i64.store16", 64: "i64.store" };

export class InterpreterRecorder extends X86Recorder {
  readonly #place: HandlerPlace;
  #record!: Node<"i32">;

  /** @param flat the code has 32 bits, in flat segments. */
  constructor(place: HandlerPlace, flat: boolean) {
    super(place, flat);
    this.#place = place;
  }

  handler(spec: X86Handler): Recording {
    return this.record(() => this.body(spec));
  }

  /** Flags that a region has left become values, each. */
  settling(): Recording {
    const { i32 } = this;
    return this.record(() => {
      const at = this.stateAddress();
      const offset = state.flagSource.offset;
      const source = asI32(this.node("i32", [at], (f) => f.load("i32", offset), "flagSource"));
      const operand = (name: FlagName) => asI64(this.readFlag(name) as Node<"i64">);
      const settle = (first: number, end: number): void => {
        const origin = origins[first];
        if (end - first === 1) {
          if (!origin) return;
          const [a, b] = [operand(operandPlaces.a), operand(operandPlaces.b)];
          this.setFlags(flagsOf(this, { ...origin, a, b }));
          return;
        }
        const middle = (first + end) >> 1;
        this.if(
          i32.ltU(source, i32.const(middle)),
          () => settle(first, middle),
          () => settle(middle, end),
        );
      };
      settle(0, origins.length);
      this.effect([at, this.constant("i32", 0)], ["flagSource"], (f) => f.store("i32", offset));
    });
  }

  protected override begin(): void {
    const { i32 } = this;
    this.#record = asNode(i32.and(asI32(this.word()), i32.const(~lengthMask)));
  }

  protected word(): Node<"i32"> {
    return this.node("i32", [], (f) => f.get(this.#place.locals.word), undefined, true);
  }

  protected stateAddress(): Node<"i32"> {
    return this.node("i32", [], (f) => f.get(this.#place.locals.state), undefined, true);
  }

  cia(): I64 {
    const node = this.node("i64", [], this.#place.emitCia);
    node.displacement = asNode(this.i32.const(0));
    return asI64(node);
  }

  protected override jumpUses(target: Node): Node {
    return target.displacement ?? target;
  }

  protected length(): I64 {
    return this.i64.extendU(this.i32.and(asI32(this.word()), this.i32.const(lengthMask)));
  }

  protected byte(offset: number): I32 {
    return asI32(this.node("i32", [this.#record], (f) => f.access("i32.load8_u", offset)));
  }

  /** Where a register is, less the file's offset in the state. */
  #general(at: Place): { readonly address: Node; readonly offset: number } {
    if (typeof at === "number") return { address: this.stateAddress(), offset: state.general.offset + place(at) };
    const address = asNode(this.i32.add(asI32(this.stateAddress()), this.byte(record[at])));
    return { address, offset: state.general.offset };
  }

  protected readGeneral(at: Place, size: number): I64 {
    const { address, offset } = this.#general(at);
    return asI64(this.node("i64", [address], (f) => f.access(loads[size] as Access, offset), "general"));
  }

  protected writeGeneral(at: Place, size: number, value: I64): void {
    const { address, offset } = this.#general(at);
    // 32 bits clear the upper half.
    const whole = size === 32 ? this.i64.and(value, this.i64.const(0xffffffffn)) : value;
    const store = stores[size === 32 ? 64 : size] as Access;
    this.effect([address, asNode(whole)], ["general"], (f) => f.access(store, offset));
  }

  #vectorAt(at: VectorPlace, high: boolean): { readonly address: Node; readonly offset: number } {
    const { offset } = high ? state.vectorHigh : state.vector;
    if (typeof at === "number") return { address: this.stateAddress(), offset: offset + 16 * at };
    // In the record it is as a general register: 8 bytes each.
    const moved =
      typeof at === "string"
        ? this.i32.shl(this.byte(record[at]), this.i32.const(1))
        : this.i32.and(
            this.byte(at.is4 === 0 ? record.first : record.second),
            this.i32.const(this.#place.mode === CodeMode.long ? 0xf0 : 0x70),
          );
    return { address: asNode(this.i32.add(asI32(this.stateAddress()), moved)), offset };
  }

  protected readVector(at: VectorPlace, high: boolean): V128 {
    const { address, offset } = this.#vectorAt(at, high);
    const resource = high ? "vectorHigh" : "vector";
    return asV128(this.node("v128", [address], (f) => f.load("v128", offset), resource));
  }

  protected writeVector(at: VectorPlace, high: boolean, value: V128): void {
    const { address, offset } = this.#vectorAt(at, high);
    this.effect([address, asNode(value)], [high ? "vectorHigh" : "vector"], (f) => f.store("v128", offset));
  }

  /** Where an MMX register is: REX says nothing of these, the x87's file has 16 bytes each. */
  #mmxAt(at: Place): Node {
    const number =
      typeof at === "number"
        ? this.i32.const(16 * at)
        : this.i32.shl(this.i32.and(this.byte(record[at]), this.i32.const(0x38)), this.i32.const(1));
    return asNode(this.i32.add(asI32(this.stateAddress()), number));
  }

  protected readMmx(at: Place): I64 {
    const { offset } = state.floatRegister;
    return asI64(this.node("i64", [this.#mmxAt(at)], (f) => f.load("i64", offset), "mmx"));
  }

  protected writeMmx(at: Place, value: I64): void {
    const { offset } = state.floatRegister;
    const address = this.#mmxAt(at);
    this.effect([address, asNode(value)], ["mmx"], (f) => f.store("i64", offset));
    this.effect([address, this.constant("i64", 0xffff)], ["mmx"], (f) => f.store("i64", offset + 8));
  }

  protected locked(): Node {
    return asNode(this.byte(record.lock));
  }

  /** One way for both takes less room, and a routine costs no more here. */
  override keepsOthersOut(): I32 {
    return this.i32.const(1);
  }

  protected named(): I32 {
    return this.i32.shrU(this.byte(record.reg), this.i32.const(3));
  }

  protected namedByRm(): I32 {
    return this.i32.and(this.i32.shrU(this.byte(record.rm), this.i32.const(3)), this.i32.const(7));
  }

  protected indexed(moved: number): I64 {
    const { i64 } = this;
    const register = (at: I32) => {
      const address = asNode(this.i32.add(asI32(this.stateAddress()), at));
      return asI64(this.node("i64", [address], (f) => f.load("i64", state.general.offset), "general"));
    };
    const number = this.byte(record.base);
    let base = register(number);
    if (moved !== 0) {
      const isStack = this.i32.eq(number, this.i32.const(place(rsp)));
      base = i64.add(base, this.select(isStack, i64.const(moved), i64.const(0)));
    }
    const index = i64.shl(register(this.byte(record.index)), i64.extendU(this.byte(record.scale)));
    const displacement = asI32(this.node("i32", [this.#record], (f) => f.load("i32", record.displacement)));
    return i64.add(i64.add(base, index), i64.extendS(displacement));
  }

  /** In handlers that are functions, an operand's address is a function's, the same in all modes: so they can be the same, too. */
  protected override placeIn(where: Where, named: Named): MemoryPlace {
    const whole = super.placeIn(where, named);
    const { common } = this.#place;
    if (!common || named !== "modrm") return whole;
    const index = operandAddress(common, this.runtime);
    const { checkFault } = this.access;
    return {
      offset: whole.offset,
      address: ({ bytes, write, moved = 0, further, index: more }) => {
        const { i32, i64 } = this;
        const bits = (write ? AskedBits.write : 0) | (further ? AskedBits.further : 0);
        const asked = [i32.const(moved), more ?? further ?? i64.const(0), i32.const(bytes), i32.const(bits)];
        const call = (f: FunctionBuilder, x: Exits) => {
          f.call(index);
          checkFault(f, x);
        };
        const found = this.effect([this.stateAddress(), this.word(), ...asked.map(asNode)], [], call, "i64");
        // It is cut to what addresses have.
        found.uncut = found;
        return asI64(found);
      },
    };
  }

  protected scale(): I64 {
    return this.i64.extendU(this.byte(record.scale));
  }

  protected relativeBase(): I64 {
    const { i64 } = this;
    return this.select(this.byte(record.ripRelative), this.next(), i64.const(0));
  }

  protected override checkSegment(asked: readonly Node[]): void {
    const { i32 } = this;
    const segment = this.byte(record.segment);
    const at = asNode(i32.add(asI32(this.stateAddress()), i32.shrU(segment, i32.const(1))));
    // A fault, or it can be reached in spite of that.
    this.if(this.isNotFlat(at, 0), () => this.routine("segmentAddress", [asNode(segment), ...asked], "i64"));
  }

  protected overridden(): I64 {
    const address = asNode(this.i32.add(asI32(this.stateAddress()), this.byte(record.segment)));
    return asI64(this.node("i64", [address], (f) => f.load("i64", state.segmentBase.offset), "segments"));
  }

  protected immediate(number: number): I64 {
    const offset = number === 0 ? record.first : record.second;
    return asI64(this.node("i64", [this.#record], (f) => f.load("i64", offset)));
  }

  protected readFlag(name: FlagName): Node {
    const { type, offset } = state[name];
    return this.node(type, [this.stateAddress()], (f) => f.load(type, offset), name);
  }

  protected writeFlag(name: FlagName, value: Node): void {
    const { type, offset } = state[name];
    this.effect([this.stateAddress(), value], [name], (f) => f.store(type, offset));
  }
}
