/**
 * What the tests of the self-test guest are written with: assembly as text, and the values that the host expects.
 *
 * Inside a test r13 is the CPU's area (see areaFields); r14 to r31 are the test's, r0 and r3 to r12 are lost at every
 * check, and so are CR7 and LR.
 */

import { Msr as MSR } from "../../src/arch/powerpc/isa/msr.js";

export { MSR };

/** Where the image is linked. With translation off the top four bits of an address do not count. */
export const base = 0xc000000000000000n;
/** The first 2 MiB as problem state sees them, in every process. */
export const userAlias = 0x20000000n;

/** Offsets in a CPU's area: what the interrupt handler leaves there, and what tells it where to go on. */
export const areaFields = {
  /** Where to go on after the next interrupt; 0: none is expected. Cleared when it is used. */
  RESUME: 0x00,
  /** MSR to go on with; 0: that of before without EE, SE and BE. */
  RESUME_MSR: 0x08,
  VECTOR: 0x10,
  SRR0: 0x18,
  SRR1: 0x20,
  /** MSR as the handler found it. */
  HANDLER_MSR: 0x28,
  DAR: 0x30,
  DSISR: 0x38,
  COUNT: 0x40,
  SAVE_CR: 0x48,
  SAVE_R3: 0x50,
  REPORT_VALUE: 0x58,
  REPORT_ID: 0x60,
  INDEX: 0x68,
  REPORT_LR: 0x70,
  /** Not 0: decrementer interrupts set the decrementer to this and go on where they came from. */
  PERIOD: 0x78,
  /** What the second CPU is to do: see tests/processors.ts. */
  ORDER: 0x80,
  /** 256 bytes for tests. */
  SCRATCH: 0x100,
  SIZE: 0x200,
} as const;

/** What a test looks at in the guest. */
export interface Check {
  /** Position of the test in the list. */
  readonly test: number;
  /** In words. */
  readonly what: string;
  /** Bits that count. */
  readonly mask: bigint;
}

/** Begins as: in real mode, or with the guest's own page tables. */
export type Environment = "real" | "virtual";

/** A test that runs in the guest. */
export interface SelfTest {
  /** Of one file of tests, and of one thing. */
  readonly name: string;
  /** How it begins. */
  readonly environment: Environment;
  /** Assembly. It ends by falling off its end. */
  readonly source: (t: Author) => string;
}

/** A number, or an expression of the assembler, in which labels are 64-bit addresses. */
export type Value = bigint | number | string;

export interface Fault {
  readonly what: string;
  /** Instructions before the one that is to be interrupted. */
  readonly before?: string;
  readonly code: string;
  readonly vector: number;
  /** Default: the address of `code`. */
  readonly srr0?: Value;
  /** Bits of SRR1 besides the MSR's. Default: 0. */
  readonly cause?: bigint;
  readonly dar?: Value;
  readonly dsisr?: bigint;
  /** MSR at `code`. Default: the test's own. */
  readonly msr?: bigint;
  /** MSR that the interrupt gives. Default: real mode, privileged. */
  readonly handlerMsr?: bigint;
  /** MSR with which the test goes on. Default: as before. */
  readonly resumeMsr?: bigint;
}

/** Expected values by number of the check: `expect_N` in the symbols of the assembled image. */
export const expectedSymbol = (id: number): string => `expect_${id}`;

export class Author {
  readonly checks: Check[] = [];
  /** Definitions for the end of the source, where every label is known. */
  readonly definitions: string[] = [];
  #test = 0;
  #labels = 0;
  #environment: Environment = "real";

  constructor(readonly littleEndian: boolean) {}

  /** Assembles a test's text. */
  write(test: SelfTest, index: number): string {
    this.#test = index;
    this.#environment = test.environment;
    return test.source(this);
  }

  /** MSR of a test in real mode. */
  get realMsr(): bigint {
    return MSR.SF | MSR.ME | MSR.FP | MSR.VEC | MSR.VSX | MSR.RI | this.orderMsr;
  }
  /** MSR[LE] as the guest has it. */
  get orderMsr(): bigint {
    return this.littleEndian ? MSR.LE : 0n;
  }
  /** MSR with which a test of `environment` begins. */
  msrOf(environment: Environment): bigint {
    return environment === "real" ? this.realMsr : this.realMsr | MSR.IR | MSR.DR;
  }
  /** MSR with which the present test begins. */
  get msr(): bigint {
    return this.msrOf(this.#environment);
  }
  get userMsr(): bigint {
    return this.msrOf("virtual") | MSR.PR | MSR.EE;
  }
  /** What an interrupt makes of the MSR while AIL is 0. */
  get handlerMsr(): bigint {
    return MSR.SF | MSR.ME | this.orderMsr;
  }

  /** A label of its own. */
  label(prefix = "L"): string {
    return `${prefix}_${this.#labels++}`;
  }

  /** Puts a constant or an address into a general register. */
  load(register: string, value: Value): string {
    if (typeof value !== "string") return this.#loadNumber(register, BigInt.asIntN(64, BigInt(value)));
    return `  lis ${register}, (${value})@highest
  ori ${register}, ${register}, (${value})@higher
  sldi ${register}, ${register}, 32
  oris ${register}, ${register}, (${value})@h
  ori ${register}, ${register}, (${value})@l`;
  }

  #loadNumber(register: string, number: bigint): string {
    if (BigInt.asIntN(16, number) === number) return `  li ${register}, ${number}`;
    const halfword = (shift: bigint): bigint => (number >> shift) & 0xffffn;
    const or = (mnemonic: string, half: bigint): string =>
      half === 0n ? "" : `\n  ${mnemonic} ${register}, ${register}, ${half}`;
    if (BigInt.asIntN(32, number) === number) {
      return `  lis ${register}, ${halfword(16n)}${or("ori", halfword(0n))}`;
    }
    const upper = this.#loadNumber(register, number >> 32n);
    return `${upper}\n  sldi ${register}, ${register}, 32${or("oris", halfword(16n))}${or("ori", halfword(0n))}`;
  }

  /** Reports a general register (or nothing but 0 to 0x7fff as a number) and says what it should be. */
  check(what: string, register: string, expected: Value, mask = 0xffffffffffffffffn): string {
    if (/\b\d[bf]\b/.test(String(expected)))
      throw new Error(`${what}: local labels have no meaning at the source's end`);
    const id = this.checks.push({ test: this.#test, what, mask }) - 1;
    this.definitions.push(`  .set ${expectedSymbol(id)}, ${expected}`);
    return `  mr r3, ${register}\n  li r4, ${id}\n  bl report`;
  }

  /** Reports a doubleword of the CPU's area. */
  checkArea(what: string, field: keyof typeof areaFields, expected: Value, mask?: bigint): string {
    return `  ld r3, ${areaFields[field]}(r13)\n${this.check(what, "r3", expected, mask)}`;
  }

  /** The next interrupt continues at a label, with this MSR. */
  expectInterrupt(resume: string, resumeMsr?: bigint): string {
    return `  li r11, 0
  std r11, ${areaFields.VECTOR}(r13)
${resumeMsr === undefined ? "" : this.load("r11", resumeMsr)}
  std r11, ${areaFields.RESUME_MSR}(r13)
${this.load("r11", resume)}
  std r11, ${areaFields.RESUME}(r13)`;
  }

  /** An instruction that must be interrupted, and what the interrupt must say. r11 is lost before `code`. */
  fault(fault: Fault): string {
    const { what, before = "", code, msr = this.msr, resumeMsr } = fault;
    const at = this.label("at");
    const resume = this.label("resume");
    return `${before}
${this.expectInterrupt(resume, resumeMsr)}
${at}:
${code}
${resume}:
${this.checkArea(`${what}: vector`, "VECTOR", fault.vector)}
${this.checkArea(`${what}: SRR0`, "SRR0", fault.srr0 ?? at)}
${this.checkArea(`${what}: SRR1`, "SRR1", (msr & ~0x783f0000n) | (fault.cause ?? 0n))}
${this.checkArea(`${what}: MSR in the handler`, "HANDLER_MSR", fault.handlerMsr ?? this.handlerMsr)}
${fault.dar === undefined ? "" : this.checkArea(`${what}: DAR`, "DAR", fault.dar)}
${fault.dsisr === undefined ? "" : this.checkArea(`${what}: DSISR`, "DSISR", fault.dsisr)}`;
  }

  /** Runs code in problem state until it is interrupted; its end is `sc`. Only in a virtual environment. */
  user(code: string, msr = this.userMsr, at = this.label("user")): string {
    const after = this.label("after");
    return `${this.expectInterrupt(after, this.msrOf("virtual"))}
${this.enter(this.userAddress(at), msr)}
${at}:
${code}
  sc
${after}:`;
  }

  /** Address of a label as problem state sees it. */
  userAddress(label: string): string {
    return `(${label} - 0x${base.toString(16)} + 0x${userAlias.toString(16)})`;
  }

  /** Goes on at an address with an MSR. */
  enter(address: Value, msr: bigint): string {
    return `${this.load("r11", address)}
  mtsrr0 r11
${this.load("r11", msr)}
  mtsrr1 r11
  rfid`;
  }

  /** Stores a doubleword in big-endian order, as page tables have it, at the address in a register. */
  storeBig(value: string, address: string): string {
    return this.littleEndian ? `  stdbrx ${value}, 0, ${address}` : `  std ${value}, 0(${address})`;
  }
  loadBig(target: string, address: string): string {
    return this.littleEndian ? `  ldbrx ${target}, 0, ${address}` : `  ld ${target}, 0(${address})`;
  }
  /** The same of a word, as firmware wants it. */
  storeBigWord(value: string, address: string): string {
    return this.littleEndian ? `  stwbrx ${value}, 0, ${address}` : `  stw ${value}, 0(${address})`;
  }
  loadBigWord(target: string, address: string): string {
    return this.littleEndian ? `  lwbrx ${target}, 0, ${address}` : `  lwz ${target}, 0(${address})`;
  }

  /** A hypercall: number and arguments by r4 and up; the status is in r3. */
  hcall(number: number, ...args: readonly Value[]): string {
    return `${args.map((value, i) => this.load(`r${4 + i}`, value)).join("\n")}
${this.load("r3", number)}
  sc 1`;
  }
}
