/**
 * The programs of FEX-Emu's unittests/ASM and unittests/32Bit_ASM: each a nasm source that says, as JSON in a comment, which
 * registers it ends with. They are made ready as that project's harness does it (Source/Tools/CommonTools/HarnessHelpers.h): code
 * at 0x10000, some memory at fixed addresses, registers 0, an end at the first HLT, which level 3 may not have.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { msrPlaces } from "../../../src/arch/x86/engines/msrs.js";
import { disassemble } from "../../../src/arch/x86/isa/disassembler.js";
import { instructionSet } from "../../../src/arch/x86/isa/instruction-set.js";
import { supportedCpuid } from "../../../src/arch/x86/processor/cpuid.js";
import { Access, Processor } from "./processor.js";

type Bits = 32 | 64;

export interface FexProgram {
  readonly name: string;
  readonly bits: Bits;
  readonly source: string;
  /** What each register is to be: words of 64 bits, as many of it as count. */
  readonly registers: readonly (readonly [name: string, words: readonly bigint[]])[];
  /** Memory that it asks for: address and bytes. */
  readonly regions: readonly (readonly [address: bigint, size: number])[];
  readonly contents: readonly (readonly [address: bigint, bytes: Uint8Array])[];
  /** What it asks of a processor, in FEX's names. */
  readonly features: readonly string[];
}

/** Not the processor's, or of no processor that there is here: programs with these are left out, and with more memory. */
const strange = new Set(["3DNOW", "SSE4A", "EMMI", "LINUX"]);
const mostMemory = 0x10_0000;

/**
 * What FEX's CI sees of other processors than ours: to AMD's REX.W means nothing at a far pointer; and where Linux emulates SMSW
 * for want of the right to it, the register's upper half stays.
 */
const others = new Set(
  ["PrimaryGroup/5_FF_05", "PrimaryGroup/5_FF_05_03_o64", "PrimaryGroup/5_FF_05_03_o64_imm", "Secondary/07_XX_04"].map(
    (name) => `${name}.asm`,
  ),
);

export const leftOut = ({ features, regions }: FexProgram): boolean =>
  features.some((name) => strange.has(name)) || regions.some(([, size]) => size > mostMemory);

const folders = [
  ["ASM", 64],
  ["32Bit_ASM", 32],
] as const;

interface Configuration {
  readonly RegData?: Readonly<Record<string, string | readonly string[]>>;
  readonly MemoryRegions?: Readonly<Record<string, string>>;
  readonly MemoryData?: Readonly<Record<string, string>>;
  readonly HostFeatures?: readonly string[];
}

const number = (text: string): bigint => {
  const plain = text.trim().replaceAll("_", "");
  return BigInt.asUintN(64, plain.startsWith("-") ? -BigInt(plain.slice(1)) : BigInt(plain));
};

/** "AA BB" is two bytes; a number of several bytes has its lowest first. */
const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(
    text.split(" ").flatMap((part) => {
      const digits = part.replace(/^0x/, "");
      return (digits.padStart(Math.ceil(digits.length / 2) * 2, "0").match(/../g) ?? []).reverse();
    }),
    (byte) => Number.parseInt(byte, 16),
  );

function parse(name: string, bits: Bits, source: string): FexProgram | undefined {
  const text = source.split("%ifdef CONFIG")[1]?.split("%endif")[0];
  if (text === undefined) return undefined;
  const { RegData, MemoryRegions, MemoryData, HostFeatures } = JSON.parse(text) as Configuration;
  const list = (value: string | readonly string[]) => (typeof value === "string" ? [value] : value);
  return {
    ...{ name, bits, source },
    registers: Object.entries(RegData ?? {}).map(([key, value]) => [key.toUpperCase(), list(value).map(number)]),
    regions: Object.entries(MemoryRegions ?? {}).map(([at, size]) => [number(at), Number(number(size))]),
    contents: Object.entries(MemoryData ?? {}).map(([at, value]) => [number(at), bytesOf(value)]),
    features: (HostFeatures ?? []).map((feature) => feature.toUpperCase()),
  };
}

/** The names in FEX's own lists of what a processor does otherwise, or that nobody can test. */
function disabled(folder: string): ReadonlySet<string> {
  const files = ["Disabled_Tests", "Disabled_Tests_host", "Known_Failures", "Known_Failures_host"];
  const lines = files
    .map((file) => join(folder, file))
    .filter((path) => existsSync(path))
    .flatMap((path) => readFileSync(path, "utf8").split("\n"));
  return new Set(lines.map((line) => line.trim().replace(/^Test_(32Bit_)?/, "")));
}

export interface FexSuite {
  readonly programs: readonly FexProgram[];
  /** How many FEX's own lists leave out, or are other processors'. */
  readonly disabled: number;
}

/** All of them in this folder, which has ASM and 32Bit_ASM in it. */
export function readSuite(folder: string): FexSuite {
  let out = 0;
  const programs = folders.flatMap(([part, bits]) => {
    const root = join(folder, part);
    const without = disabled(root);
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".asm"))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .sort()
      .flatMap((name) => {
        if (without.has(name) || (bits === 64 && others.has(name))) {
          out++;
          return [];
        }
        return parse(`${part}/${name}`, bits, readFileSync(join(root, name), "utf8")) ?? [];
      });
  });
  return { programs, disabled: out };
}

/** Makes each source of a folder into bytes; one shell, since a process of this size takes its time to make another. */
const assembler = 'for file in *.asm; do nasm -i "$1" "$file" -o "$file.bin" || exit 1; done';

/** The bytes of each. `folder` has what they include. Throws what nasm says. */
export function assembleAll(programs: readonly FexProgram[], folder: string): Uint8Array[] {
  const place = mkdtempSync(join(tmpdir(), "unikvm-fex-"));
  try {
    for (const [i, { bits, source }] of programs.entries()) {
      const head = bits === 64 ? "BITS 64\n" : "BITS 32\norg 10000h\nmov eax, 0x17\nmov ds, ax\nmov es, ax\n";
      writeFileSync(join(place, `${i}.asm`), `${head}${source}\nret\n`);
    }
    const includes = join(resolve(folder), "ASM/Includes/");
    const { status, stderr } = spawnSync("sh", ["-c", assembler, "sh", includes], { cwd: place, encoding: "utf8" });
    if (status !== 0) {
      const name = programs[Number.parseInt(stderr, 10)]?.name ?? "a program";
      throw new Error(`nasm does not take ${name}: ${stderr}`);
    }
    return programs.map((_, i) => readFileSync(join(place, `${i}.asm.bin`)));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

const pageSize = 4096;
const ramSize = 0x40_0000;
const codeAt = 0x1_0000n;
/** What the harness maps for all: scratch, around an address for small displacements, a stack for code of 32 bits. */
const common: readonly (readonly [bigint, number])[] = [
  [0xe000_0000n, 10 * pageSize],
  [0xe7ff_f000n, 2 * pageSize],
];
const stack32: readonly [bigint, number] = [0xc000_0000n, pageSize];

/** Pages of RAM and addresses of the system's own. */
const system = 0xffff_8000_0000_0000n;
const page = { tables: 0, handlers: 1, interrupts: 2, segments: 3, stack: 4, free: 5 } as const;
const addressOf = (name: keyof typeof page) => system + BigInt(page[name] * pageSize);
/** As Linux has them; then those of the table that the harness makes for code of 32 bits. */
const selector = { kernelCode: 0x10, userData: 0x2b, userCode: 0x33, task: 0x40, local: 0x50, code32: 0x0f } as const;
/** Where SYSCALL leads, behind the handlers of exceptions. */
const systemCall = 256;
const processor = supportedCpuid();
const words = ["function", "index", "flags", "eax", "ebx", "ecx", "edx"] as const;
const exceptionsWithCode = [8, 10, 11, 12, 13, 14, 17];

export interface FexResult {
  /** What is wrong, in words; undefined: nothing. */
  readonly wrong?: string;
  /** It stopped at this instruction, which no engine has. */
  readonly unwritten?: string;
  /** It asks Linux for something. */
  readonly callsLinux?: boolean;
}

export class FexProcessor {
  readonly #translate: boolean;
  readonly #p: Processor;
  /** The next page of RAM that nobody has. */
  #next: number = page.free;

  constructor(translate: boolean) {
    this.#translate = translate;
    this.#p = new Processor(ramSize, { translate });
  }

  /** How often a region was entered. */
  get regionRuns(): number {
    return this.#p.regionRuns;
  }

  run(program: FexProgram, code: Uint8Array): FexResult {
    const p = this.#p;
    this.#prepare(program, code);
    if (this.#translate && program.bits === 64) {
      p.translator.translateNow([codeAt]);
      p.set64("pc", codeAt);
    }
    const end = performance.now() + 60_000;
    let exit: number = ExitCode.none;
    while (exit === ExitCode.none && performance.now() < end) exit = p.run(1000);
    if (exit !== ExitCode.halt) {
      return { wrong: exit === ExitCode.none ? "it does not end" : `it leaves with ${exit}` };
    }
    return this.#judge(program);
  }

  #judge({ bits, registers }: FexProgram): FexResult {
    const p = this.#p;
    const vector = p.get("lastInterrupt");
    if (vector === 0x80 || p.get64("pc") === addressOf("handlers") + BigInt(systemCall) + 1n)
      return { callsLinux: true };
    const frame = page.stack * pageSize + Number(p.get64("general", 4) - addressOf("stack"));
    const pushed = (i: number) => p.getRam64(frame + (exceptionsWithCode.includes(vector) ? 8 : 0) + 8 * i);
    const pc = pushed(0);
    const bytes = this.#bytes(pc, 16);
    if (vector === 6) {
      const read = disassemble(bytes, bits, pc);
      const mnemonic = typeof read === "string" ? undefined : read.text.split(" ")[0];
      const forms = instructionSet().forms.filter((form) => form.mnemonic === mnemonic);
      if (!forms.some(({ definition }) => definition.semantics))
        return { unwritten: mnemonic ?? hex(bytes.slice(0, 6)) };
    }
    if (vector !== 13 || bytes[0] !== 0xf4) {
      return { wrong: `exception ${vector} at ${pc.toString(16)} (${hex(bytes.slice(0, 8))})` };
    }
    const image = p.floating;
    const view = new DataView(image.buffer);
    const top = (view.getUint16(2, true) >> 11) & 7;
    const word = (at: number) => view.getBigUint64(at, true);
    const found = (name: string): bigint[] => {
      const general = generalNames.indexOf(name);
      if (general >= 0) return [general === 4 ? pushed(3) : p.get64("general", general)];
      const [, kind, digits] = /^(XMM|MM)(\d+)$/.exec(name) ?? [];
      const n = Number(digits);
      if (kind === "XMM") return [160, 168, 416, 424].map((at) => word(at + 16 * n));
      if (kind === "MM") return [32, 40].map((at) => word(at + 16 * ((n - top) & 7)));
      return name === "RIP" ? [pc] : [];
    };
    const wrong = registers.flatMap(([name, words]) => {
      const ours = found(name);
      return words.flatMap((wanted, i) =>
        ours[i] === wanted ? [] : [`${name}[${i}] ${wanted.toString(16)}, here ${ours[i]?.toString(16)}`],
      );
    });
    return wrong.length > 0 ? { wrong: wrong.join("; ") } : {};
  }

  #prepare({ bits, regions, contents }: FexProgram, code: Uint8Array): void {
    const p = this.#p;
    p.ram(0, ramSize).fill(0);
    this.#next = page.free;
    for (let i = 0; i < page.free; i++) this.#map(system + BigInt(i * pageSize), 3n, i);
    const all = [...common, ...regions, [codeAt, code.length] as const, ...(bits === 32 ? [stack32] : [])];
    for (const [address, size] of all) {
      for (let at = address; at < address + BigInt(size); at += BigInt(pageSize)) this.#map(at, 7n);
    }
    this.#write(codeAt, code);
    for (const [address, bytes] of contents) this.#write(address, bytes);
    p.ram(page.handlers * pageSize, systemCall + 1).fill(0xf4);
    for (let vector = 0; vector < 256; vector++) {
      const gate = addressOf("handlers") + BigInt(vector);
      const head = (BigInt(selector.kernelCode) << 16n) | (0xee01n << 32n);
      p.putRam64(page.interrupts * pageSize + 16 * vector, head | (gate & 0xffffn) | ((gate & 0xffff0000n) << 32n));
      p.putRam64(page.interrupts * pageSize + 16 * vector + 8, gate >> 32n);
    }
    const table = page.segments * pageSize;
    p.putRam64(table + selector.kernelCode, 0x00af9b000000ffffn);
    p.putRam64(table + 0x20, 0x00cffb000000ffffn);
    p.putRam64(table + 0x28, 0x00cff3000000ffffn);
    p.putRam64(table + 0x30, 0x00affb000000ffffn);
    // Behind the descriptors: the task's IST1, no bitmap of ports; code, data and a stack of 32 bits.
    p.ram(table + 0x800 + 102, 2).set([0x68, 0]);
    p.putRam64(table + 0x800 + 36, addressOf("stack") + BigInt(pageSize));
    p.putRam64(table + 0xc08, 0x00cffb000000ffffn);
    p.putRam64(table + 0xc10, 0x00cff3000000ffffn);
    p.putRam64(table + 0xc18, 0x00cff3000000ffffn);
    p.written(0, ramSize);
    p.longMode({ tables: BigInt(page.tables * pageSize), cpl: 3, code: selector.userCode, data: selector.userData });
    if (bits === 32) p.setSegment(1, selector.code32, 0n, -1, Access.data | Access.user | 8 | 0x4000);
    p.setSegment(7, selector.local, addressOf("segments") + 0xc00n, 0x1f, 0x82);
    p.setSegment(8, selector.task, addressOf("segments") + 0x800n, 0x67, Access.tss);
    p.set64("gdtBase", addressOf("segments"));
    p.set("gdtLimit", 0x7f);
    p.set64("idtBase", addressOf("interrupts"));
    p.set("idtLimit", 0xfff);
    // As Linux has them: programs may ask for the bases of FS and GS, and see CR0 by SMSW.
    p.set64("control", 0x8005_0033n, 0);
    p.set64("control", p.get64("control", 4) | 0x1_0000n, 4);
    p.set64("features", -1n);
    for (const [i, entry] of processor.entries()) {
      for (const [j, name] of words.entries()) p.set("cpuid", entry[name], words.length * i + j);
    }
    p.set("cpuidCount", processor.length);
    p.setMsr("efer", p.get64("msrs", msrPlaces.efer) | 1n);
    p.setMsr("lstar", addressOf("handlers") + BigInt(systemCall));
    p.setMsr("star", BigInt(selector.kernelCode) << 32n);
    for (let i = 0; i < 16; i++) p.set64("general", 0n, i);
    const floating = new Uint8Array(416 + 256);
    const view = new DataView(floating.buffer);
    view.setUint16(0, 0x37f, true);
    view.setUint32(24, 0x1f80, true);
    p.floating = floating;
    p.flags = 0x202n;
    p.reset();
    p.set64("pc", codeAt);
  }

  /** A page at an address; where it is in RAM, if not the next that is free. */
  #map(address: bigint, rights: bigint, place?: number): void {
    const p = this.#p;
    let table: number = page.tables * pageSize;
    for (const shift of [39n, 30n, 21n]) {
      const entry = table + Number((address >> shift) & 511n) * 8;
      if (p.getRam64(entry) === 0n) p.putRam64(entry, BigInt(this.#take() * pageSize) | rights);
      table = Number(p.getRam64(entry) & ~0xfffn);
    }
    const entry = table + Number((address >> 12n) & 511n) * 8;
    if (p.getRam64(entry) === 0n) p.putRam64(entry, BigInt((place ?? this.#take()) * pageSize) | rights);
  }

  #take(): number {
    if ((this.#next + 1) * pageSize > ramSize) throw new Error("a program needs more memory than there is");
    return this.#next++;
  }

  /** Where in RAM an address is; undefined: nowhere. */
  #place(address: bigint): number | undefined {
    const p = this.#p;
    let table: number = page.tables * pageSize;
    for (const shift of [39n, 30n, 21n, 12n]) {
      const entry = p.getRam64(table + Number((address >> shift) & 511n) * 8);
      if (!(entry & 1n)) return undefined;
      table = Number(entry & ~0xfffn);
    }
    return table + Number(address & 0xfffn);
  }

  #write(address: bigint, bytes: Uint8Array): void {
    bytes.forEach((byte, i) => {
      const at = this.#place(address + BigInt(i));
      if (at === undefined) throw new Error(`there is no memory at ${address.toString(16)}`);
      this.#p.ram(at, 1)[0] = byte;
    });
  }

  /** What is at an address, as far as there is memory. */
  #bytes(address: bigint, length: number): Uint8Array {
    const places = Array.from({ length }, (_, i) => this.#place(address + BigInt(i)));
    const end = places.indexOf(undefined);
    return Uint8Array.from(end < 0 ? places : places.slice(0, end), (at) => this.#p.ram(at as number, 1)[0] as number);
  }
}

const generalNames = "RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15".split(" ");
const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
