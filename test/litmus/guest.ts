/**
 * The guest that runs litmus tests (tests.ts). All processors go through rounds of `batch` tries. A try has places of its
 * own for x, y and what was loaded; before each one the processors wait for one another, but not for long, since the other
 * may have no processor of the host just now, and then for a moment that is drawn. Between the rounds they do wait, and
 * processor 0 counts what came out.
 */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { barrier, end, header, Labels, load, say, start, stride } from "./processors.js";
import type { Access, Between, Litmus, LitmusThread, Location } from "./tests.js";

/** Tries between two counts. */
export const batch = 4096;
/** Looks at whether the others have come, before a try. */
const patience = 64;
/** The same where a try waits for the others in its middle: some times as long as they may have no processor. */
const longPatience = 100_000;
/** Bits of a digit of an outcome, and digits of it. */
const digitBits = 2;
const digits = 4;
export const outcomes = 2 ** (digitBits * digits);

/** Where in memory the tries' places begin, `stride` from one to the next, so that each try is fetched anew. */
const area = {
  counts: 0x11_0000,
  loaded: 0x20_0000,
  x: 0x30_0000,
  y: 0x40_0080,
} as const;
/** From `sharedArea`, behind what `barrier` has. */
const shared = { met: 2 * stride, step: 4 * stride } as const;

/** In place of an outcome: in how many tries processor 0 found all others there. */
export const metKey = 0xffffn;

const places: Readonly<Record<Location, number>> = { x: 26, y: 25 };

/** An access; `index`: a register that holds 0 and depends on the load before, or none. */
function access(one: Access, index: number | undefined, data: number | undefined, into: number): string {
  const base = places[one.location];
  if (one.kind === "read") {
    return index === undefined ? `  lwz ${into}, 0(${base})\n` : `  lwzx ${into}, ${base}, ${index}\n`;
  }
  const value = data === undefined ? `  li 9, ${one.value}\n` : `  addi 9, ${data}, ${one.value}\n`;
  return value + (index === undefined ? `  stw 9, 0(${base})\n` : `  stwx 9, ${base}, ${index}\n`);
}

const barriers: Partial<Record<Between, string>> = { nothing: "", sync: "  sync\n", lwsync: "  lwsync\n" };

/** Waits until the others are `ahead` tries further than this one, for so many looks in all, of which CTR has the rest. */
function meet(others: readonly number[], ahead: number, looks: number, labels: Labels): string {
  const wait = (other: number): string => {
    const [poll, there] = [labels.make(), labels.make()];
    return `${poll}:\n  lwz 10, ${shared.step + stride * other}(30)\n  cmpw 10, 9\n  bge ${there}\n  bdnz ${poll}\n  b ${gone}\n${there}:\n`;
  };
  const gone = labels.make();
  return `${load(9, looks)}  mtctr 9\n  addi 9, 19, ${ahead}\n${others.map(wait).join("")}${gone}:\n`;
}

/** The accesses of one processor; what it loads is in r20 and r21, by access. */
function body(thread: LitmusThread, others: readonly number[], labels: Labels): string {
  const [first, second] = thread.accesses;
  if (!first) return "";
  const begin = access(first, undefined, undefined, 20);
  if (!second) return begin;
  if (thread.between === "the others") {
    return begin + meet(others, 1, longPatience, labels) + access(second, undefined, undefined, 21);
  }
  const barrier = barriers[thread.between];
  if (barrier !== undefined) return begin + barrier + access(second, undefined, undefined, 21);
  if (first.kind !== "read") throw new Error(`${thread.between}: nothing depends on a store`);
  const dependent = "  xor 10, 20, 20\n";
  if (thread.between === "address") return begin + dependent + access(second, 10, undefined, 21);
  if (thread.between === "data") return begin + dependent + access(second, undefined, 10, 21);
  const target = labels.make();
  const isync = thread.between === "control isync" ? "  isync\n" : "";
  return `${begin}  cmpwi 20, 0\n  beq ${target}\n${target}:\n${isync}${access(second, undefined, undefined, 21)}`;
}

/** `body` for each try of a round: r26, r25 and r24 are where its x, y and what was loaded lie. */
function forEachTry(labels: Labels, body: string): string {
  const again = labels.make();
  return `
  li 28, ${batch}
${load(26, area.x)}
${load(25, area.y)}
${load(24, area.loaded)}
${again}:
${body}
  addi 26, 26, ${stride}
  addi 25, 25, ${stride}
  addi 24, 24, ${4 * digits}
  addi 28, 28, -1
  cmpdi 28, 0
  bne ${again}
`;
}

/** All tries of one test by one processor. r31: its number; r30: what all see; r27: drawn numbers; r22: rounds begun. */
function processor(test: Litmus, id: number, cpus: number, labels: Labels): string {
  const thread = test.threads[id] ?? { accesses: [], between: "nothing" as const };
  const others = Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => cpu !== id);
  const [drawn, wait] = [labels.make(), labels.make()];
  const store = thread.accesses
    .map((one, i) => (one.kind === "read" ? `  stw ${20 + i}, ${4 * one.digit}(24)\n` : ""))
    .join("");
  return forEachTry(
    labels,
    `
  addi 19, 19, 1
  stw 19, ${shared.step + stride * id}(30)
${meet(others, 0, patience, labels)}
${
  id === 0
    ? `  mfctr 9\n  cmpdi 9, 0\n  beq ${drawn}\n  ld 10, ${shared.met}(30)\n  addi 10, 10, 1\n  std 10, ${shared.met}(30)\n`
    : ""
}
${drawn}:
  mulli 27, 27, 25173
  addi 27, 27, 13849
  rlwinm 9, 27, 20, 28, 31
  addi 9, 9, 1
  mtctr 9
${wait}:
  bdnz ${wait}
${body(thread, others, labels)}
${store}`,
  );
}

/** Processor 0 counts a round's outcomes and clears the places. */
function count(test: Litmus, labels: Labels): string {
  const loads = test.threads.flatMap(({ accesses }) => accesses).filter(({ kind }) => kind === "read").length;
  const values = [
    ...Array.from({ length: loads }, (_, i) => `  lwz 9, ${4 * i}(24)\n`),
    ...test.final.map((location) => `  lwz 9, 0(${places[location]})\n`),
  ];
  // The first digit in the low bits.
  const collect = values.map((value, i) => `${value}  sldi 9, 9, ${3 + digitBits * i}\n  or 10, 10, 9\n`).join("");
  const one = `
  li 10, 0
${collect}
  ldx 9, 23, 10
  addi 9, 9, 1
  stdx 9, 23, 10
  li 9, 0
  stw 9, 0(26)
  stw 9, 0(25)`;
  return `
${load(23, area.counts)}
${forEachTry(labels, one)}`;
}

/** Processor 0 says what was counted, and forgets it. */
function report(number: number, labels: Labels): string {
  const [again, none] = [labels.make(), labels.make()];
  return `
${load(23, area.counts)}
  lis 6, ${Number(header >> 48n)}
  sldi 6, 6, 32
  ori 6, 6, ${number}
  li 7, 0
${say(labels.make())}
  li 14, 0
${again}:
  sldi 15, 14, 3
  ldx 7, 23, 15
  cmpdi 7, 0
  beq ${none}
  li 6, 0
  stdx 6, 23, 15
  mr 6, 14
${say(labels.make())}
${none}:
  addi 14, 14, 1
  cmpdi 14, ${outcomes}
  bne ${again}
  ori 6, 6, 0xffff
  li 6, 0
  ori 6, 6, ${metKey}
  ld 7, ${shared.met}(30)
${say(labels.make())}
  li 6, 0
  std 6, ${shared.met}(30)
`;
}

function section(test: Litmus, number: number, cpus: number, rounds: number, labels: Labels): string {
  const again = labels.make();
  const end = labels.make();
  const starts = Array.from({ length: cpus }, () => labels.make());
  const other = labels.make();
  const choose = starts.map((start, id) => `  cmpwi 31, ${id}\n  beq ${start}\n`).join("");
  const programs = starts.map((start, id) => `${start}:\n${processor(test, id, cpus, labels)}\n  b ${end}\n`).join("");
  return `
${load(22, rounds)}
${again}:
${barrier(cpus, labels)}
${choose}
${programs}
${end}:
${barrier(cpus, labels)}
  cmpwi 31, 0
  bne ${other}
${count(test, labels)}
${other}:
  addi 22, 22, -1
  cmpdi 22, 0
  bne ${again}
  cmpwi 31, 0
  bne ${other}end
${report(number, labels)}
${other}end:
`;
}

/**
 * The guest's memory from address 0, where it is entered, big-endian, for `cpus` processors. Each test is tried
 * `rounds * batch` times. Throws if a test has more processors.
 */
export function litmusGuest(tests: readonly Litmus[], cpus: number, rounds: number, seed: number): Uint8Array {
  const labels = new Labels();
  for (const { name, threads } of tests) {
    if (threads.length > cpus) throw new Error(`${name} has ${threads.length} processors, the guest ${cpus}`);
  }
  const source = `
${start(cpus)}
${load(27, seed & 0x7fff_ffff)}
  mulli 9, 31, 7919
  add 27, 27, 9
  li 19, 0
${tests.map((test, i) => section(test, i, cpus, rounds, labels)).join("")}
${end(labels)}
`;
  return assemble(source, { origin: 0n, littleEndian: false }).bytes;
}
