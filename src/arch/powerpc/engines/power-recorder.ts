/** POWER's semantics as the recorder has them: what both engines agree on, of its registers, traps and reservations. */

import type { Node, Resource, Type } from "../../../engine/ir.js";
import { emitZeroBlock } from "../../../engine/memory-access.js";
import { asI32, asI64, asNode, asV128, Recorder, type RecorderOptions, type Result } from "../../../engine/recorder.js";
import { engineRoutines, helperType, type Routines } from "../../../engine/routines.js";
import { FacilityCause, withFacility } from "../isa/common.js";
import { touchesStatus } from "../isa/helpers/float.js";
import { type HelperName, helpers } from "../isa/helpers.js";
import type { InsnOptions } from "../isa/insn.js";
import type { AccessSize, F64, I32, I64, Machine, RegisterValue, Trap, V128 } from "../isa/machine.js";
import { Facility } from "../isa/msr.js";
import type { Variant } from "../isa/pattern.js";
import type { RegisterName } from "../isa/registers.js";
import { trapCode } from "./layout.js";

/** Routines of the run-time library that are not helpers of the instruction set. */
const powerRoutines = {
  ...engineRoutines,
  traced: [["i32", "i64", "i32"], []],
  firstWord: [["i32", "i32"], ["i32"]],
  settleComeFrom: [["i32"], []],
  settleFloat: [["i32"], []],
  floatSettle: [["i32", "i32", "i64", "i64", "i64", "i64"], []],
  raise: [["i32", "i32"], []],
  raiseAlignment: [["i32", "i64"], []],
  raiseUnavailable: [["i32", "i32"], []],
  zeroBlock: [["i32", "i64"], []],
  loadReserve: [["i32", "i64", "i32", "i32"], ["i64"]],
  storeConditional: [["i32", "i64", "i32", "i64", "i32"], ["i32"]],
  loadReserveQuad: [["i32", "i64", "i32"], ["v128"]],
  storeConditionalQuad: [["i32", "i64", "v128", "i32"], ["i32"]],
} as const satisfies Routines;
export type PowerRoutine = keyof typeof powerRoutines | HelperName;

/** All of them, in the order in which modules import them. */
export const routines: Readonly<Record<PowerRoutine, Routines[string]>> = {
  ...powerRoutines,
  ...(Object.fromEntries(Object.entries(helpers).map(([name, helper]) => [name, helperType(helper)])) as Record<
    HelperName,
    Routines[string]
  >),
};

/** Bytes of the block that dcbz clears. */
const blockSize = 128;

export interface PowerRecorderOptions extends Omit<RecorderOptions, "addressMask"> {
  readonly mode64: boolean;
}

export abstract class PowerRecorder extends Recorder implements Machine {
  readonly mode64: boolean;

  constructor({ mode64, ...options }: PowerRecorderOptions) {
    super({ ...options, addressMask: mode64 ? undefined : 0xffffffffn });
    this.mode64 = mode64;
  }

  abstract gpr(number: I32): I64;
  abstract setGpr(number: I32, value: I64): void;
  abstract fpr(number: I32): I64;
  abstract setFpr(number: I32, value: I64): void;
  abstract double(number: I32): F64;
  abstract setDouble(number: I32, value: F64): void;
  abstract vsr(number: I32): V128;
  abstract setVsr(number: I32, value: V128): void;
  abstract crField(number: I32): I32;
  abstract setCrField(number: I32, value: I32): void;
  protected abstract readRegister(name: RegisterName): Node;
  protected abstract writeRegister(name: RegisterName, value: Node): void;
  protected abstract readFacilities(): Node<"i32">;

  /** Records what must be enabled for an instruction, then its semantics. */
  protected runs({ definition, flags, prefix }: Variant, fields: Readonly<Record<string, I32 | I64>>): void {
    const operands: Record<string, I32 | I64 | boolean> = { ...flags, ...fields };
    if (prefix) this.#requirePrefixes();
    if (definition.options.privileged) this.requirePrivilege(definition.options.privileged);
    this.requireFacilities(definition.options, operands);
    // A guest never has hypervisor privilege: the interrupt is all there is.
    if (definition.options.privileged !== "hypervisor") definition.semantics(this, operands);
  }

  // Registers.
  gprOrZero(number: I32): I64 {
    const n = asNode(number);
    if (n.constant === 0) return this.i64.const(0);
    // Late operands are not 0.
    if (n.constant !== undefined || n.late) return this.gpr(number);
    return this.select(number, this.gpr(number), this.i64.const(0));
  }

  vr(number: I32): V128 {
    return this.vsr(this.i32.add(number, this.i32.const(32)));
  }

  setVr(number: I32, value: V128): void {
    this.setVsr(this.i32.add(number, this.i32.const(32)), value);
  }

  crBit(number: I32): I32 {
    const { i32 } = this;
    const field = this.crField(i32.shrU(number, i32.const(2)));
    const place = i32.and(i32.xor(number, i32.const(3)), i32.const(3));
    return i32.and(i32.shrU(field, place), i32.const(1));
  }

  setCrBit(number: I32, value: I32): void {
    const { i32 } = this;
    const index = i32.shrU(number, i32.const(2));
    const place = i32.and(i32.xor(number, i32.const(3)), i32.const(3));
    const cleared = i32.and(this.crField(index), i32.not(i32.shl(i32.const(1), place)));
    this.setCrField(index, i32.or(cleared, i32.shl(value, place)));
  }

  get<N extends RegisterName>(name: N): RegisterValue<N> {
    return this.readRegister(name) as never;
  }

  set<N extends RegisterName>(name: N, value: RegisterValue<N>): void {
    this.writeRegister(name, asNode(value));
  }

  // Storage.
  zeroBlock(ea: I64): void {
    const slow = this.runtime.helper("zeroBlock");
    this.effect([this.ea(ea)], [], (f, x) => emitZeroBlock(f, x, this.access, blockSize, slow));
  }

  loadReserve(ea: I64, size: AccessSize): I64 {
    const args = [this.ea(ea), this.constant("i32", size), this.constant("i32", this.littleEndian ? 0 : 1)];
    return asI64(this.routine("loadReserve", args, "i64"));
  }

  storeConditional(ea: I64, size: AccessSize, value: I64): I32 {
    const order = this.constant("i32", this.littleEndian ? 0 : 1);
    return asI32(
      this.routine("storeConditional", [this.ea(ea), this.constant("i32", size), asNode(value), order], "i32"),
    );
  }

  loadReserveQuad(ea: I64): V128 {
    return asV128(
      this.routine("loadReserveQuad", [this.ea(ea), this.constant("i32", this.littleEndian ? 0 : 1)], "v128"),
    );
  }

  storeConditionalQuad(ea: I64, value: V128): I32 {
    const order = this.constant("i32", this.littleEndian ? 0 : 1);
    return asI32(this.routine("storeConditionalQuad", [this.ea(ea), asNode(value), order], "i32"));
  }

  requireAlignment(ea: I64, bytes: number): void {
    const misaligned = this.i64.ne(this.i64.and(ea, this.i64.const(bytes - 1)), this.i64.const(0));
    this.if(misaligned, () => this.raiseAlignment(ea));
  }

  raiseAlignment(ea: I64): void {
    this.routine("raiseAlignment", [this.ea(ea)]);
  }

  raise(trap: Trap): void {
    this.routine("raise", [this.constant("i32", trapCode[trap])]);
  }

  override routine<T extends Type | undefined = undefined>(
    name: PowerRoutine,
    args: readonly Node[],
    result?: T,
    writes?: readonly Resource[],
  ): Result<T> {
    return super.routine(name, args, result, writes);
  }

  call<N extends HelperName>(name: N, ...args: unknown[]): never {
    if (touchesStatus(helpers[name])) this.#settleFloat();
    return this.callHelper(name, helpers[name], args as Node[]) as never;
  }

  /** FPSCR becomes what the last operation done in line makes of it: isa/float-inline.ts. */
  #settleFloat(): void {
    const { bits } = this.f64;
    const pending = this.get("floatPending");
    this.if(pending, () => {
      const operands = (["floatA", "floatB", "floatC", "floatD"] as const).map((name) => asNode(bits(this.get(name))));
      const index = this.runtime.helper("floatSettle");
      const args = [this.stateAddress(), asNode(pending), ...operands];
      this.effect(args, ["named"], (f) => f.call(index));
      this.set("floatPending", this.i32.const(0));
    });
  }

  // What stands before the semantics.
  /** Raises Facility Unavailable where FSCR keeps prefixed instructions from problem state. */
  #requirePrefixes(): void {
    withFacility(this, FacilityCause.prefix, () => {});
  }

  /** Raises the facility's unavailable interrupt unless it is enabled. */
  requireFacility(facility: keyof typeof Facility): void {
    const enabled = this.i32.and(asI32(this.readFacilities()), this.i32.const(1 << Facility[facility]));
    this.if(this.i32.eqz(enabled), () => {
      this.routine("raiseUnavailable", [this.constant("i32", Facility[facility])]);
    });
  }

  /** What a declaration's options ask to be enabled. */
  requireFacilities(options: InsnOptions, operands: Readonly<Record<string, I32 | I64 | boolean>>): void {
    const { facility, vectorIfHigh } = options;
    if (!facility) return;
    if (!vectorIfHigh) {
      this.requireFacility(facility);
      return;
    }
    this.if(
      this.i32.geU(operands[vectorIfHigh] as I32, this.i32.const(32)),
      () => this.requireFacility("vector"),
      () => this.requireFacility(facility),
    );
  }

  requirePrivilege(level: "supervisor" | "hypervisor"): void {
    if (level === "hypervisor") {
      this.raise("privileged");
      return;
    }
    const problem = this.i64.and(this.get("msr"), this.i64.const(0x4000));
    this.if(this.i32.eqz(this.i64.eqz(problem)), () => this.raise("privileged"));
  }
}
