/**
 * Linux's entries of 64 and of 32 bits: what is in memory and in the registers when a kernel begins that nobody but us has
 * loaded. Source: Linux, Documentation/x86/boot.rst, "64-bit Boot Protocol", "32-bit Boot Protocol"; zero-page.rst.
 */
import { ChoiceError, VmmError } from "../../errors.js";
import {
  type Boot,
  type BootOptions,
  flatSegments,
  memoryRanges,
  segmentTable,
  tooLittleMemory,
  unpaged,
} from "./boot.js";
import { highMemory } from "./memory-map.js";

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

/** Throws VmmError: it does not fit. */
export function linuxBoot({ kernel, initrd, commandLine, memorySize, firmware = [], acpi }: BootOptions): Boot {
  const text = new TextEncoder().encode(commandLine);
  if (text.length >= commandLineLimit) {
    throw new ChoiceError(`the kernel's command line is longer than ${commandLineLimit - 1} bytes`);
  }
  const ranges = memoryRanges(memorySize);
  const { bits = 64 } = kernel;
  const last = kernel.segments.at(-1);
  const kernelEnd = last ? last.address + last.size : 0;
  if (kernel.segments.some(({ address }) => address < highMemory)) {
    throw new VmmError("no kernel of Linux: it is to be loaded below 1 MiB");
  }
  const initrdEnd = bits === 32 ? Math.min(memorySize, mappedEnd32) : memorySize;
  // Not by bits: they are 32 with a sign, and memory reaches beyond 2 GiB.
  const initrdAt = initrd ? Math.floor((initrdEnd - initrd.length) / 4096) * 4096 : memorySize;
  if (kernelEnd > initrdAt) throw tooLittleMemory(kernelEnd, initrd, initrdEnd);
  const page = new Uint8Array(4096);
  // What a kernel unpacks itself by is its own; the rest is ours.
  if (kernel.setupHeader) page.set(kernel.setupHeader, Zero.header);
  const zero = new DataView(page.buffer);
  zero.setUint16(Zero.header + 0xd, 0xaa55, true);
  // "HdrS", version 2.15; a loader without a number of its own.
  zero.setUint32(0x202, 0x53726448, true);
  if (!kernel.setupHeader) zero.setUint16(0x206, 0x20f, true);
  zero.setUint8(Zero.loader, 0xff);
  zero.setUint32(Zero.commandLine, place.commandLine, true);
  zero.setUint32(Zero.ramdisk, initrd ? initrdAt : 0, true);
  zero.setUint32(Zero.ramdisk + 4, initrd?.length ?? 0, true);
  if (acpi !== undefined) zero.setBigUint64(Zero.acpi, BigInt(acpi), true);
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
      { address: place.segments, bytes: segmentTable(bits) },
      ...(bits === 64 ? [{ address: place.tables, bytes: pageTables() }] : []),
      { address: place.zeroPage, bytes: page },
      { address: place.commandLine, bytes: ends },
      ...firmware,
    ],
    regs: { rip: BigInt(kernel.entry), rsi: BigInt(place.zeroPage) },
    sregs: {
      ...flatSegments(bits, place.segments),
      // Of 64 bits paging, PAE and long mode too.
      ...(bits === 64 ? { cr0: 0x8000_0011n, cr3: BigInt(place.tables), cr4: 0x20n, efer: 0x500n } : unpaged),
    },
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
