/** x86's machine as a recorder: operands by their types. Where registers and immediates are, each engine says. */
import type { Node, Resource } from "../../../engine/ir.js";
import type { Field } from "../../../engine/layout.js";
import { emitPlace, emitPlacedLoad, emitPlacedStore } from "../../../engine/memory-access.js";
import { asI32, asI64, asNode, asV128, Recorder, type RecorderOptions } from "../../../engine/recorder.js";
import type { AccessSize } from "../../../semantics/operations.js";
import type { HelperSignature } from "../../../semantics/signature.js";
import type { I32, I64, V128, Value } from "../../../semantics/values.js";
import type { FunctionBuilder } from "../../../wasm/function-builder.js";
import { flagsOf, low } from "../isa/flags.js";
import { type HelperArguments, type HelperName, type HelperResult, helpers } from "../isa/helpers.js";
import type { Facility } from "../isa/insn.js";
import {
  type Asked,
  type Control4Bit,
  type FarPointer,
  type FlagName,
  type FlagSource,
  type FlagValues,
  type Operand,
  rsp,
  type Stack,
  type Update,
  Vector,
  type X86Machine,
} from "../isa/machine.js";
import { immediateKinds, type OperandType } from "../isa/operand.js";
import { type CodeSize, type Size, segments } from "../isa/registers.js";
import { FloatException, FloatStatus, Mxcsr } from "./float-words.js";
import type { X86Handler } from "./handlers.js";
import { flagNames } from "./late-flags.js";
import { flatData, Segment, Shadow, state } from "./layout.js";
import { msrPlaces } from "./msrs.js";
import { sizeOf } from "./operands.js";
import { Control4 } from "./registers.js";

const baseOf = (segment: number): number => state.segmentBase.offset + 8 * segment;

/** Where an instruction names a register: in one of its parts, or always this one. */
export type Place = "reg" | "rm" | "vvvv" | number;
/** `is4`: in the upper half of the immediate with that number. */
export type VectorPlace = Place | { readonly is4: number };

/** Words of the state that bodies look at. */
type WordField =
  | ("cpl" | "interruptPending" | "interruptRequest" | "nmiPending")
  | ("mxcsr" | "pkru")
  | ("sseBlocked" | "avxBlocked" | "mmxBlocked" | "sseFault" | "floatStatus");

export abstract class X86Recorder extends Recorder implements X86Machine {
  /** What is being recorded is MMX's, and has not said yet that it is. */
  #mmx = false;
  /** The code has 32 bits, and ES, CS, SS and DS are all of 4 GiB. */
  protected readonly flat: boolean;
  /** Of what is being recorded. */
  protected operandSize = 32;

  constructor(options: Omit<RecorderOptions, "addressMask" | "littleEndian">, flat: boolean) {
    super({ ...options, addressMask: flat ? 0xffffffffn : undefined, littleEndian: true });
    this.flat = flat;
  }

  // What an engine decides.
  /** Zero-extended from `size` bits. */
  protected abstract readGeneral(at: Place, size: number): I64;
  protected abstract writeGeneral(at: Place, size: number, value: I64): void;
  /** A register of 128 bits, or the part of one of 256 that is above them. */
  protected abstract readVector(at: VectorPlace, high: boolean): V128;
  protected abstract writeVector(at: VectorPlace, high: boolean, value: V128): void;
  /** MMX's registers are the significands of the x87's. */
  protected abstract readMmx(at: Place): I64;
  protected abstract writeMmx(at: Place, value: I64): void;
  /** base + index * 2 ** scale + displacement; `moved` is added where RSP is the base. */
  protected abstract indexed(moved: number): I64;
  /** log2 of what an index is multiplied by. */
  protected abstract scale(): I64;
  /** The next instruction's address if it is relative to that, else 0. */
  protected abstract relativeBase(): I64;
  /** The base of the segment that an override names, 0 if none does. */
  protected abstract overridden(): I64;
  /**
   * Outside 64-bit mode, of an instruction that names FS, GS or CS: what is asked of it (offset, bytes, whether to write) can be had
   * of it; else a fault.
   */
  protected abstract checkSegment(asked: readonly Node[]): void;
  protected abstract immediate(number: number): I64;
  protected abstract length(): I64;
  protected abstract readFlag(name: FlagName): Node;
  protected abstract writeFlag(name: FlagName, value: Node): void;

  register(number: number, size: Size): I64 {
    return this.readGeneral(number, size);
  }

  setRegister(number: number, size: Size, value: I64): void {
    this.writeGeneral(number, size, value);
  }

  piecemeal(upper: boolean): V128 {
    const offset = state.piecemeal.offset + (upper ? 16 : 0);
    return asV128(this.node("v128", [this.stateAddress()], (f) => f.load("v128", offset), "piecemeal"));
  }

  setPiecemeal(upper: boolean, value: V128): void {
    const offset = state.piecemeal.offset + (upper ? 16 : 0);
    this.effect([this.stateAddress(), asNode(value)], ["piecemeal"], (f) => f.store("v128", offset));
  }

  clearVector(number: number, whole: boolean): void {
    const zero = this.v128.const(0n);
    if (whole) this.writeVector(number, false, zero);
    this.writeVector(number, true, zero);
  }

  flag<N extends FlagName>(name: N): FlagValues[N] {
    return this.readFlag(name) as Value as FlagValues[N];
  }

  setFlags(values: Partial<FlagValues>): void {
    for (const [name, value] of Object.entries(values)) this.writeFlag(name as FlagName, asNode(value as I32 | I64));
  }

  deriveFlags(source: FlagSource): void {
    this.setFlags(flagsOf(this, source));
  }

  flagSource(): FlagSource | undefined {
    return undefined;
  }

  systemFlags(): I64 {
    return asI64(
      this.node("i64", [this.stateAddress()], (f) => f.load("i64", state.systemFlags.offset), "systemFlags"),
    );
  }

  setSystemFlags(value: I64): void {
    const store = [this.stateAddress(), asNode(value)];
    this.effect(store, ["systemFlags"], (f) => f.store("i64", state.systemFlags.offset));
  }

  level(): I32 {
    return this.#word("cpl", "segments");
  }

  control4(bit: Control4Bit): I32 {
    const { i64 } = this;
    const all = this.#segmentWord(state.control.offset + 8 * 4);
    return i64.ne(i64.and(all, i64.const(BigInt(Control4[bit]))), i64.const(0));
  }

  base(segment: number): I64 {
    return this.#segmentWord(baseOf(segment));
  }

  setBase(segment: number, value: I64): void {
    const offset = baseOf(segment);
    this.effect([this.stateAddress(), asNode(value)], ["segments"], (f) => f.store("i64", offset));
  }

  swapGs(): void {
    const [own, other] = [baseOf(Segment.gs), state.msrs.offset + 8 * msrPlaces.kernelGsBase];
    const [base, next] = [this.#segmentWord(own), this.#segmentWord(other)].map(asNode) as [Node, Node];
    this.effect([this.stateAddress(), next, this.stateAddress(), base], ["segments"], (f) => {
      f.store("i64", other);
      f.store("i64", own);
    });
  }

  keys(): I64 {
    return this.i64.extendU(this.#word("pkru", "segments"));
  }

  /** Of what segments and their rights are. */
  #segmentWord(offset: number): I64 {
    return asI64(this.node("i64", [this.stateAddress()], (f) => f.load("i64", offset), "segments"));
  }

  interruptWaits(): I32 {
    const waiting = (["interruptPending", "interruptRequest", "nmiPending"] as const).map((field) =>
      this.#word(field, "interrupts"),
    );
    return this.i32.ne(
      waiting.reduce((a, b) => this.i32.or(a, b)),
      this.i32.const(0),
    );
  }

  shortcut(_condition: I32, _quick: () => void, whole: () => void): void {
    whole();
  }

  shade(): void {
    const at = [this.stateAddress(), asNode(this.next())];
    this.effect(at, ["shadow"], (f) => f.store("i64", state.shadowAt.offset));
    const begun = [this.stateAddress(), this.constant("i32", Shadow.begun)];
    this.effect(begun, ["shadow"], (f) => f.store("i32", state.shadow.offset));
  }

  next(): I64 {
    return this.i64.add(this.cia(), this.length());
  }

  checkTarget(_target: I64, _size: Size): void {}

  flagsAllowed(): void {}

  /** In real mode and virtual-8086 mode VEX's first byte is LES or LDS, which have no registers: a fault. */
  protected vexAllowed(): void {}

  /** With an operand size of 16 bits a place in code has no more; engines cut it to 32. */
  override jump(target: I64): void {
    super.jump(this.flat && this.operandSize === 16 ? low(this, 16, target) : target);
  }

  again(): void {
    super.jump(this.cia());
  }

  stack(register = rsp): Stack {
    const { i64 } = this;
    const top = this.readGeneral(register, 64);
    const known = new Map<number, I64>([[0, top]]);
    const above = (by: number): I64 => {
      let at = known.get(by);
      if (at === undefined) {
        at = by < 0 ? i64.sub(top, i64.const(-by)) : i64.add(top, i64.const(by));
        known.set(by, at);
      }
      return at;
    };
    const moved = (by: number, more: I64 | undefined) => (more ? i64.add(above(by), more) : above(by));
    return { address: above, moved: (by, more) => (this.flat ? low(this, 32, moved(by, more)) : moved(by, more)) };
  }

  setStack(top: I64): void {
    this.writeGeneral(rsp, 64, top);
  }

  raise(vector: number): void {
    this.raising("raise", [this.constant("i32", vector)]);
  }

  /** Calls what delivers a fault of this instruction, whose handler finds all registers and flags as they are before it. */
  protected raising(name: string, args: readonly Node[]): void {
    this.routine(name, args);
  }

  /** Whether the instruction has LOCK. */
  protected abstract locked(): Node;

  keepsOthersOut(): I32 {
    return this.locked() as unknown as I32;
  }

  update(address: I64, bytes: AccessSize, always = false): Update {
    const slow = this.runtime.helper("updateSlow");
    const done = this.runtime.helper("updateDone");
    const unaligned = this.runtime.helper("exchangeUnaligned");
    const place = this.effect([this.ea(address)], [], (f, x) => emitPlace(f, x, this.access, bytes, slow), "i32");
    const old = this.effect([place], [], (f) => emitPlacedLoad(f, this.access, bytes), "i64");
    const isBuffer = (f: FunctionBuilder, local: number, stateLocal: number): void => {
      f.get(local);
      f.get(stateLocal);
      f.i32Const(state.crossing.offset);
      f.i32("add");
      f.i32("eq");
    };
    const write = (value: I64): void => {
      const lock = always ? this.constant("i32", 1) : this.locked();
      const locked = lock.constant === undefined ? "asked" : lock.constant !== 0;
      const args = [place, old, asNode(value), ...(locked === "asked" ? [lock] : [])];
      const store = { size: bytes, locked, isBuffer, done, unaligned } as const;
      this.effect(args, [], (f, x) => emitPlacedStore(f, x, this.access, store));
    };
    return { old, write };
  }

  /** What routines may write behind the recorder's back. */
  protected helperWrites(effect: HelperSignature["effect"]): readonly Resource[] {
    if (effect === "pure") return [];
    // These know of the float state, and of no other register.
    if (effect === "state") return ["float"];
    const each = Array.from({ length: 16 }, (_, i) => i);
    const vectors = ["vector", "vectorHigh", ...each.flatMap((i) => [`vector${i}`, `vectorHigh${i}`])];
    return ["systemFlags", "segments", "selectors", "general", "float", "mmx", ...vectors, ...flagNames];
  }

  protected endInContextChange(): void {
    this.effect([this.stateAddress(), asNode(this.next())], [], (f, exits) => {
      f.store("i64", state.pc.offset);
      exits.leave(f);
    });
  }

  call<N extends HelperName>(name: N, ...args: HelperArguments<N>): HelperResult<N> {
    return this.callHelper(name, helpers[name], args as unknown as Node[]) as unknown as HelperResult<N>;
  }

  callUnless<N extends HelperName>(
    condition: I32,
    quick: HelperResult<N>,
    name: N,
    ...args: HelperArguments<N>
  ): HelperResult<N> {
    const { effect, result } = helpers[name];
    if (effect !== "state" || result === "void")
      throw new Error(`${name} is no routine that there is a quicker way to`);
    const index = this.runtime.helper(name);
    const all = [...(args as unknown as Node[]), asNode(quick as Value), asNode(condition)];
    const node = this.effect(
      all,
      this.helperWrites(effect),
      (f) => {
        const held = all.map(({ type }) => f.local(type));
        for (const local of held.toReversed()) f.set(local);
        const [instead, holds] = held.slice(-2) as [number, number];
        f.get(holds);
        f.if(result);
        f.get(instead);
        f.else();
        f.get(this.access.state);
        for (const local of held.slice(0, -2)) f.get(local);
        f.call(index);
        f.end();
        for (const local of held) f.release(local);
      },
      result,
    );
    return node as unknown as HelperResult<N>;
  }

  plainFloat(): I32 {
    const { i32 } = this;
    const noted = FloatException.precision | (FloatException.precision << Mxcsr.masks);
    const word = i32.and(this.#word("mxcsr", "float"), i32.const((3 << Mxcsr.rounding) | noted));
    return i32.eq(word, i32.const(noted));
  }

  /** What an operand's number is, where a control, debug or segment register is named: in ModRM.reg. */
  protected abstract named(): I32;
  /** The register of the x87's stack that ModRM.rm names. */
  protected abstract namedByRm(): I32;

  /** At any other level than 0 it is a fault. */
  protected requireSupervisor(): void {
    this.call("privileged");
  }

  /** Runs the body of a handler's instruction. */
  protected body({ form, operandSize, addressSize, codeSize, addressing, repeat }: X86Handler): void {
    const { definition, condition = 0 } = form;
    this.operandSize = operandSize;
    // AVX's registers are blocked there.
    if (form.map >= 4 && !form.facilities.includes("avx")) this.vexAllowed();
    if (definition.options.cpl0) this.requireSupervisor();
    // Conversions of what memory has leave MMX's registers alone (seen on an AMD).
    this.#mmx =
      form.facilities.includes("mmx") && (addressing === "none" || form.operands.some(({ kind }) => kind === "q"));
    for (const facility of form.facilities) if (facility !== "mmx" || this.#mmx) this.#mayRun(facility);
    let immediates = 0;
    const operands: Record<string, Operand> = {};
    for (const type of form.operands) {
      const size = sizeOf(type, operandSize) as Size;
      const number = immediateKinds.includes(type.kind) ? immediates++ : 0;
      const { unaligned = false } = definition.options;
      // What LOCK is allowed for reads the first operand and writes it.
      const { lock } = definition.options;
      const updates = lock && type === form.operands[0] ? (lock === "always" ? "locked" : "asked") : false;
      operands[type.name] = this.#operand(type, {
        size,
        addressSize,
        codeSize,
        addressing,
        number,
        updates,
        unaligned,
        clears: form.map >= 4,
      });
    }
    const unsegmented = codeSize === 64 || this.flat;
    definition.semantics(this, operands, { size: operandSize, codeSize, unsegmented, condition, repeat });
    this.#usedMmx();
  }

  /** Every instruction of MMX's leaves the x87's registers full, the first of them on top; one with an exception of SSE's, too. */
  #usedMmx(): void {
    if (!this.#mmx) return;
    this.#mmx = false;
    const status = asNode(this.i32.and(this.#word("floatStatus", "float"), this.i32.const(~0x3800)));
    this.effect([this.stateAddress(), status], ["float"], (f) => f.store("i32", state.floatStatus.offset));
    const full = [this.stateAddress(), this.constant("i32", 0xff)];
    this.effect(full, ["float"], (f) => f.store("i32", state.floatTags.offset));
  }

  /** Whether a segment ends before 4 GiB, or is no data that can be written. Its words are `segment` places behind those at `at`. */
  protected isNotFlat(at: Node, segment: number): I32 {
    const { i32 } = this;
    const word = ({ offset }: Field) =>
      asI32(this.node("i32", [at], (f) => f.load("i32", offset + 4 * segment), "segments"));
    const limited = i32.ne(word(state.segmentLimit), i32.const(-1));
    const other = i32.ne(i32.and(word(state.segmentAccess), i32.const(flatData.mask)), i32.const(flatData.is));
    return i32.or(limited, other);
  }

  #word(field: WordField, reads: Resource): I32 {
    const { offset } = state[field];
    return asI32(this.node("i32", [this.stateAddress()], (f) => f.load("i32", offset), reads));
  }

  #mayRun(facility: Facility): void {
    if (facility === "mmx") {
      const waits = this.i32.and(this.#word("floatStatus", "float"), this.i32.const(FloatStatus.summary));
      const not = this.i32.or(this.#word("mmxBlocked", "facilities"), waits);
      this.if(not, () => this.raising("raiseMmx", []));
      return;
    }
    const blocked = facility === "avx" ? "avxBlocked" : "sseBlocked";
    const raise = facility === "avx" ? "raiseAvxBlocked" : "raiseBlocked";
    this.if(this.#word(blocked, "facilities"), () => this.raising(raise, []));
  }

  checkFloat(): void {
    this.#usedMmx();
    this.if(this.#word("sseFault", "float"), () => this.raising("raiseFloat", []));
  }

  #operand(type: OperandType, at: Where): Operand {
    const { size, addressSize } = at;
    const plain = (read: () => I64, write?: (value: I64) => void): Operand => {
      const none = (): never => {
        throw new Error(`operand ${type.name}:${type.kind} is not what the body takes it for`);
      };
      return {
        size,
        addressSize,
        memory: false,
        read,
        write: write ?? none,
        vector: none,
        upper: none,
        setVector: none,
        offset: none,
        address: none,
        element: none,
        far: none,
        number: none,
      };
    };
    const register = (place: Place) =>
      plain(
        () => this.readGeneral(place, size),
        (value) => this.writeGeneral(place, size, value),
      );
    const vector = (place: VectorPlace): Operand => ({
      ...plain(
        () => {
          const value = this.i64x2.extract(this.readVector(place, false), 0);
          return size < 64 ? low(this, size, value) : value;
        },
        (value) => {
          const whole = this.readVector(place, false);
          const put =
            size === 32 ? this.i32x4.replace(whole, 0, this.i32.wrap(value)) : this.i64x2.replace(whole, 0, value);
          this.writeVector(place, false, put);
        },
      ),
      vector: () => this.readVector(place, false),
      upper: () => this.readVector(place, true),
      setVector: (value, upper) => {
        this.writeVector(place, false, value);
        if (upper || at.clears) this.writeVector(place, true, upper ?? this.v128.const(0n));
      },
    });
    const mmx = (place: Place): Operand => ({
      ...plain(
        () => this.readMmx(place),
        (value) => this.writeMmx(place, value),
      ),
      vector: () => this.i64x2.replace(this.v128.const(0n), 0, this.readMmx(place)),
      setVector: (value) => this.writeMmx(place, this.v128.low(value)),
    });
    switch (type.kind) {
      case "st":
        return plain(() => this.i64.const(0));
      case "sti":
        return { ...plain(() => this.i64.const(0)), number: () => this.namedByRm() };
      case "x":
        return vector("reg");
      case "xr":
        return vector("rm");
      case "xv":
        return vector("vvvv");
      case "xi":
        return vector({ is4: at.number });
      case "vx":
      case "vy": {
        const indices = vector("rm");
        return { ...this.#memory(at, "modrm"), vector: indices.vector, upper: indices.upper };
      }
      case "xz":
      case "xh":
        return vector(0);
      case "q":
        return mmx("reg");
      case "qr":
        return mmx("rm");
      case "qm":
        return at.addressing === "none" ? mmx("rm") : this.#memory(at, "modrm");
      case "xm":
        return at.addressing === "none" ? vector("rm") : this.#memory(at, "modrm");
      case "rm":
        return at.addressing === "none" ? register("rm") : this.#memory(at, "modrm");
      case "rr":
      case "rx":
      case "o":
        return register("rm");
      case "m":
      case "mem":
      case "mfar":
      case "mpair":
        return this.#memory(at, "modrm");
      case "far":
        return {
          ...plain(() => this.immediate(0)),
          far: () => ({ offset: this.immediate(0), selector: this.immediate(1) }),
        };
      case "r":
        return register("reg");
      case "v":
        return register("vvvv");
      case "a":
        return register(0);
      case "c":
        return register(1);
      case "d":
        return register(2);
      case "one":
        return plain(() => this.i64.const(1));
      case "i":
      case "u":
      case "iv":
        return plain(() => this.immediate(at.number));
      case "rel":
        return plain(() => this.i64.add(this.i64.add(this.cia(), this.length()), this.immediate(at.number)));
      case "sreg":
      case "creg":
      case "dreg":
        return { ...plain(() => this.i64.const(0)), number: () => this.named() };
      case "es":
      case "cs":
      case "ss":
      case "ds":
      case "fs":
      case "gs": {
        const number = segments.indexOf(type.kind);
        return { ...plain(() => this.i64.const(0)), number: () => this.i32.const(number) };
      }
      case "moffs":
        return this.#memory(at, { offset: () => this.immediate(at.number), heeds: true });
      case "si":
        return this.#memory(at, { offset: () => this.readGeneral(6, addressSize), heeds: true });
      case "mdi":
        return this.#memory(at, { offset: () => this.readGeneral(7, addressSize), heeds: true });
      case "mra":
        return this.#memory(at, { offset: () => this.readGeneral(0, addressSize), heeds: true });
      case "di":
        return this.#memory(at, { offset: () => this.readGeneral(7, addressSize), heeds: false });
      case "bx": {
        const offset = () => this.i64.add(this.readGeneral(3, addressSize), this.readGeneral(0, 8));
        return this.#memory(at, { offset, heeds: true });
      }
      default:
        throw new Error(`no engine has operands of type ${type.kind}`);
    }
  }

  /** An operand's place in memory: its offset cut to the address size, and with the base of the segment that an override names. */
  protected placeIn(where: Where, named: Named): MemoryPlace {
    if (this.flat) return this.#placeInFlat(where, named);
    const { addressSize, codeSize, addressing } = where;
    const offset = (moved: number, index?: I64): I64 => {
      if (named !== "modrm") return named.offset();
      const indexed = index ? this.i64.add(this.indexed(moved), index) : this.indexed(moved);
      return addressing === "plain" ? indexed : this.i64.add(indexed, this.relativeBase());
    };
    const cut = (moved = 0, index?: I64) =>
      addressSize === codeSize ? offset(moved, index) : low(this, addressSize, offset(moved, index));
    const plain = named === "modrm" ? addressing === "plain" : !named.heeds;
    return {
      offset: () => cut(),
      address: ({ moved, further, index }) => {
        const at = plain ? cut(moved, index) : this.i64.add(cut(moved, index), this.overridden());
        return further ? this.i64.add(at, further) : at;
      },
    };
  }

  /** The same in flat segments, where all but FS and GS begin at 0. */
  #placeInFlat({ addressSize, addressing }: Where, named: Named): MemoryPlace {
    const whole = (moved = 0, further?: I64): I64 => {
      const at = named === "modrm" ? this.indexed(moved) : named.offset();
      return further ? this.i64.add(at, further) : at;
    };
    const plain = named === "modrm" ? addressing === "plain" : !named.heeds;
    return {
      offset: () => low(this, addressSize, whole()),
      address: ({ bytes, write, moved, further, index }) => {
        const at = whole(moved, index ?? further);
        const offset = addressSize === 32 ? at : low(this, addressSize, at);
        if (plain) return asI64(this.ea(offset));
        const asked = [low(this, 32, offset), this.i32.const(bytes), this.i32.const(write ? 1 : 0)];
        this.checkSegment(asked.map(asNode));
        return asI64(this.ea(this.i64.add(offset, this.overridden())));
      },
    };
  }

  /** Where memory that is to be written goes over a page's end, nothing of it is written if one of the pages cannot be. */
  #bothPages(start: I64, bytes: number): void {
    const { i64 } = this;
    const over = i64.gtU(i64.and(start, i64.const(0xfff)), i64.const(0x1000 - bytes));
    this.if(over, () => {
      this.update(start, 1);
      this.update(i64.add(start, i64.const(bytes - 1)), 1);
    });
  }

  #memory(at: Where, named: Named): Operand {
    const { size, addressSize, updates, unaligned } = at;
    const { offset, address: addressAsked } = this.placeIn(at, named);
    const own = size / 8;
    const address = (asked: Asked = {}) => addressAsked({ bytes: own, write: false, ...asked });
    const bytes = (size / 8) as AccessSize;
    let update: Update | undefined;
    const placed = (write: boolean) => {
      const at = address({ write });
      if (!unaligned) {
        const misplaced = this.i64.ne(this.i64.and(at, this.i64.const(size / 8 - 1)), this.i64.const(0));
        this.if(misplaced, () => this.raise(Vector.generalProtection));
      }
      return at;
    };
    return {
      size,
      addressSize,
      memory: true,
      read: () => {
        if (!updates) return this.load(address(), bytes);
        update = this.update(address({ write: true }), bytes, updates === "locked");
        return update.old;
      },
      write: (value) => {
        if (update) update.write(value);
        else this.store(address({ write: true }), bytes, value);
      },
      vector: () => {
        if (size < 128) return this.i64x2.replace(this.v128.const(0n), 0, this.load(address(), bytes));
        return this.loadQuad(placed(false));
      },
      upper: () => this.loadQuad(address({ further: this.i64.const(16) })),
      setVector: (value, upper) => {
        if (size < 128) this.store(address({ write: true }), bytes, this.i64x2.extract(value, 0));
        else if (size === 128 || !upper) this.storeQuad(placed(true), value);
        else {
          const start = placed(true);
          if (unaligned) this.#bothPages(start, 32);
          this.storeQuad(start, value);
          this.storeQuad(this.i64.add(start, this.i64.const(16)), upper);
        }
      },
      offset,
      address,
      element: (index) => addressAsked({ bytes: own, write: false, index: this.i64.shl(index, this.scale()) }),
      far: () => {
        const start = address({ bytes: own + 2 });
        const pointer: FarPointer = {
          offset: this.load(start, bytes),
          selector: this.load(this.i64.add(start, this.i64.const(own)), 2),
        };
        return pointer;
      },
      number: () => {
        throw new Error("memory has no number");
      },
    };
  }
}

/** How an instruction names memory: by ModRM; or in a way of its own, heeding an override of the segment or not. */
export type Named = "modrm" | { readonly offset: () => I64; readonly heeds: boolean };

/** An operand's place in memory. */
export interface MemoryPlace {
  offset(): I64;
  /** `index` is added before the sum is cut. */
  address(asked: Asked & { readonly bytes: number; readonly write: boolean; readonly index?: I64 }): I64;
}

export interface Where {
  readonly size: Size;
  readonly addressSize: CodeSize;
  readonly codeSize: CodeSize;
  readonly addressing: X86Handler["addressing"];
  /** It is read, and then written: no, or with LOCK if the instruction has it, or always with it. */
  readonly updates: false | "asked" | "locked";
  /** 128 bits may lie anywhere. */
  readonly unaligned: boolean;
  /** A vector that is written is 0 above what is written. */
  readonly clears: boolean;
  /** Which of the instruction's immediates. */
  readonly number: number;
}
