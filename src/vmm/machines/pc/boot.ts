/** What the ways to begin a kernel have in common: what they need, what they give, flat segments, the map of memory. */
import type { X86Regs, X86Segment, X86Sregs } from "../../../arch/x86/uapi.js";
import { mebibytes, VmmError } from "../../errors.js";
import type { ElfImage } from "../../loaders/elf.js";
import { Address, highMemory, lowMemoryEnd } from "./memory-map.js";

export interface Placed {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface Boot {
  /** What is written into RAM, which is 0. */
  readonly memory: readonly Placed[];
  /** Of the registers, what is not 0. */
  readonly regs: Pick<X86Regs, "rip"> & Partial<X86Regs>;
  /** Of the special registers, what is not as after power-on. */
  readonly sregs: Pick<X86Sregs, "cs" | "ds" | "es" | "fs" | "gs" | "ss" | "gdt" | "cr0" | "cr3" | "cr4" | "efer">;
}

/** A kernel, and how it begins if not as Linux does: what others do is loaded where there is one. */
export interface PcKernel extends ElfImage {
  readonly begin?: (options: BootOptions) => Boot;
}

export interface BootOptions {
  readonly kernel: ElfImage;
  readonly initrd?: Uint8Array | undefined;
  readonly commandLine: string;
  /** Bytes. */
  readonly memorySize: number;
  /** What firmware has left in memory, below 1 MiB. */
  readonly firmware?: readonly Placed[];
  /** Where ACPI's tables begin, if there are any. */
  readonly acpi?: number | undefined;
}

/** The kernel ends at `kernelEnd`, and it or the initrd behind it beyond `end`. Bytes. */
export function tooLittleMemory(kernelEnd: number, initrd: Uint8Array | undefined, end: number): VmmError {
  const more = initrd ? `, the initrd ${mebibytes(initrd.length)} behind it` : "";
  return new VmmError(
    `the kernel needs memory up to ${mebibytes(kernelEnd)}${more}, there are ${mebibytes(end)}; give more with --memory`,
  );
}

/** Kinds of memory: the same numbers in Linux's map and in multiboot's. */
const MemoryKind = { ram: 1, reserved: 2 } as const;

/** The map of memory, of which there is no more than the machine has room for. */
export function memoryRanges(memorySize: number): readonly (readonly [start: number, length: number, kind: number])[] {
  return [
    [0, lowMemoryEnd, MemoryKind.ram],
    [highMemory, memorySize - highMemory, MemoryKind.ram],
    [Address.acpi, Address.firmwareEnd - Address.acpi, MemoryKind.reserved],
    [Address.pciConfig, Address.pciConfigSize, MemoryKind.reserved],
  ];
}

const code = 0x10;
const data = 0x18;

/** Flat segments of code and data, as `flatSegments` loads them. */
export function segmentTable(bits: 32 | 64): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  view.setBigUint64(code, bits === 64 ? 0x00af9b000000ffffn : 0x00cf9b000000ffffn, true);
  view.setBigUint64(data, 0x00cf93000000ffffn, true);
  return new Uint8Array(view.buffer);
}

/** `table`: where `segmentTable`'s bytes are. */
export function flatSegments(bits: 32 | 64, table: number): Omit<Boot["sregs"], "cr0" | "cr3" | "cr4" | "efer"> {
  const flat = { base: 0n, limit: 0xffff_ffff, present: 1, dpl: 0, s: 1, g: 1, avl: 0, unusable: 0 } as const;
  const cs: X86Segment = { ...flat, selector: code, type: 11, l: bits === 64 ? 1 : 0, db: bits === 64 ? 0 : 1 };
  const ds: X86Segment = { ...flat, selector: data, type: 3, l: 0, db: 1 };
  return { cs, ds, es: ds, fs: ds, gs: ds, ss: ds, gdt: { base: BigInt(table), limit: 31 } };
}

/** Protected mode without paging. */
export const unpaged = { cr0: 0x11n, cr3: 0n, cr4: 0n, efer: 0n } as const;
