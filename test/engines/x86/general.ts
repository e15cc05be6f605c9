/**
 * Cases of code that is not 64-bit, and the program general-judge.S that runs them: under qemu-system-i386, and on unikvm's
 * engines. Each gives a record of what came of each case.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import type { Form } from "../../../src/arch/x86/isa/encoding.js";
import { instructionSet } from "../../../src/arch/x86/isa/instruction-set.js";
import { memoryKinds, vectorKinds } from "../../../src/arch/x86/isa/operand.js";
import type { Random } from "../../differential/random.js";
import { ofForm } from "../../isa/x86-cases.test-support.js";
import type { Judged } from "../../oracles/oracles.js";
import { Processor } from "./processor.js";

const origin = 0x10_0000;
const casesAt = 0x20_0000;
const recordsAt = 0x100_0000;
/** Words of a record, bytes of a case: general-judge.S has them too. */
export const recordWords = 28;
const caseSize = 128;
/** Where programs have their pages: code in the first, data in two behind. */
const window = 0x2_0000;

/** Modes that programs run in. */
export const modes = ["32 bits", "16 bits", "virtual", "32 bits in a segment"] as const;
type Mode = (typeof modes)[number];

/** Selectors of general-judge.S. */
const flat = { code: 0x1b, data: 0x23 } as const;
const near = { code: 0x33, data: 0x3b } as const;
const inner = { code: 0x83, data: 0x43 } as const;
const selectors = [0, 0x23, 0x3b, 0x43, 0x4b, 0x53, 0x5b, 0x63, 0x6b, 0x70, 0x78, 0x33, 0x1b, 0x28, 0x93, 0x7] as const;

export interface GeneralCase {
  readonly mode: Mode;
  readonly form: Form;
  readonly operandSize: number;
  readonly code: readonly number[];
  readonly length: number;
  readonly general: readonly number[];
  readonly flags: number;
  readonly pc: number;
  readonly bytes: Uint8Array;
}

/** Instructions whose results are the machine's, or which QEMU has otherwise than processors (`generalFaults`). */
const left: ReadonlySet<string> = new Set([
  ...["rdtsc", "rdtscp", "cpuid", "rdpmc", "rdpid", "xgetbv", "smsw", "syscall", "sysenter", "sysret", "sysexit"],
  ...["vmcall", "vmmcall", "hlt", "in", "out", "ins", "outs", "sgdt", "sidt", "rdrand", "rdseed", "fwait", "emms"],
  ...[
    "fxsave",
    "fxrstor",
    "ldmxcsr",
    "stmxcsr",
    "xsave",
    "xsaveopt",
    "xsavec",
    "xsaves",
    "xrstor",
    "xrstors",
    "xsetbv",
    "clflush",
    "clflushopt",
    "clwb",
    "int1",
    "monitor",
    "mwait",
    "clzero",
  ],
  ...["sti", "pause", "invpcid", "lss"],
]);
const jumps: ReadonlySet<string> = new Set([
  "j",
  "jmp",
  "call",
  "ret",
  "retf",
  "iret",
  "loop",
  "loope",
  "loopne",
  "jcxz",
]);

export function drawable(form: Form): boolean {
  if (form.map >= 4 || left.has(form.definition.name) || /^x(save|rstor)/.test(form.definition.name)) return false;
  const { map, opcode, fixed } = form;
  if (map === 1 && opcode === 0x18) return false;
  if (map === 0 && (opcode === 0xf6 || opcode === 0xf7) && fixed.reg === 1) return false;
  if (form.map === 0 && form.opcode >> 3 === 0xd8 >> 3) return false;
  return !form.operands.some(({ kind }) => vectorKinds.includes(kind) || kind === "creg" || kind === "dreg");
}

/** What QEMU 7.2 does otherwise than processors in code that is not 64-bit, and who judges instead. */
export const generalFaults: readonly (Judged & { readonly fault: string; readonly recognised: string })[] = (
  [
    [
      "it looks neither at limits of segments nor at whether they can be read and written",
      "by the segments, whose limits are 4 GiB here; in virtual-8086 mode by a fault of ours that has no page fault's code",
      "a segment has a limit, and a type, as it does",
    ],
    [
      "far returns and IRET read the stack as the system does; RET takes its number of bytes as signed",
      "by the instruction, and a page fault of ours; by the number, which is left out",
      "returns that QEMU has otherwise",
    ],
    [
      "single steps do not trap behind STI, LSS and PAUSE; F6 /1, F7 /1 and 0F 18 of registers are none; MOVBE and CRC32 without 66 have 32 bits in code of 16",
      "by the instruction, which is left out",
      "instructions that QEMU has otherwise",
    ],
  ] as const
).map(([fault, recognised, name]) => ({ fault, recognised, judge: `test/engines/x86/modes.test.ts: ${name}` }));

const word = (random: Random): number => random.below(2 ** 32);
function value(random: Random): number {
  switch (random.below(5)) {
    case 0:
      return random.below(4);
    case 1:
      return 0xffff_ffff - random.below(3);
    case 2:
      return ((1 << ([7, 8, 15, 16, 31][random.below(5)] as number)) + random.below(3) - 1) >>> 0;
    default:
      return word(random);
  }
}

/** A case of a form; undefined if the bytes that were drawn are of another, or have no end. */
export function drawGeneral(random: Random, form: Form): GeneralCase | undefined {
  const mode = modes[random.below(modes.length)] as Mode;
  const size = mode === "32 bits" || mode === "32 bits in a segment" ? 32 : 16;
  const bytes = ofForm(random, form, size).filter(
    (byte, i) => i > 0 || (byte & 0xfe) !== 0x64 || random.below(2) === 0,
  );
  if (form.definition.options.lock && random.below(6) === 0) bytes.unshift(0xf0);
  if (random.below(6) === 0) bytes.unshift([0x26, 0x2e, 0x36, 0x3e][random.below(4)] as number);
  const found = instructionSet().decode(bytes, size);
  if (typeof found === "string" || found.of !== form) return undefined;
  // QEMU does not ask whether code may be written.
  if (found.segment === 1 && mode !== "virtual") return undefined;
  const { name } = form.definition;
  if ((name === "movbe" || name === "crc32") && size === 16) return undefined;
  if (name.startsWith("ret") && found.immediates[0] < 0n) return undefined;
  // What becomes of 16 bits is not defined.
  if (name === "bswap" && found.operandSize === 16) return undefined;
  const distance = found.immediates[0];
  if (form.operands.some(({ kind }) => kind === "rel") && distance < 0n && distance >= -found.length) return undefined;
  const code = bytes.slice(0, found.length);
  const general = Array.from({ length: 8 }, () => value(random));
  const base = mode === "32 bits" ? window : 0;
  const place = () => base + 0x1100 + random.below(0x1d00);
  const cut = (size: number, number: number, other: number) =>
    size === 16 ? ((other & 0xffff_0000) | (number & 0xffff)) >>> 0 : number >>> 0;
  if (random.below(10) > 0) {
    general[4] = cut(
      mode === "32 bits" || random.below(2) ? 32 : 16,
      base + 0x2000 + 2 * random.below(64),
      word(random),
    );
    if (mode === "32 bits in a segment") general[4] = 0x2000 + 2 * random.below(64);
  }
  if (form.modrm && !found.register && random.below(8) > 0) {
    const { base: first, index, scale, displacement } = found.memory;
    const at = place();
    if (index >= 0 && index !== first) general[index] = cut(found.addressSize, random.below(16), word(random));
    const indexed = index >= 0 && index !== first ? ((general[index] as number) & 0xffff) << scale : 0;
    if (first >= 0) general[first] = cut(found.addressSize, at - displacement - indexed, word(random));
    else {
      const bytesOf = found.addressSize / 8;
      const behind = form.immediates.reduce((sum, kind) => sum + [0, 1, 2, found.operandSize === 16 ? 2 : 4][kind]!, 0);
      const start = found.length - behind - bytesOf;
      for (let i = 0; i < bytesOf; i++) code[start + i] = ((at - indexed) >> (8 * i)) & 0xff;
    }
    if (first === 4 && mode !== "32 bits in a segment" && mode !== "32 bits")
      general[4] = cut(16, 0x2000, word(random));
  }
  if (form.operands.some(({ kind }) => kind === "moffs")) {
    const at = place();
    for (let i = 0; i < found.addressSize / 8; i++)
      code[found.length - found.addressSize / 8 + i] = (at >> (8 * i)) & 0xff;
  }
  if (form.operands.some(({ kind }) => kind === "si" || kind === "di" || kind === "bx")) {
    general[6] = cut(found.addressSize, place(), word(random));
    general[7] = cut(found.addressSize, place(), word(random));
    general[3] = cut(found.addressSize, place(), word(random));
    general[1] = cut(found.addressSize, random.below(12), word(random));
  }
  if (name === "enter") code[code.length - 2] = 0;
  if (name === "enter" || name === "leave") general[5] = base + 0x2100 + 2 * random.below(64);
  if (name.startsWith("loop") || name === "jcxz") general[1] = random.below(3);
  if ((name === "div" || name === "idiv") && random.below(4) > 0) general[2] = random.below(60);

  const pc = base + 0x100 + random.below(0x800);
  const bits = new Uint8Array(caseSize);
  const view = new DataView(bits.buffer);
  const put = (at: number, number: number) => view.setUint32(at, number >>> 0, true);
  const segments: Readonly<Record<Mode, readonly [number, number]>> = {
    "32 bits": [flat.code, flat.data],
    "16 bits": [near.code, near.data],
    virtual: [window >> 4, window >> 4],
    "32 bits in a segment": [inner.code, inner.data],
  };
  const [cs, data] = segments[mode];
  const other = (): number => {
    if (mode === "virtual") return random.below(6) ? data : data + random.below(0x80);
    return random.below(6) ? data : ([0x23, 0x3b, 0x43][random.below(3)] as number);
  };
  // Flags that are not the arithmetic's: a step, the direction, the level of input and output.
  const steps = jumps.has(name) || random.below(2) === 0;
  const flags =
    2 |
    (word(random) & 0x8d5) |
    (random.below(4) ? 0 : 0x400) |
    (steps ? 0x100 : 0) |
    (random.below(2) ? 0x3000 : 0) |
    (mode === "virtual" ? 0x2_0000 : 0);
  put(0, pc);
  put(4, window + (pc - base));
  put(8, word(random));
  put(12, flags);
  general.forEach((number, i) => put(16 + 4 * i, number));
  [other(), other(), other(), other()].forEach((selector, i) => put(48 + 4 * i, selector));
  code.forEach((byte, i) => view.setUint8(64 + i, byte));
  for (let i = code.length; i < 16; i++) view.setUint8(64 + i, 0xcc);
  put(108, data);
  put(112, cs);
  // What returns, pops and loads of segments take: places in code, selectors, flags.
  const topBits = mode === "32 bits" || mode === "32 bits in a segment" ? 0xffff_ffff : 0xffff;
  const top = window - base + ((general[4] as number) & topBits);
  if (top >= window + 0x1000 && top < window + 0x2f00) {
    const half = found.operandSize === 16;
    const selector = () => (random.below(3) ? cs : (selectors[random.below(selectors.length)] as number));
    const items = [base + 0x100 + random.below(0x800), selector(), word(random) & ~0x2_4000, base + 0x2000, data, data];
    if (name === "pop") items[0] = selectors[random.below(selectors.length)] as number;
    put(80, top);
    items.forEach((item, i) => (half ? view.setUint16(84 + 2 * i, item & 0xffff, true) : put(84 + 4 * i, item)));
  }
  const memory = form.operands.some(({ kind }) => memoryKinds.includes(kind));
  if (memory && form.operands.some(({ kind }) => kind === "mfar") && random.below(2)) {
    // A far pointer on the stack is one that can be right.
    if (random.below(2) === 0) put(84 + (found.operandSize === 16 ? 2 : 4), cs);
  }
  return { mode, form, operandSize: found.operandSize, code, length: found.length, general, flags, pc, bytes: bits };
}

const source = fileURLToPath(new URL("../../../../test/engines/x86/general-judge.S", import.meta.url));

function run(program: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} does not work: ${error?.message ?? stderr}`);
}

/** The program with these cases. Throws an Error if the assembler cannot make it. */
export function generalImage(cases: readonly GeneralCase[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-general-"));
  try {
    const file = (name: string) => join(folder, name);
    const link =
      "SECTIONS { . = 0x100000; .all : { *(.start) *(.text) *(.data) *(.bss) } /DISCARD/ : { *(.note*) } }\n";
    writeFileSync(file("link.ld"), link);
    run("gcc", ["-c", "-m32", "-o", file("judge.o"), source]);
    run("ld", ["-m", "elf_i386", "-nostdlib", "-static", "-T", file("link.ld"), "-o", file("elf"), file("judge.o")]);
    run("objcopy", ["-O", "binary", "--set-section-flags", ".all=alloc,load,contents", file("elf"), file("image")]);
    const image = new Uint8Array(casesAt - origin + 4 + caseSize * cases.length);
    image.set(readFileSync(file("image")));
    new DataView(image.buffer).setUint32(casesAt - origin, cases.length, true);
    cases.forEach(({ bytes }, i) => image.set(bytes, casesAt - origin + 4 + caseSize * i));
    return image;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const recordsOf = (bytes: Uint8Array): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer);

/** The records under QEMU. */
export function generalByQemu(image: Uint8Array): Uint32Array {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-general-"));
  try {
    writeFileSync(join(folder, "image"), image);
    const devices = ["-display", "none", "-serial", "none", "-monitor", "none", "-no-reboot", "-nodefaults"];
    const { status, stderr, error } = spawnSync(
      "qemu-system-x86_64",
      [
        ...["-accel", "tcg", "-cpu", "max", "-m", "64", "-kernel", join(folder, "image"), ...devices],
        ...["-debugcon", `file:${join(folder, "records")}`, "-device", "isa-debug-exit,iobase=0xf4"],
      ],
      { encoding: "utf8", timeout: 120_000 },
    );
    if (status !== 1)
      throw new Error(`QEMU did not come to the program's end: ${error?.message ?? `${status} ${stderr}`}`);
    return recordsOf(readFileSync(join(folder, "records")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The records on the engines. */
export function generalByEngine(
  image: Uint8Array,
  way: "stepped" | "interpreted" | "translated",
  cases = 0,
): Uint32Array {
  const p = new Processor(64 << 20, { translate: way === "translated" });
  p.ram(origin, image.length).set(image);
  p.set64("control", 0x11n, 0);
  p.set64("features", -1n);
  for (let i = 0; i < 6; i++) p.setSegment(i, i === 1 ? 8 : 16, 0n, -1, i === 1 ? 0xc09b : 0xc093);
  p.flags = 2n;
  p.set64("debug", 0xffff_0ff0n, 6);
  p.set64("debug", 0x400n, 7);
  // The entry of the multiboot header.
  p.set64("pc", p.getRam64(origin + 28) & 0xffff_ffffn);
  p.reset();
  const end = performance.now() + 120_000 + 20 * cases;
  for (;;) {
    let exit = way === "stepped" ? p.step() : p.run(1000);
    while (exit === ExitCode.io) {
      if (p.get64("exitAddress") === 0x99n)
        return recordsOf(p.ram(recordsAt, Number(p.get64("exitData") & 0xffff_ffffn)));
      exit = p.complete(0n);
    }
    if (exit !== ExitCode.none) throw new Error(`it left with ${exit} at ${p.get64("pc").toString(16)}`);
    if (performance.now() > end) throw new Error(`it does not end: it is at ${p.get64("pc").toString(16)}`);
  }
}
