/**
 * The program supervisor.c: compiled, run by qemu-system-x86_64 and by unikvm's engines. Each gives the text that it writes.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import type { Judged } from "../../oracles/oracles.js";
import { Processor } from "./processor.js";

/** What QEMU 7.2 does otherwise than processors: supervisor.c leaves each out, or makes both alike. */
export const supervisorFaults: readonly (Judged & { readonly fault: string; readonly recognised: string })[] = [
  [
    "faults do not push RF",
    "by the flags of a frame, where RF is left out",
    "faults push RF, traps and interrupts do not",
  ],
  [
    "an error code that names a gate has its number twice",
    "by bit 1 of the error code, whose index is then left out",
    "an error code names the gate that it is about",
  ],
  [
    "a page fault for a reserved bit does not say that the entry is present",
    "by bit 3 of a page fault's code",
    "a reserved bit is a fault of an entry that is present",
  ],
  [
    "an entry for a page of 1 GiB is accessed where the access faults",
    "by bit 7 of the entry, whose bit 5 is then left out",
    "a page of 1 GiB is accessed by what succeeds, and by nothing else",
  ],
  [
    "what reads and writes in one instruction faults as a read, and makes the entry accessed",
    "by the instruction, before which the program reads",
    "what reads and writes in one instruction is a write",
  ],
  [
    "LAR and LSL know types of system segments that long mode has not",
    "by the descriptor's type",
    "LAR and LSL know the types that long mode has",
  ],
  [
    "control registers take what the manual says is #GP",
    "by the value, which the program does not write",
    "control registers refuse what the manual says",
  ],
  [
    "it takes no segment for a task and for a stack of any level, L with D for code, and goes to addresses that are not canonical",
    "by the descriptor or the gate, which the program does not write",
    "a task is one, code is of one kind, and a gate leads to an address",
  ],
  [
    "XSAVE and XRSTOR do not look at CR0.TS",
    "by the register's bit, which the program does not set before them",
    "extended-state-system.test.ts: without CR4.OSXSAVE they are none, and with CR0.TS those that look at the state are #NM",
  ],
].map(([fault, recognised, name]) => ({
  fault: fault as string,
  recognised: recognised as string,
  judge: `test/engines/x86/${name?.includes(".test.ts: ") ? name : `system.test.ts: ${name}`}`,
}));

const link = `SECTIONS {
  . = 0x100000;
  .start : { *(.start) }
  .text : { *(.text*) }
  .rodata : { *(.rodata*) }
  .data : { *(.data*) }
  .bss : { *(.bss) *(COMMON) }
  out = 0x400000;
  /DISCARD/ : { *(.eh_frame) *(.note*) *(.comment) }
}
`;
const origin = 0x100000;
/** Of the image: where the seed and, above it, the number of random walks are, and the address of the 64-bit way in. */
const seedAt = 0x20;
const entryAt = 0x28;
const textAt = 0x400000;

const source = (name: string) => fileURLToPath(new URL(`../../../../test/engines/x86/${name}`, import.meta.url));

function run(program: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} does not work: ${error?.message ?? stderr}`);
}

/** The program's image for these draws. Throws an Error if the compiler cannot make it. */
export function supervisorImage(seed: number, walks: number): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-supervisor-"));
  try {
    const file = (name: string) => join(folder, name);
    writeFileSync(file("link.ld"), link);
    const options = [
      ...["-O1", "-ffreestanding", "-fno-pic", "-fno-pie", "-mno-red-zone", "-mgeneral-regs-only", "-mcmodel=small"],
      ...["-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none"],
    ];
    run("gcc", ["-c", ...options, "-o", file("supervisor.o"), source("supervisor.c")]);
    run("gcc", ["-c", "-o", file("entry.o"), source("supervisor-entry.S")]);
    run("ld", [
      "-nostdlib",
      "-static",
      "-T",
      file("link.ld"),
      "-o",
      file("elf"),
      file("entry.o"),
      file("supervisor.o"),
    ]);
    run("objcopy", ["-O", "binary", "--set-section-flags", ".bss=alloc,load,contents", file("elf"), file("image")]);
    const image = readFileSync(file("image"));
    image.writeBigUInt64LE(BigInt(seed) | (BigInt(walks) << 32n), seedAt);
    return image;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What it writes under QEMU. */
export function byQemu(image: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-supervisor-"));
  try {
    writeFileSync(join(folder, "image"), image);
    const devices = ["-display", "none", "-serial", "none", "-monitor", "none", "-no-reboot", "-nodefaults"];
    const { status, stderr, error } = spawnSync(
      "qemu-system-x86_64",
      [
        ...["-accel", "tcg", "-cpu", "max,phys-bits=40", "-m", "64", "-kernel", join(folder, "image"), ...devices],
        ...["-debugcon", `file:${join(folder, "text")}`, "-device", "isa-debug-exit,iobase=0xf4"],
      ],
      { encoding: "utf8", timeout: 120_000 },
    );
    // The device ends it with 1, a triple fault would with 0.
    if (status !== 1)
      throw new Error(`QEMU did not come to the program's end: ${error?.message ?? `${status} ${stderr}`}`);
    return readFileSync(join(folder, "text"), "latin1");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How the engines run it. */
export type Way = "stepped" | "interpreted" | "translated";

/** What it writes on the engines. */
export function byEngine(image: Uint8Array, way: Way): { readonly text: string; readonly regions: number } {
  const p = new Processor(64 << 20, { translate: way === "translated" });
  p.ram(origin, image.length).set(image);
  // The tables of the way in: 1 GiB where it is.
  const tables = 0x100_0000;
  p.putRam64(tables, BigInt(tables + 0x1000) | 3n);
  p.putRam64(tables + 0x1000, BigInt(tables + 0x2000) | 3n);
  for (let i = 0; i < 512; i++) p.putRam64(tables + 0x2000 + 8 * i, BigInt(i * 0x20_0000) | 0x83n);
  p.longMode({ tables: BigInt(tables), cpl: 0, code: 8, data: 16 });
  p.set64("control", 0x8001_0033n, 0);
  p.set64("control", 0x20n, 4);
  p.flags = 2n;
  p.set64("debug", 0xffff_0ff0n, 6);
  p.set64("debug", 0x400n, 7);
  p.set64("pc", p.getRam64(origin + entryAt));
  p.reset();
  const end = performance.now() + 120_000;
  for (;;) {
    let exit = way === "stepped" ? p.step() : p.run(1000);
    while (exit === ExitCode.io) {
      const port = Number(p.get64("exitAddress"));
      if (port === 0x99) {
        const length = Number(p.get64("exitData"));
        return {
          text: Buffer.from(p.ram(textAt, length)).toString("latin1"),
          regions: p.translator.stats()["regions"] as number,
        };
      }
      exit = p.complete(port === 0xe9 ? 0xe9n : 0xffn);
    }
    // CR8 was lowered, and there is no interrupt controller to ask what waits.
    if (exit === ExitCode.interrupt) continue;
    if (exit !== ExitCode.none) throw new Error(`it left with ${exit} at ${p.get64("pc").toString(16)}`);
    if (performance.now() > end) throw new Error(`it does not end: it is at ${p.get64("pc").toString(16)}`);
  }
}
