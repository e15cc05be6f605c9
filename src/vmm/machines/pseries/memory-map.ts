/**
 * Where things lie in guest memory when the guest starts: the kernel where its file says, the initrd in the first hole
 * behind it that takes it, and the RTAS stub and the device tree as high as they may lie. High, because small programs
 * have a stack and a heap right behind what their file names, and say so nowhere.
 */
import { mebibytes, VmmError } from "../../errors.js";
import type { ElfImage } from "../../loaders/elf.js";

export interface Placement {
  readonly address: number;
  readonly size: number;
}

export interface MemoryMap {
  readonly kernel: Placement;
  readonly initrd: Placement | undefined;
  readonly deviceTree: Placement;
  readonly rtas: Placement;
}

/** Page size of the kernels we boot; what the kernel frees later (the initrd) must not share a page. */
const alignment = 65536;
/** RTAS runs with 32-bit addresses, and Linux wants its buffers below 1 GiB. */
const rtasLimit = 0x4000_0000;
/** Linux copies the tree elsewhere early; until then it must not be moved upon. Larger than any tree we write. */
export const deviceTreeRoom = 0x4_0000;

/** Throws VmmError if the memory is too small for what is to be put there. Sizes in bytes. */
export function placeInMemory(kernel: ElfImage, initrdSize: number, rtasSize: number, memorySize: number): MemoryMap {
  const taken: Placement[] = [];
  for (const { address, size } of kernel.segments) {
    if (address + size > memorySize) {
      throw new VmmError(
        `the kernel needs memory up to ${mebibytes(address + size)}, the guest has ${mebibytes(memorySize)}; give it more with --memory`,
      );
    }
    taken.push({ address, size });
  }
  const first = kernel.segments[0];
  const last = kernel.segments.at(-1);
  if (!first || !last) throw new VmmError("the kernel has nothing to load");

  const free = (address: number, size: number, limit: number): boolean =>
    address >= 0 &&
    address + size <= Math.min(limit, memorySize) &&
    !taken.some((one) => address < one.address + one.size && one.address < address + size);
  const place = (candidates: readonly number[], size: number, limit: number, what: string): Placement => {
    const address = candidates.find((candidate) => free(candidate, size, limit));
    if (address === undefined) {
      throw new VmmError(
        `${what} (${mebibytes(size)}) does not fit beside the kernel into ${mebibytes(memorySize)} of memory; give the guest more with --memory`,
      );
    }
    const placed = { address, size };
    taken.push(placed);
    return placed;
  };
  const placeHigh = (size: number, limit: number, what: string): Placement => {
    const ends = [Math.min(limit, memorySize), ...taken.map((one) => one.address).sort((a, b) => b - a)];
    const candidates = ends.map((end) => Math.floor((end - size) / alignment) * alignment);
    return place(candidates, size, limit, what);
  };
  const placeBehindKernel = (size: number, what: string): Placement => {
    // A kernel may use what lies just below it, so the hole below comes last.
    const starts = [last, ...taken].map((one) => Math.ceil((one.address + one.size) / alignment) * alignment);
    return place([...starts, 0], size, memorySize, what);
  };
  const rtas = placeHigh(rtasSize, rtasLimit, "the firmware stub");
  const deviceTree = placeHigh(deviceTreeRoom, rtasLimit, "the device tree");
  const initrd = initrdSize > 0 ? placeBehindKernel(initrdSize, "the initrd") : undefined;
  const address = first.address;
  return { kernel: { address, size: last.address + last.size - address }, initrd, deviceTree, rtas };
}
