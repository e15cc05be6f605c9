/** What guests of many processors that say numbers are made of (guest.ts, coherence-guest.ts). */

/** What the guest says, by doublewords: a number with this, then pairs of its own, then the next number. */
export const header = 0xfeed_0000_0000_0000n;
/** In place of the number: the end. */
export const theEnd = 0xffff;
/** Bytes between what processors write: a cache line of the host. */
export const stride = 128;
/** Where what all see begins: one doubleword a line, the first two of which are `barrier`'s. */
export const sharedArea = 0x10_0000;
const rtasArea = 0x10_8000;
const arrived = 0;
const round = stride;

export const hcall = (number: number): string => `  lis 3, ${number >> 16}\n  ori 3, 3, ${number & 0xffff}\n  sc 1\n`;
export const load = (register: number, value: number): string =>
  `  lis ${register}, ${value >>> 16}\n  ori ${register}, ${register}, ${value & 0xffff}\n`;
export class Labels {
  #next = 0;
  make(): string {
    return `l${this.#next++}`;
  }
}

/** Writes r6 and r7 to the console; r6 and r7 are kept. */
export const say = (again: string): string => `
${again}:
  li 4, 0
  li 5, 16
${hcall(0x58)}
  cmpdi 3, 0
  bne ${again}
`;

/** All processors wait for all. */
export function barrier(cpus: number, labels: Labels): string {
  const [again, wait, last, done] = Array.from({ length: 4 }, () => labels.make());
  return `
  sync
  lwz 8, ${round}(30)
  sync
  addi 10, 30, ${arrived}
${again}:
  lwarx 9, 0, 10
  addi 9, 9, 1
  stwcx. 9, 0, 10
  bne ${again}
  cmpwi 9, ${cpus}
  beq ${last}
${wait}:
  lwz 9, ${round}(30)
  cmpw 9, 8
  beq ${wait}
  b ${done}
${last}:
  li 9, 0
  stw 9, ${arrived}(30)
  sync
  addi 8, 8, 1
  stw 8, ${round}(30)
${done}:
  sync
`;
}

/** All processors begin, by RTAS calls whose arguments lie at `area`; behind it r31 is a processor's number. */
export const startAll = (cpus: number, area: number): string => `
  li 31, 0
  li 20, 1
next:
# start-cpu: the processor, where it begins, its r3.
${load(21, area)}
  li 3, 0x2006
  stw 3, 0(21)
  li 3, 3
  stw 3, 4(21)
  li 3, 1
  stw 3, 8(21)
  stw 20, 12(21)
  lis 3, 0
  ori 3, 3, other
  stw 3, 16(21)
  stw 20, 20(21)
  mr 4, 21
${hcall(0xf000)}
  addi 20, 20, 1
  cmpwi 20, ${cpus}
  blt next
  b all
other:
  mr 31, 3
all:
`;

/** All processors begin; behind it r31 is a processor's number, r30 `sharedArea`. */
export const start = (cpus: number): string => startAll(cpus, rtasArea) + load(30, sharedArea);

/** Processor 0 says `theEnd`; then all do nothing. */
export const end = (labels: Labels): string => `
  cmpwi 31, 0
ended:
  bne ended
  lis 6, ${Number(header >> 48n)}
  sldi 6, 6, 32
  ori 6, 6, ${theEnd}
  li 7, 0
${say(labels.make())}
  li 9, 1
  cmpwi 9, 0
  b ended
`;
