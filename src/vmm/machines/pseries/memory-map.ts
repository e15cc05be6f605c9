/**
 * Where things lie in guest memory when the guest starts: the kernel where its file says, then the initrd, the device tree
 * and the RTAS stub in the first holes that take them.
 */
import { VmmError } from "../../errors.js";
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

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 1048576)} MiB`;

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

  const place = (size: number, limit: number, what: string): Placement => {
    // Behind the kernel if there is room: a kernel may use what lies just below it.
    const candidates = [last, ...taken].map((one) => Math.ceil((one.address + one.size) / alignment) * alignment);
    for (const address of [...candidates, 0]) {
      const end = address + size;
      if (end > Math.min(limit, memorySize)) continue;
      if (taken.some((one) => address < one.address + one.size && one.address < end)) continue;
      const placed = { address, size };
      taken.push(placed);
      return placed;
    }
    throw new VmmError(
      `${what} (${mebibytes(size)}) does not fit beside the kernel into ${mebibytes(memorySize)} of memory; give the guest more with --memory`,
    );
  };
  const rtas = place(rtasSize, rtasLimit, "the firmware stub");
  const deviceTree = place(deviceTreeRoom, 0x1_0000_0000, "the device tree");
  const initrd = initrdSize > 0 ? place(initrdSize, memorySize, "the initrd") : undefined;
  const address = first.address;
  return { kernel: { address, size: last.address + last.size - address }, initrd, deviceTree, rtas };
}
