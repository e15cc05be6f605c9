/**
 * What two forms of decoded code cost where instructions have several lengths: an entry of 8 bytes for each byte of a page (as the
 * engine has it), and a map of 16-bit indices to entries of 16 bytes in execution order. docs/decisions/0014 has the result.
 *
 *   node dist/bench/decode-map.js [--rounds N]
 *
 * The code is made up from what was counted in a boot of amd64: 190 instructions on a page of 4 KiB that lie together in runs, of
 * 3.3 bytes on average, and a taken branch after every sixth, two of three within the page. What runs is only the way from one
 * instruction to the next, with a load of what the handler is told; a page's entries are filled in the order in which they first run.
 */
import { parseArgs } from "node:util";

const pageSize = 4096;
const perPage = 190;

/** The same numbers on each run. */
function generator(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * below);
  };
}

/** Where the instruction after this one is: the next, or a taken branch's target; positions are page * 4096 + byte. */
interface Program {
  readonly pages: number;
  /** In the order in which they first run. */
  readonly order: readonly number[];
  readonly length: ReadonlyMap<number, number>;
  /** Of those that end with a taken branch: a place in the same page. */
  readonly target: ReadonlyMap<number, number>;
  /** Where every third taken branch goes instead, in turn: without these, the walk would soon go round in one loop. */
  readonly elsewhere: Int32Array;
}

function makeProgram(pages: number): Program {
  const random = generator(pages);
  const places: number[][] = [];
  const length = new Map<number, number>();
  for (let page = 0; page < pages; page++) {
    const list: number[] = [];
    // Runs of six at random places, as functions and their hot parts lie.
    const taken = new Uint8Array(pageSize);
    while (list.length < perPage) {
      let at = random(pageSize - 64);
      for (let i = 0; i < 6 && list.length < perPage; i++) {
        const bytes = 1 + random(6);
        if (taken.subarray(at, at + bytes).some(Boolean)) break;
        taken.fill(1, at, at + bytes);
        list.push(page * pageSize + at);
        length.set(page * pageSize + at, bytes);
        at += bytes;
      }
    }
    places.push(list);
  }
  const target = new Map<number, number>();
  const order: number[] = [];
  const seen = new Set<number>();
  const anywhere = () => {
    const list = places[random(pages)] as number[];
    return list[random(list.length)] as number;
  };
  let at = anywhere();
  let run = 0;
  for (let steps = 0; steps < pages * perPage * 20; steps++) {
    if (!seen.has(at)) {
      seen.add(at);
      order.push(at);
    }
    const next = at + (length.get(at) as number);
    const known = target.get(at);
    if (known !== undefined) {
      at = random(3) < 2 ? known : anywhere();
      run = 0;
    } else if (++run >= 6 || !length.has(next)) {
      const list = places[Math.floor(at / pageSize)] as number[];
      target.set(at, list[random(list.length)] as number);
      at = anywhere();
      run = 0;
    } else at = next;
  }
  // What the walk never came to leads back.
  for (const [place, bytes] of length) if (!target.has(place) && !length.has(place + bytes)) target.set(place, at);
  return { pages, order, length, target, elsewhere: Int32Array.from({ length: 1 << 16 }, anywhere) };
}

type Walk = (steps: number) => number;

/** 8 bytes for each byte: length, and the target's position or -1. */
function perByte({ pages, order, length, target, elsewhere }: Program): { bytes: number; walk: Walk } {
  const entries = new Int32Array(pages * pageSize * 2);
  for (const at of length.keys()) {
    entries[2 * at] = length.get(at) as number;
    entries[2 * at + 1] = target.get(at) ?? -1;
  }
  let at = order[0] as number;
  let taken = 0;
  const walk = (steps: number): number => {
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      const to = entries[2 * at + 1] as number;
      sum = (sum + to) | 0;
      if (to < 0) at += entries[2 * at] as number;
      else at = ++taken % 3 === 0 ? (elsewhere[taken & 0xffff] as number) : to;
    }
    return sum;
  };
  return { bytes: entries.byteLength / pages, walk };
}

/** A map for each page, 16 bits a byte, and entries of 16 bytes: the next follows unless it is another run's. */
function mapped({ pages, order, length, target, elsewhere }: Program): { bytes: number; walk: Walk } {
  const map = new Uint16Array(pages * pageSize);
  const room = 256;
  const entries = new Int32Array(pages * room * 4);
  const used = new Uint16Array(pages);
  const ran = new Set(order);
  const all = [...order, ...[...length.keys()].filter((at) => !ran.has(at))];
  for (const at of all) {
    const page = Math.floor(at / pageSize);
    const index = used[page] as number;
    used[page] = index + 1;
    map[at] = index;
  }
  const entryOf = (at: number) => (Math.floor(at / pageSize) * room + (map[at] as number)) * 4;
  for (const at of all) {
    const next = at + (length.get(at) as number);
    const entry = entryOf(at);
    entries[entry] = target.get(at) ?? -1;
    // Where what follows ran before: a link, as a jump.
    entries[entry + 1] = length.has(next) && entryOf(next) === entry + 4 ? -1 : next;
  }
  let entry = entryOf(order[0] as number);
  let taken = 0;
  const walk = (steps: number): number => {
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      let to = entries[entry] as number;
      sum = (sum + to) | 0;
      if (to < 0) to = entries[entry + 1] as number;
      else if (++taken % 3 === 0) to = elsewhere[taken & 0xffff] as number;
      entry = to < 0 ? entry + 4 : ((to >>> 12) * room + (map[to] as number)) * 4;
    }
    return sum;
  };
  return { bytes: pageSize * 2 + perPage * 16, walk };
}

function nanoseconds(walk: Walk, rounds: number): number {
  const steps = 4_000_000;
  walk(steps);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    walk(steps);
    const { user } = process.cpuUsage(before);
    best = Math.min(best, (user * 1000) / steps);
  }
  return best;
}

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
console.log("pages | form | bytes a page | ns an instruction");
for (const pages of [1, 8, 64, 400, 1694]) {
  const program = makeProgram(pages);
  for (const [form, make] of [
    ["an entry a byte", perByte],
    ["map and entries", mapped],
  ] as const) {
    const { bytes, walk } = make(program);
    console.log(`${pages} | ${form} | ${bytes} | ${nanoseconds(walk, Number(values.rounds)).toFixed(2)}`);
  }
}
