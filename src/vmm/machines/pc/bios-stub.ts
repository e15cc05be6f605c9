/**
 * What is left of a BIOS: how much low memory there is, in its data area, and interrupts of real mode that say that there is no
 * such function. Kernels of the multiboot protocol may look there, and go back to real mode and ask (Xen does both, for a place
 * for its trampoline, then for the video mode, the map of memory and disks); without vectors they would run whatever lies at
 * address 0. Source: Ralf Brown's Interrupt List, INT 15 (AH = 86h, "function not supported"); Memory List, 40:0E, 40:13.
 */
import type { Placed } from "./boot.js";
import { lowMemoryEnd } from "./memory-map.js";

/** In the data area, whose segment is 0x40: the segment of the extended one, and how many KiB there are below it. */
const Data = { extended: 0x40e, lowKibibytes: 0x413, end: 0x500 } as const;

/** Behind all of firmware's tables. */
const stub = 0xf_ff00;
const segment = 0xf000;
/** Where the PC's controllers have their lines: nobody asks anything by these. */
const lines = [0x08, 0x70];

// push bp; mov bp, sp; or byte [bp+6], 1; pop bp; mov ah, 0x86; iret: the carry flag of who asked is set.
const refuses = [0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06, 0x01, 0x5d, 0xb4, 0x86, 0xcf];
const returns = [0xcf];

export function biosStub(): readonly Placed[] {
  const low = new DataView(new ArrayBuffer(Data.end));
  for (let vector = 0; vector < 256; vector++) {
    const isLine = lines.some((first) => vector >= first && vector < first + 8);
    low.setUint16(4 * vector, stub - (segment << 4) + (isLine ? refuses.length : 0), true);
    low.setUint16(4 * vector + 2, segment, true);
  }
  low.setUint16(Data.extended, lowMemoryEnd >> 4, true);
  low.setUint16(Data.lowKibibytes, lowMemoryEnd >> 10, true);
  return [
    { address: 0, bytes: new Uint8Array(low.buffer) },
    { address: stub, bytes: Uint8Array.from([...refuses, ...returns]) },
  ];
}
