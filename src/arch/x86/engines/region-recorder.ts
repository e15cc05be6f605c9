/** x86 for the translator: operands are constants, registers and flags are in locals. */
import { type Late, type Node, OperandDecides, type Recording } from "../../../engine/ir.js";
import { asI64, asNode, asV128 } from "../../../engine/recorder.js";
import type { Deferred, Holdable } from "../../../engine/translate/register-file.js";
import {
  HeldRegisters,
  type Operand,
  type RegionRecorder,
  RegisterUnknown,
  regionLocals,
  registerNumber,
} from "../../../engine/translate/template.js";
import type { I32, I64, V128, Value } from "../../../semantics/values.js";
import { flagsOf, low } from "../isa/flags.js";
import { type HelperArguments, type HelperName, type HelperResult, helpers } from "../isa/helpers.js";
import { type FlagName, type FlagSource, type FlagValues, rsp } from "../isa/machine.js";
import { highByte } from "../isa/registers.js";
import type { X86Handler } from "./handlers.js";
import { flagNames, operandPlaces, originNumber, origins, placesOf } from "./late-flags.js";
import { noRegister, noSegment, Segment, state } from "./layout.js";
import type { Operands } from "./operands.js";
import { type Place, type VectorPlace, X86Recorder } from "./x86-recorder.js";

/** Of an instruction's operands those that serve many instructions: registers and what else decides what is recorded. */
export type FixedOperands = Omit<Operands, "displacement" | "immediates">;

/** What a region's templates are of. Which displacement and immediates an instruction has, its word says: `wordOf`. */
export interface X86Instruction {
  readonly handler: X86Handler;
  readonly operands: FixedOperands;
}

/** Of what was decoded last, by words: more than a region has. Who makes a region has emitted it before these are overtaken. */
const recent: Operands[] = [];
const recentLimit = 8192;
let next = 0;

/** Bits of a word that say which of these are not 0; the others say which of `recent` it is. */
const Nonzero = { displacement: 1, first: 2, second: 4 } as const;
const nonzeroBits = 3;

/** A number by which an instruction's wide operands are found for as long as a region takes to be made. */
export function wordOf(operands: Operands): number {
  const at = next;
  next = (next + 1) % recentLimit;
  recent[at] = operands;
  const [first, second] = operands.immediates;
  return (
    (at << nonzeroBits) |
    (operands.displacement !== 0 ? Nonzero.displacement : 0) |
    (first !== 0n ? Nonzero.first : 0) |
    (second !== 0n ? Nonzero.second : 0)
  );
}

const operandsOfWord = (word: number): Operands => recent[word >>> nonzeroBits] as Operands;

/** The displacement of an instruction that was decoded lately. */
export const displacementOf = (word: number): number => operandsOfWord(word).displacement;

const wideOperands: readonly Operand[] = [
  { name: "displacement", mask: Nonzero.displacement, wide: true, at: (word) => operandsOfWord(word).displacement },
  {
    name: "first",
    mask: Nonzero.first,
    wide: true,
    at: (word) => BigInt.asIntN(64, operandsOfWord(word).immediates[0]),
  },
  {
    name: "second",
    mask: Nonzero.second,
    wide: true,
    at: (word) => BigInt.asIntN(64, operandsOfWord(word).immediates[1]),
  },
];
const immediateNames = ["first", "second"] as const;

/** Numbers of held registers: RAX to R15, then the flags, then what they come from. */
const flagNumber = (name: FlagName): number => 16 + flagNames.indexOf(name);
const sourceNumber = 16 + flagNames.length;

/** The flags are held as a whole, since every other instruction writes them and few read them. */
export const held: readonly Holdable[] = [
  ...Array.from({ length: 16 }, (_, i) => ({ type: "i64" as const, offset: state.general.offset + 8 * i })),
  ...([...flagNames, "flagSource"] as const).map((name) => ({
    type: state[name].type as "i32" | "i64",
    offset: state[name].offset,
    whole: true,
  })),
];

export const deferred: Deferred = {
  source: sourceNumber,
  places: (source) => placesOf(source).map(flagNumber),
};

/**
 * Routines that go elsewhere, and that regions end with: system calls and what leads back. Far jumps are not among them: of far
 * pointers in code a region's operands have nothing.
 */
const last: ReadonlySet<HelperName> = new Set([
  "systemCall",
  "systemReturn",
  "systemEnter",
  "systemExit",
  "returnFromInterrupt",
]);

export class X86RegionRecorder extends X86Recorder implements RegionRecorder<X86Instruction> {
  readonly held = new HeldRegisters(held);
  readonly wordMask = (1 << nonzeroBits) - 1;
  #operands!: FixedOperands;
  #word = 0;
  #late!: ReadonlyMap<string, Operand>;

  operands(): readonly Operand[] {
    return wideOperands;
  }

  instruction({ handler, operands }: X86Instruction, word: number, late: ReadonlyMap<string, Operand>): Recording {
    this.#operands = operands;
    this.#word = word;
    this.#late = late;
    return this.record(() => this.body(handler));
  }

  protected override late<T extends "i32" | "i64">(type: T, late: Late): Node<T> {
    return this.held.late(this, type, late);
  }

  /** A wide operand. */
  #wide(name: "displacement" | "first" | "second"): I64 {
    const operand = this.#late.get(name);
    const { at } = operand ?? (wideOperands.find((one) => one.name === name) as Operand);
    const now = at(this.#word);
    return operand ? asI64(this.late("i64", { at, now, operands: [name] })) : this.i64.const(now);
  }

  protected stateAddress(): Node<"i32"> {
    return this.node("i32", [], (f) => f.get(regionLocals.state), undefined, true);
  }

  cia(): I64 {
    const node = this.node("i64", [], (f) => {
      f.get(regionLocals.base);
      f.i64Const(BigInt(this.held.place.offset));
      f.i64("add");
    });
    node.displacement = asNode(this.i32.const(0));
    return asI64(node);
  }

  protected length(): I64 {
    return this.i64.const(this.#operands.length);
  }

  #number(at: Place): number {
    return typeof at === "number" ? at : this.#operands[at];
  }

  #whole(number: number): I64 {
    return number === noRegister ? this.i64.const(0) : asI64(this.held.read(this, number, "i64"));
  }

  protected readGeneral(at: Place, size: number): I64 {
    const number = this.#number(at);
    if (size === 8 && number >= highByte) {
      return low(this, 8, this.i64.shrU(this.#whole(number - highByte), this.i64.const(8)));
    }
    return low(this, size, this.#whole(number));
  }

  protected writeGeneral(at: Place, size: number, value: I64): void {
    const { i64 } = this;
    const named = this.#number(at);
    const high = size === 8 && named >= highByte;
    const number = high ? named - highByte : named;
    let whole = value;
    if (size === 32) whole = low(this, 32, value);
    else if (size < 32) {
      const shift = high ? 8n : 0n;
      const mask = ((1n << BigInt(size)) - 1n) << shift;
      const kept = i64.and(this.#whole(number), i64.const(~mask));
      whole = i64.or(kept, i64.and(i64.shl(value, i64.const(shift)), i64.const(mask)));
    }
    this.held.write(this, number, asNode(whole));
  }

  /** The register that an immediate's upper half names: outside 64-bit mode there are eight. */
  #inImmediate(number: number): number {
    const name = immediateNames[number] as string;
    if (this.#late.has(name)) throw new OperandDecides([name]);
    return (Number(operandsOfWord(this.#word).immediates[number]) >> 4) & (this.flat ? 7 : 15);
  }

  #vectorAt(at: VectorPlace, high: boolean): { readonly offset: number; readonly resource: string } {
    const number = typeof at === "object" ? this.#inImmediate(at.is4) : this.#number(at);
    const name = high ? "vectorHigh" : "vector";
    return { offset: state[name].offset + 16 * number, resource: `${name}${number}` };
  }

  protected readVector(at: VectorPlace, high: boolean): V128 {
    const { offset, resource } = this.#vectorAt(at, high);
    return asV128(this.node("v128", [this.stateAddress()], (f) => f.load("v128", offset), resource));
  }

  protected writeVector(at: VectorPlace, high: boolean, value: V128): void {
    const { offset, resource } = this.#vectorAt(at, high);
    this.effect([this.stateAddress(), asNode(value)], [resource], (f) => f.store("v128", offset));
  }

  #mmxAt(at: Place): number {
    return state.floatRegister.offset + 16 * (this.#number(at) & 7);
  }

  protected readMmx(at: Place): I64 {
    const offset = this.#mmxAt(at);
    return asI64(this.node("i64", [this.stateAddress()], (f) => f.load("i64", offset), "mmx"));
  }

  protected writeMmx(at: Place, value: I64): void {
    const offset = this.#mmxAt(at);
    this.effect([this.stateAddress(), asNode(value)], ["mmx"], (f) => f.store("i64", offset));
    const top = [this.stateAddress(), this.constant("i64", 0xffff)];
    this.effect(top, ["mmx"], (f) => f.store("i64", offset + 8));
  }

  protected locked(): Node {
    return this.constant("i32", this.#operands.lock ? 1 : 0);
  }

  protected namedByRm(): I32 {
    return this.i32.const(this.#operands.rm & 7);
  }

  protected named(): I32 {
    return this.i32.const(this.#operands.reg);
  }

  /**
   * Registers would have to be in the state, and be looked for there afterwards, unless the routine knows none of them, or the region
   * ends with it.
   */
  override call<N extends HelperName>(name: N, ...args: HelperArguments<N>): HelperResult<N> {
    const { effect } = helpers[name];
    if (effect !== "state" && effect !== "pure" && !last.has(name)) throw new RegisterUnknown();
    return super.call(name, ...args);
  }

  /** At another level it is the interpreter's. */
  protected override requireSupervisor(): void {
    this.shortcut(this.i32.eqz(this.level()), () => {});
  }

  /** What is not quick is the interpreter's, all of it. */
  override shortcut(condition: I32, quick: () => void): void {
    this.ifLikely(condition, quick, () => this.effect([], [], (f, x) => x.undone?.(f)));
  }

  /** What is held in locals goes to the state first, and the region is left. */
  protected override raising(name: string, args: readonly Node[]): void {
    const index = this.runtime.helper(name);
    this.effect([this.stateAddress(), ...args], [], (f, x) => {
      x.storePc(f);
      x.handOver(f);
      f.call(index);
      f.get(regionLocals.state);
      f.i32Const(0);
      f.store("i32", state.fault.offset);
      x.leaveHandedOver(f);
    });
  }

  protected indexed(moved: number): I64 {
    const { i64 } = this;
    const { base, index, scale } = this.#operands;
    const displacement = this.#wide("displacement");
    const distance = base === rsp ? i64.add(displacement, i64.const(moved)) : displacement;
    if (index === noRegister) return base === noRegister ? distance : i64.add(this.#whole(base), distance);
    const scaled = i64.shl(this.#whole(index), i64.const(scale));
    return i64.add(base === noRegister ? scaled : i64.add(this.#whole(base), scaled), distance);
  }

  protected scale(): I64 {
    return this.i64.const(this.#operands.scale);
  }

  protected relativeBase(): I64 {
    return this.#operands.ripRelative ? this.next() : this.i64.const(0);
  }

  /** One that is not flat is for the interpreter, whether there is a fault or not. */
  protected override checkSegment(): void {
    const { segment } = this.#operands;
    if (segment === Segment.cs) throw new RegisterUnknown();
    if (!this.#hasBase(segment)) return;
    this.effect([asNode(this.isNotFlat(this.stateAddress(), segment))], [], (f, x) => {
      x.beforeFault?.(f);
      if (!x.miss) throw new Error("a region of x86 leaves what the soft TLB does not have to the interpreter");
      f.brIf(x.miss(f), "unlikely");
    });
  }

  /** Whether a segment may begin elsewhere than at 0: in flat code FS and GS alone do. */
  #hasBase(segment: number): boolean {
    return segment !== noSegment && (!this.flat || segment >= Segment.fs);
  }

  protected overridden(): I64 {
    const { segment } = this.#operands;
    if (!this.#hasBase(segment)) return this.i64.const(0);
    const load = state.segmentBase.offset + 8 * segment;
    return asI64(this.node("i64", [this.stateAddress()], (f) => f.load("i64", load), "segments"));
  }

  protected immediate(number: number): I64 {
    return this.#wide(immediateNames[number] as "first" | "second");
  }

  protected override begin(): void {
    this.#origin = this.held.origin;
  }

  /** What the flags come from at this place in the body; undefined where that depends on a condition. */
  #origin: number | undefined = 0;

  override if(condition: I32, then: () => void, otherwise?: () => void): void {
    const before = this.#origin;
    const behind: (number | undefined)[] = [];
    const arm = (body: () => void) => () => {
      this.#origin = before;
      body();
      behind.push(this.#origin);
    };
    super.if(condition, arm(then), otherwise && arm(otherwise));
    if (!otherwise) behind.push(before);
    this.#origin = behind.every((origin) => origin === behind[0]) ? behind[0] : undefined;
  }

  override flagSource(): FlagSource | undefined {
    this.held.reads.push(registerNumber(sourceNumber));
    return this.#source();
  }

  #source(): FlagSource | undefined {
    const origin = origins[this.#knownOrigin()];
    if (!origin) return undefined;
    return { ...origin, a: this.#place(operandPlaces.a) as I64, b: this.#place(operandPlaces.b) as I64 };
  }

  #knownOrigin(): number {
    if (this.#origin === undefined) throw new RegisterUnknown();
    return this.#origin;
  }

  #place<N extends FlagName>(name: N): FlagValues[N] {
    return this.held.peek(this, flagNumber(name)) as Value as FlagValues[N];
  }

  protected readFlag(name: FlagName): Node {
    const source = this.flagSource();
    return asNode(source ? flagsOf(this, source)[name] : this.#place(name));
  }

  /** The flags that are not among these stay: they are needed, if only a source is known of them. */
  override setFlags(values: Partial<FlagValues>): void {
    const isPart = flagNames.some((name) => !(name in values));
    if (isPart) this.held.keeps.push(registerNumber(sourceNumber));
    const source = isPart && !this.held.dead.includes(sourceNumber) ? this.#source() : undefined;
    this.#writePlaces(source ? { ...flagsOf(this, source), ...values } : values, 0);
  }

  override deriveFlags(source: FlagSource): void {
    const { a, b } = source;
    const places =
      source.operation === "logic" ? { [operandPlaces.a]: a } : { [operandPlaces.a]: a, [operandPlaces.b]: b };
    this.#writePlaces(places, originNumber(source));
  }

  #writePlaces(values: Partial<FlagValues>, origin: number): void {
    this.#origin = origin;
    this.held.writes.push(registerNumber(sourceNumber));
    if (this.held.dead.includes(sourceNumber)) return;
    for (const [name, value] of Object.entries(values)) {
      this.held.poke(this, flagNumber(name as FlagName), asNode(value as I32 | I64));
    }
    const write = () => this.held.place.file.writeSource(origin);
    this.effect([], [this.held.resource("held", registerNumber(sourceNumber))], write);
  }

  protected writeFlag(): void {
    throw new Error("a region writes flags together");
  }
}
