/**
 * A guest whose processors count together, by reservations and under a lock, and run a routine while processor 0 writes it
 * anew. All of it is hot: under hv it runs as regions.
 */
import { assemble, assembleWord } from "../../src/arch/powerpc/isa/assembler.js";
import { barrier, end, header, Labels, load, say, sharedArea, start, stride } from "./processors.js";

/** What is said, by number: each pair is an index and a value. */
export const said = { counts: 0, stale: 1 } as const;

/** Places behind `barrier`'s, and one for each processor's count of stale results. */
const at = { word: 2, doubleword: 3, byte: 4, lock: 5, locked: 6, now: 8, stale: 9 } as const;
const place = (name: keyof typeof at): number => at[name] * stride;
/** The routine that is written anew is behind the others' loop, in the same page of code, and in a page of its own. */
const farRoutine = 0x8_0000;

/** One more, by a reservation of this size. */
function add(size: "w" | "d" | "b", offset: number, labels: Labels): string {
  const again = labels.make();
  return `
  addi 10, 30, ${offset}
${again}:
  l${size}arx 9, 0, 10
  addi 9, 9, 1
  st${size}cx. 9, 0, 10
  bne ${again}
`;
}

/** One more of what only the lock protects. */
function addLocked(labels: Labels): string {
  const [again, busy] = [labels.make(), labels.make()];
  return `
  addi 10, 30, ${place("lock")}
${again}:
  lwarx 9, 0, 10
  cmpwi 9, 0
  bne ${busy}
  li 9, 1
  stwcx. 9, 0, 10
${busy}:
  bne ${again}
  isync
  ld 9, ${place("locked")}(30)
  addi 9, 9, 1
  std 9, ${place("locked")}(30)
  lwsync
  li 9, 0
  stw 9, 0(10)
`;
}

/** r6, r7 = index, value; said. */
const tell = (index: number, register: number, labels: Labels): string => `
  li 6, ${index}
  mr 7, ${register}
${say(labels.make())}
`;

const announce = (number: number, labels: Labels): string => `
  lis 6, ${Number(header >> 48n)}
  sldi 6, 6, 32
  ori 6, 6, ${number}
  li 7, 0
${say(labels.make())}
`;

/** Processor 0 writes `li r3, n; blr` for n = 1, 2...; the others call it, and must not get less than what had been announced. */
function codeChanges(cpus: number, changes: number, routine: string, labels: Labels): string {
  const [others, again, done, wait] = Array.from({ length: 4 }, () => labels.make());
  const [called, fresh, counted] = Array.from({ length: 3 }, () => labels.make());
  return `
${barrier(cpus, labels)}
  lis 21, ${routine}@h
  ori 21, 21, ${routine}@l
  cmpwi 31, 0
  bne ${others}
  li 20, 0
${load(22, assembleWord("li 3, 0"))}
${again}:
  addi 20, 20, 1
  or 23, 22, 20
  stw 23, 0(21)
  dcbst 0, 21
  sync
  icbi 0, 21
  sync
  isync
  std 20, ${place("now")}(30)
# Time for the others to run it.
  li 9, 200
  mtctr 9
${wait}:
  bdnz ${wait}
  cmpwi 20, ${changes}
  bne ${again}
  b ${done}
${others}:
  li 24, 0
${called}:
  ld 20, ${place("now")}(30)
  cmpwi 20, 0
  beq ${called}
  isync
  mtctr 21
  bctrl
  cmpd 3, 20
  bge ${fresh}
  addi 24, 24, 1
${fresh}:
  cmpwi 20, ${changes}
  bne ${called}
  mulli 9, 31, ${stride}
  addi 9, 9, ${place("stale")}
  ldx 10, 9, 30
  add 10, 10, 24
  stdx 10, 9, 30
${done}:
${barrier(cpus, labels)}
  cmpwi 31, 0
  bne ${counted}
  li 9, 0
  std 9, ${place("now")}(30)
${counted}:
`;
}

/** Each processor counts `counts` times in each way; the routine is written `changes` times, in two places. */
export function coherenceGuest(cpus: number, counts: number, changes: number): Uint8Array {
  const labels = new Labels();
  const again = labels.make();
  const other = labels.make();
  const source = `
${start(cpus)}
${barrier(cpus, labels)}
${load(22, counts)}
${again}:
${add("w", place("word"), labels)}
${add("d", place("doubleword"), labels)}
${add("b", place("byte"), labels)}
${addLocked(labels)}
  addi 22, 22, -1
  cmpdi 22, 0
  bne ${again}
${codeChanges(cpus, changes, "near", labels)}
${codeChanges(cpus, changes, "far", labels)}
${barrier(cpus, labels)}
  cmpwi 31, 0
  bne ${other}
${announce(said.counts, labels)}
  lwz 8, ${place("word")}(30)
${tell(0, 8, labels)}
  ld 8, ${place("doubleword")}(30)
${tell(1, 8, labels)}
  lbz 8, ${place("byte")}(30)
${tell(2, 8, labels)}
  ld 8, ${place("locked")}(30)
${tell(3, 8, labels)}
${announce(said.stale, labels)}
${Array.from({ length: cpus }, (_, cpu) => `  ld 8, ${place("stale") + stride * cpu}(30)\n${tell(cpu, 8, labels)}`).join("")}
${other}:
${end(labels)}
  .balign 128
near:
  li 3, 0
  blr
  .org ${farRoutine}
far:
  li 3, 0
  blr
`;
  if (place("stale") + stride * cpus > 0x7fff || sharedArea < farRoutine)
    throw new Error("coherence: too many processors");
  return assemble(source, { origin: 0n, littleEndian: false }).bytes;
}
