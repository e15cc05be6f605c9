/** One x86 processor in a machine of pages, without an MMU: what instructions do to registers, flags and memory. */
import { record, writeRecord } from "../../../src/arch/x86/engines/operands.js";
import { decodeBytes, interpreterTarget, translatorTarget } from "../../../src/arch/x86/engines/target.js";
import { longest } from "../../../src/arch/x86/isa/decoder.js";
import { Flag } from "../../../src/arch/x86/isa/machine.js";
import { Handler } from "../../../src/engine/layout.js";
import { Exit as AnyExit, type Decoding, PagedMachine, processor } from "./paged-machine.js";

/** Why the processor stopped. */
export const Exit = { ...AnyExit, exception: 32 } as const;

/** Where its pages begin: addresses that a program of the host can have too. */
export const base = 0x2000_0000n;

/** Records of operands, one for each byte of the pages, which end before them. */
const records = 0x50_0000;

const x86 = processor(interpreterTarget, translatorTarget, longest);
const numbers = new Map(interpreterTarget.handlers().specs.map(({ name }, i) => [name, Handler.first + i]));

export interface Registers {
  /** RAX to R15. */
  readonly general: readonly bigint[];
  readonly flags: bigint;
}

export interface Outcome extends Registers {
  readonly pc: bigint;
  /** The exception's vector; -1 if there was none. */
  readonly vector: number;
}

const arithmetic = ["carry", "parity", "adjust", "zero", "sign", "overflow"] as const;

export class X86Machine extends PagedMachine {
  constructor() {
    super(x86, base);
  }

  protected routines() {
    return {
      raise: (_: number, vector: number) => {
        this.view.setInt32(this.at("vector"), vector, true);
        this.stop(Exit.exception);
      },
    };
  }

  protected decoding(byte: (i: number) => number, physical: number): Decoding | undefined {
    const found = decodeBytes(byte);
    const handler = found && numbers.get(found.handler.name);
    if (handler === undefined) return undefined;
    const at = records + physical * record.size;
    writeRecord(this.view, at, found!.operands);
    return { handler, word: at | found!.operands.length };
  }

  set registers({ general, flags }: Registers) {
    general.forEach((value, i) => this.view.setBigUint64(this.at("general") + 8 * i, BigInt.asUintN(64, value), true));
    const bit = (name: keyof typeof Flag) => (flags >> BigInt(Flag[name])) & 1n;
    const mask = arithmetic.reduce((all, name) => all | (1n << BigInt(Flag[name])), 0n);
    const set = (name: string, value: bigint) => this.view.setBigInt64(this.at(name), BigInt.asIntN(64, value), true);
    set("zero", bit("zero") ^ 1n);
    set("sign", (bit("sign") << 63n) | (bit("parity") ^ 1n));
    set("overflow", bit("overflow") << 63n);
    this.view.setInt32(this.at("carry"), Number(bit("carry")), true);
    this.view.setInt32(this.at("adjust"), Number(bit("adjust")) << 4, true);
    set("systemFlags", flags & ~mask);
  }

  get registers(): Registers {
    const value = (name: string) => this.view.getBigInt64(this.at(name), true);
    const odd = [...(value("sign") & 0xffn).toString(2)].filter((digit) => digit === "1").length & 1;
    const is: Readonly<Record<(typeof arithmetic)[number], boolean>> = {
      carry: this.view.getInt32(this.at("carry"), true) !== 0,
      parity: odd === 0,
      adjust: (this.view.getInt32(this.at("adjust"), true) & 16) !== 0,
      zero: value("zero") === 0n,
      sign: value("sign") < 0n,
      overflow: value("overflow") < 0n,
    };
    const flags = arithmetic.reduce(
      (all, name) => all | (is[name] ? 1n << BigInt(Flag[name]) : 0n),
      BigInt.asUintN(64, value("systemFlags")),
    );
    const general = Array.from({ length: 16 }, (_, i) => this.view.getBigUint64(this.at("general") + 8 * i, true));
    return { general, flags };
  }

  /** Sets the base of a segment: 4 is FS, 5 GS. */
  setBase(segment: number, address: bigint): void {
    this.view.setBigUint64(this.at("segmentBase") + 8 * segment, address, true);
  }

  /** Runs from `pc` until it stops; or, stepped, until something else than the instruction at `pc` is next, or to the end. */
  run(pc: bigint, step: boolean, whole = false): Outcome {
    const { pc: end, exit } = this.go(pc, { step, slices: 20, until: (now) => !whole && now !== pc });
    const vector =
      exit === Exit.exception
        ? this.view.getInt32(this.at("vector"), true)
        : exit === Exit.pageFault
          ? 14
          : exit === Exit.illegal
            ? 6
            : -1;
    return { ...this.registers, pc: end, vector };
  }
}
