/**
 * The entry of kernels of the multiboot protocol: 32 bits, no paging, and what they are told in memory.
 * Source: Multiboot Specification version 0.6.96, "Machine state", "Boot information format".
 */
import { ChoiceError, VmmError } from "../../errors.js";
import {
  type Boot,
  type BootOptions,
  flatSegments,
  memoryRanges,
  type Placed,
  segmentTable,
  tooLittleMemory,
  unpaged,
} from "./boot.js";
import { highMemory, lowMemoryEnd } from "./memory-map.js";

/** What EAX says to a kernel: who has loaded it. */
const loaded = 0x2bad_b002n;
/** Where the information is, and what it points to: the end of low memory. */
const information = 0x9_0000;
const loaderName = "unikvm";

/** Bits of the information's first word: the size of memory, the command line, modules, the map of memory, the loader's name. */
const given = 0x001 | 0x004 | 0x008 | 0x040 | 0x200;
const Field = {
  ...{ flags: 0, lower: 4, upper: 8, commandLine: 16, moduleCount: 20, modules: 24, mapLength: 44, map: 48 },
  ...{ loader: 64, size: 116 },
} as const;
const moduleSize = 16;
/** With the size that an entry begins with, which does not count itself. */
const mapEntry = 24;
const segmentsSize = 32;

/** Throws VmmError: it does not fit. */
export function multibootBoot({ kernel, initrd, commandLine, memorySize, firmware = [] }: BootOptions): Boot {
  const ranges = memoryRanges(memorySize);
  const text = new TextEncoder();
  // As with QEMU, the first word is the kernel's name.
  const line = text.encode([kernel.multiboot?.name ?? "", commandLine].join(" "));
  const name = text.encode(loaderName);
  const segments = information;
  const info = segments + segmentsSize;
  const modules = info + Field.size;
  const map = modules + moduleSize;
  const names = map + ranges.length * mapEntry;
  const lineAt = names + name.length + 1;
  const end = lineAt + line.length + 1;
  if (end > lowMemoryEnd) {
    throw new ChoiceError(`the kernel's command line is longer than ${lowMemoryEnd - lineAt - 1} bytes`);
  }
  const last = kernel.segments.at(-1);
  const kernelEnd = Math.max(highMemory, last ? last.address + last.size : 0);
  const moduleAt = Math.ceil(kernelEnd / 4096) * 4096;
  if (Math.max(kernelEnd, initrd ? moduleAt + initrd.length : 0) > memorySize) {
    throw tooLittleMemory(kernelEnd, initrd, memorySize);
  }
  const view = new DataView(new ArrayBuffer(end - information));
  const bytes = new Uint8Array(view.buffer);
  const put = (at: number, value: number): void => view.setUint32(at - information, value, true);
  bytes.set(segmentTable(32));
  put(info + Field.flags, given);
  put(info + Field.lower, lowMemoryEnd / 1024);
  put(info + Field.upper, Math.floor((memorySize - highMemory) / 1024));
  put(info + Field.commandLine, lineAt);
  put(info + Field.moduleCount, initrd ? 1 : 0);
  put(info + Field.modules, modules);
  put(info + Field.mapLength, ranges.length * mapEntry);
  put(info + Field.map, map);
  put(info + Field.loader, names);
  if (initrd) {
    // Its own text is that behind the loader's name: nothing.
    for (const [i, value] of [moduleAt, moduleAt + initrd.length, lineAt - 1].entries()) put(modules + 4 * i, value);
  }
  for (const [i, [start, length, kind]] of ranges.entries()) {
    const at = map + mapEntry * i - information;
    view.setUint32(at, mapEntry - 4, true);
    view.setBigUint64(at + 4, BigInt(start), true);
    view.setBigUint64(at + 12, BigInt(length), true);
    view.setUint32(at + 20, kind, true);
  }
  bytes.set(name, names - information);
  bytes.set(line, lineAt - information);
  const own: readonly Placed[] = [{ address: information, bytes }, ...firmware];
  for (const { address, size } of kernel.segments) {
    const hit = own.find((one) => address < one.address + one.bytes.length && address + size > one.address);
    if (hit) throw new VmmError(`the kernel is to be loaded at 0x${address.toString(16)}, where firmware's tables are`);
  }
  return {
    memory: [
      ...kernel.segments.map(({ address, data }) => ({ address, bytes: data })),
      ...(initrd ? [{ address: moduleAt, bytes: initrd }] : []),
      ...own,
    ],
    regs: { rip: BigInt(kernel.entry), rax: loaded, rbx: BigInt(info) },
    sregs: { ...flatSegments(32, segments), ...unpaged },
  };
}
