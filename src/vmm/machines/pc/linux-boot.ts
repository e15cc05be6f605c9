/**
 * Linux's entries of 64 and of 32 bits: what is in memory and in the registers when a kernel begins that nobody but us has
 * loaded. Source: Linux, Documentation/x86/boot.rst, "64-bit Boot Protocol", "32-bit Boot Protocol"; zero-page.rst.
 */
import type { X86Segment, X86Sregs } from "../../../arch/x86/uapi.js";
import { VmmError } from "../../errors.js";
import type { ElfImage } from "../../loaders/elf.js";
import { Address, highestMemory, highMemory, lowMemoryEnd } from "./memory-map.js";

/** Where things are, below the 640 KiB that the first PC had. */
const place = { segments: 0x6_0000, tables: 0x7_0000, zeroPage: 0x9_0000, commandLine: 0x9_1000 } as const;
/** Kernels ask for no more; ours has 2047 bytes. */
const commandLineLimit = 2048;

const Zero = {
  acpi: 0x70,
  e820Entries: 0x1e8,
  header: 0x1f1,
  loader: 0x210,
  ramdisk: 0x218,
  commandLine: 0x228,
  e820: 0x2d0,
} as const;

/** Kernels of 32 bits find an initrd in the memory that they always have mapped, whose end this is: `initrd_addr_max`. */
const mappedEnd32 = 0x3800_0000;

const E820 = { ram: 1, reserved: 2 } as const;

export interface LinuxBoot {
  /** What is written into RAM, which is 0. */
  readonly memory: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  readonly entry: bigint;
  readonly rsi: bigint;
  /** Of the special registers, what is not as after power-on. */
  readonly sregs: Pick<X86Sregs, "cs" | "ds" | "es" | "fs" | "gs" | "ss" | "gdt" | "cr0" | "cr3" | "cr4" | "efer">;
}

export interface BootOptions {
  readonly kernel: ElfImage;
  readonly initrd?: Uint8Array | undefined;
  readonly commandLine: string;
  /** Bytes. */
  readonly memorySize: number;
  /** What firmware has left in memory, below 1 MiB. */
  readonly firmware?: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Where ACPI's tables begin, if there are any. */
  readonly acpi?: number | undefined;
}

/** Throws VmmError: it does not fit. */
export function linuxBoot({ kernel, initrd, commandLine, memorySize, firmware = [], acpi }: BootOptions): LinuxBoot {
  const text = new TextEncoder().encode(commandLine);
  if (text.length >= commandLineLimit) {
    throw new VmmError(`the kernel's command line is longer than ${commandLineLimit - 1} bytes`);
  }
  if (memorySize > highestMemory) throw new VmmError(`a guest can have at most ${highestMemory / 1048576}M of memory`);
  const { bits = 64 } = kernel;
  const last = kernel.segments.at(-1);
  const kernelEnd = last ? last.address + last.size : 0;
  if (kernel.segments.some(({ address }) => address < highMemory)) {
    throw new VmmError("the kernel is not to be loaded below 1 MiB");
  }
  const initrdEnd = bits === 32 ? Math.min(memorySize, mappedEnd32) : memorySize;
  const initrdAt = initrd ? (initrdEnd - initrd.length) & ~4095 : memorySize;
  if (kernelEnd > initrdAt) {
    throw new VmmError(
      `the kernel${initrd ? " and the initrd do" : " does"} not fit into ${memorySize} bytes of memory`,
    );
  }
  const zero = new DataView(new ArrayBuffer(4096));
  zero.setUint16(Zero.header + 0xd, 0xaa55, true);
  // "HdrS", version 2.15; a loader without a number of its own.
  zero.setUint32(0x202, 0x53726448, true);
  zero.setUint16(0x206, 0x20f, true);
  zero.setUint8(Zero.loader, 0xff);
  zero.setUint32(Zero.commandLine, place.commandLine, true);
  if (initrd) {
    zero.setUint32(Zero.ramdisk, initrdAt, true);
    zero.setUint32(Zero.ramdisk + 4, initrd.length, true);
  }
  if (acpi !== undefined) zero.setBigUint64(Zero.acpi, BigInt(acpi), true);
  const ranges = [
    [0, lowMemoryEnd, E820.ram],
    [highMemory, memorySize - highMemory, E820.ram],
    [Address.acpi, Address.firmwareEnd - Address.acpi, E820.reserved],
    [Address.pciConfig, Address.pciConfigSize, E820.reserved],
  ] as const;
  zero.setUint8(Zero.e820Entries, ranges.length);
  for (const [i, [start, length, kind]] of ranges.entries()) {
    const at = Zero.e820 + 20 * i;
    zero.setBigUint64(at, BigInt(start), true);
    zero.setBigUint64(at + 8, BigInt(length), true);
    zero.setUint32(at + 16, kind, true);
  }
  const ends = new Uint8Array(text.length + 1);
  ends.set(text);
  return {
    memory: [
      ...kernel.segments.map(({ address, data }) => ({ address, bytes: data })),
      ...(initrd ? [{ address: initrdAt, bytes: initrd }] : []),
      { address: place.segments, bytes: descriptors(bits) },
      ...(bits === 64 ? [{ address: place.tables, bytes: pageTables() }] : []),
      { address: place.zeroPage, bytes: new Uint8Array(zero.buffer) },
      { address: place.commandLine, bytes: ends },
      ...firmware,
    ],
    entry: BigInt(kernel.entry),
    rsi: BigInt(place.zeroPage),
    sregs: registers(bits),
  };
}

/** 4 GiB where they are, in pages of 2 MiB. */
function pageTables(): Uint8Array {
  const view = new DataView(new ArrayBuffer(6 * 4096));
  view.setBigUint64(0, BigInt(place.tables + 4096) | 3n, true);
  for (let gibibyte = 0; gibibyte < 4; gibibyte++) {
    view.setBigUint64(4096 + 8 * gibibyte, BigInt(place.tables + 4096 * (2 + gibibyte)) | 3n, true);
    for (let i = 0; i < 512; i++) {
      view.setBigUint64(4096 * (2 + gibibyte) + 8 * i, BigInt(512 * gibibyte + i) * 0x20_0000n + 0x83n, true);
    }
  }
  return new Uint8Array(view.buffer);
}

const code = 0x10;
const data = 0x18;

function descriptors(bits: 32 | 64): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  view.setBigUint64(code, bits === 64 ? 0x00af9b000000ffffn : 0x00cf9b000000ffffn, true);
  view.setBigUint64(data, 0x00cf93000000ffffn, true);
  return new Uint8Array(view.buffer);
}

function registers(bits: 32 | 64): LinuxBoot["sregs"] {
  const flat = { base: 0n, limit: 0xffff_ffff, present: 1, dpl: 0, s: 1, g: 1, avl: 0, unusable: 0 } as const;
  const cs: X86Segment = { ...flat, selector: code, type: 11, l: bits === 64 ? 1 : 0, db: bits === 64 ? 0 : 1 };
  const ds: X86Segment = { ...flat, selector: data, type: 3, l: 0, db: 1 };
  return {
    cs,
    ...{ ds, es: ds, fs: ds, gs: ds, ss: ds },
    gdt: { base: BigInt(place.segments), limit: 31 },
    // Protected mode; of 64 bits paging, PAE and long mode too.
    ...(bits === 64
      ? { cr0: 0x8000_0011n, cr3: BigInt(place.tables), cr4: 0x20n, efer: 0x500n }
      : { cr0: 0x11n, cr3: 0n, cr4: 0n, efer: 0n }),
  };
}
