/**
 * What a guest's tlbie costs: a page changes its place, again and again, as kvm-unit-tests' `mmu` does it, first alone and
 * then under another processor that uses the page all the time. Written like the tests of the self-test guest; each part reports
 * the time base ticks it took, and how often the page was used where it no longer was.
 */

import { type Author, base, type SelfTest } from "../guests/selftest/author.js";
import { buildGuest, memoryMap, PTE, type SelfTestGuest } from "../guests/selftest/guest.js";
import {
  epilogue,
  obeyed,
  order,
  prologue,
  secondProcessor,
  stopProcessor,
} from "../guests/selftest/tests/processors.js";
import { assembleWord } from "../src/arch/powerpc/isa/assembler.js";

export const parts = [
  "tlbiel",
  "tlbie, alone",
  "tlbie, the other reads",
  "tlbie, the other writes",
  "tlbie, the other runs it",
] as const;
export type Part = (typeof parts)[number];
/** A part's reports. */
export const ticks = "ticks";
export const stale = "stale";

/** The page, and the two places where it lies in turn, which hold 0 and -1. */
const page = 0x10800000;
const places = [memoryMap.data + 0xa0000, memoryMap.data + 0xb0000] as const;
const table = (n: number) => memoryMap.tables + 0x1000 * n;
const directory = table(3) + 8 * (page >> 21);
const entry = table(9);
const rights = PTE.valid | PTE.leaf | PTE.write | PTE.execute | PTE.referenced | PTE.changed;

const flush = (instruction: string) => `
  ptesync
  ${instruction} r4, r5, 0, 1, 1${instruction === "tlbie" ? "\n  eieio\n  tlbsync" : ""}
  ptesync`;

/** r19: the page; r21: its entry; r22, r23: the entry's values; r16, r17: the places; r4, r5: RB and RS of tlbie. */
const prepare = (t: Author) => `
${t.load("r3", PTE.valid | BigInt(table(9)) | 5n)}
${t.load("r4", directory)}
  bl setEntry
${t.load("r19", page)}
${t.load("r21", base + BigInt(entry))}
${t.load("r22", rights | BigInt(places[0]))}
${t.load("r23", rights | BigInt(places[1]))}
${t.load("r16", base + BigInt(places[0]))}
${t.load("r17", base + BigInt(places[1]))}
${t.storeBig("r22", "r21")}
  li r20, 0
${t.load("r4", page | (5 << 5))}
${t.load("r5", 1n << 32n)}
${flush("tlbie")}
  mftb r14`;

const report = (t: Author) => `
  mftb r15
  subf r14, r14, r15
${t.check(ticks, "r14", 0, 0n)}
${t.check(stale, "r20", 0)}`;

/** The processor that moves the page is the one that reads it. */
const alone = (name: Part, instruction: string, rounds: number): SelfTest => ({
  name,
  environment: "virtual",
  source: (t) => {
    const step = (value: string, expected: number) => {
      const right = t.label("right");
      return `
  ld r15, 0(r19)
  cmpdi r15, ${expected}
  beq ${right}
  addi r20, r20, 1
${right}:
${t.storeBig(value, "r21")}
${flush(instruction)}`;
    };
    const again = t.label("again");
    return `
${prepare(t)}
  li r15, 0
  std r15, 0(r16)
  li r15, -1
  std r15, 0(r17)
${t.load("r18", rounds)}
${again}:
${step("r23", 0)}
${step("r22", -1)}
  addi r18, r18, -1
  cmpdi r18, 0
  bne ${again}
${report(t)}`;
  },
});

/** What the second processor does with the page, and how the first finds that it was done where the page no longer was. */
interface Together {
  readonly name: Part;
  /** Before the first change; r16, r17: the places. */
  readonly begin?: (t: Author) => string;
  /** After a change: `old` is the place that was left. r20 counts what is wrong. */
  readonly changed: (t: Author, old: string) => string;
  /** The second processor's loop, over and over; r19: the page, r30: what both see. What it counts in r20 is added. */
  readonly loop: (t: Author) => string;
}

/** Doublewords that both see: the end, the second one's count and one more than that, and what the page should hold. */
const shared = { end: 128, count: 256, now: 384 } as const;

/** One processor moves the page while the other uses it. */
const together = ({ name, begin, changed, loop }: Together, rounds: number): SelfTest => ({
  name,
  environment: "virtual",
  source: (t) => {
    const step = (value: string, old: string) => `
${t.storeBig(value, "r21")}
${flush("tlbie")}
${changed(t, old)}`;
    const [again, wait, second, secondAgain, end] = Array.from({ length: 5 }, () => t.label("together"));
    return `
${prologue(t)}
${prepare(t)}
  li r15, 0
  std r15, 0(r16)
  std r15, 0(r17)
  std r15, ${shared.end}(r30)
  std r15, ${shared.count}(r30)
  std r15, ${shared.now}(r30)
${begin?.(t) ?? ""}
${order(t, `${second}`)}
${wait}:
  ld r15, ${shared.count}(r30)
  cmpdi r15, 0
  beq ${wait}
  mftb r14
${t.load("r18", rounds)}
${again}:
${step("r23", "r16")}
${step("r22", "r17")}
  addi r18, r18, -1
  cmpdi r18, 0
  bne ${again}
  mftb r15
  subf r14, r14, r15
  li r15, 1
  std r15, ${shared.end}(r30)
${obeyed(t)}
  ld r15, ${shared.count}(r30)
  add r20, r20, r15
  addi r20, r20, -1
${t.check(ticks, "r14", 0, 0n)}
${t.check(stale, "r20", 0)}
${epilogue(t)}
  b ${end}
${second}:
  mflr r24
${t.load("r19", page)}
  li r20, 1
${secondAgain}:
  std r20, ${shared.count}(r30)
${loop(t)}
  ld r15, ${shared.end}(r30)
  cmpdi r15, 0
  beq ${secondAgain}
  std r20, ${shared.count}(r30)
  mtlr r24
  blr
${end}:
`;
  },
});

/** As kvm-unit-tests does it: the place where the page was is spoilt, and the other reads in one long stretch of code. */
const reads: Together = {
  name: "tlbie, the other reads",
  changed: (_, old) => `
  li r15, -1
  std r15, 0(${old})
  li r15, 0
  std r15, 0(${old})`,
  loop: () => "  lbz r15, 0(r19)\n  subf r20, r15, r20\n".repeat(256),
};

/** The place where the page was stays as it is while the other writes. */
const writes: Together = {
  name: "tlbie, the other writes",
  changed: (t, old) => {
    const [right, wrong, again] = [t.label("right"), t.label("wrong"), t.label("again")];
    return `
  li r15, 77
  std r15, 8(${old})
  li r28, 8
${again}:
  ld r15, 8(${old})
  cmpdi r15, 77
  bne ${wrong}
  addi r28, r28, -1
  cmpdi r28, 0
  bne ${again}
  b ${right}
${wrong}:
  addi r20, r20, 1
${right}:`;
  },
  loop: () => "  std r20, 8(r19)\n  nop\n".repeat(32),
};

const word = (text: string) => assembleWord(text);
/** Where in the page its routine lies: it returns the number of its place in r3. */
const routine = 256;

/**
 * The other calls what is in the page. `now` counts up: odd while the page moves, then bit 1 names the place. An isync would
 * be right before the call, but with it a vCPU looks for requests; there is none that fetches ahead.
 */
const runs: Together = {
  name: "tlbie, the other runs it",
  begin: (t) =>
    ["r16", "r17"]
      .map(
        (place, n) => `
${t.load("r15", word(`li r3, ${n}`))}
  stw r15, ${routine}(${place})
${t.load("r15", word("blr"))}
  stw r15, ${routine + 4}(${place})
  addi r15, ${place}, ${routine}
  dcbst 0, r15
  sync
  icbi 0, r15
  sync
  isync`,
      )
      .join("\n")
      .concat(`\n  li r24, 1\n  std r24, ${shared.now}(r30)`),
  changed: (t) => {
    const again = t.label("again");
    return `
  addi r24, r24, 1
  std r24, ${shared.now}(r30)
  sync
  li r28, 40
${again}:
  addi r28, r28, -1
  cmpdi r28, 0
  bne ${again}
  addi r24, r24, 1
  std r24, ${shared.now}(r30)
  sync`;
  },
  loop: (t) => {
    const skip = t.label("skip");
    return `
  addi r15, r19, ${routine}
  mtctr r15
  ld r16, ${shared.now}(r30)
  andi. r15, r16, 1
  bne ${skip}
  lwsync
  bctrl
  lwsync
  ld r17, ${shared.now}(r30)
  cmpd r16, r17
  bne ${skip}
  rldicl r15, r16, 63, 63
  cmpd r3, r15
  beq ${skip}
  addi r20, r20, 1
${skip}:`;
  },
};

/** The guest; each part changes the page `2 * rounds` times. */
export function tlbieGuest(rounds: number): SelfTestGuest {
  return buildGuest(
    [
      alone("tlbiel", "tlbiel", rounds),
      alone("tlbie, alone", "tlbie", rounds),
      secondProcessor,
      ...[reads, writes, runs].map((one) => together(one, rounds)),
      stopProcessor,
    ],
    true,
  );
}
