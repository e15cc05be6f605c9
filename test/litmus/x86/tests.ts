/**
 * What two to four x86 processors may see of each other's loads and stores, as small programs. Each says one outcome, which the
 * architecture forbids or allows. Every value in memory begins as 0.
 * Source: Intel SDM, Volume 3A, "Memory Ordering"; the tests' names are those of "x86-TSO: A Rigorous and Usable Programmer's
 * Model for x86 Multiprocessors" (Sewell, Sarkar, Owens, Zappa Nardelli, Myreen).
 */

export type Location = "x" | "y";

/**
 * How an access is made: 4 aligned bytes; 4 that are not aligned; 16; as a store, by XCHG, which is locked, or by REP STOS.
 */
export type Form = "plain" | "unaligned" | "wide" | "locked" | "string";

/** One access: a store of 1 or 2, or a load whose value is that digit of the outcome. */
export type Access =
  | { readonly kind: "write"; readonly location: Location; readonly value: 1 | 2; readonly form: Form }
  | { readonly kind: "read"; readonly location: Location; readonly digit: number; readonly form: Form };

/** What stands behind an access that is not the last. "the others" is no ordering: until they have done the try. */
export type Between = "nothing" | "the others" | "mfence" | "lock";

export interface LitmusThread {
  readonly accesses: readonly Access[];
  readonly between: Between;
}

export interface Litmus {
  readonly name: string;
  readonly threads: readonly LitmusThread[];
  /** The values loaded, by thread and in the program's order; behind them what x and y end as, of those that `final` names. */
  readonly outcome: readonly number[];
  readonly final: readonly Location[];
  /** An allowed outcome need not occur. */
  readonly allowed: boolean;
}

/** A shape: accesses by thread, and the outcome that some orderings forbid. */
interface Shape {
  readonly accesses: readonly (readonly (readonly ["write" | "read", Location, (1 | 2)?])[])[];
  readonly outcome: readonly number[];
  readonly final?: readonly Location[];
}

const shapes = {
  /** Message passing. */
  MP: {
    accesses: [
      [
        ["write", "x"],
        ["write", "y"],
      ],
      [
        ["read", "y"],
        ["read", "x"],
      ],
    ],
    outcome: [1, 0],
  },
  /** Store buffering. */
  SB: {
    accesses: [
      [
        ["write", "x"],
        ["read", "y"],
      ],
      [
        ["write", "y"],
        ["read", "x"],
      ],
    ],
    outcome: [0, 0],
  },
  /** Load buffering. */
  LB: {
    accesses: [
      [
        ["read", "x"],
        ["write", "y"],
      ],
      [
        ["read", "y"],
        ["write", "x"],
      ],
    ],
    outcome: [1, 1],
  },
  R: {
    accesses: [
      [
        ["write", "x"],
        ["write", "y"],
      ],
      [
        ["write", "y", 2],
        ["read", "x"],
      ],
    ],
    outcome: [0, 2],
    final: ["y"],
  },
  S: {
    accesses: [
      [
        ["write", "x", 2],
        ["write", "y"],
      ],
      [
        ["read", "y"],
        ["write", "x"],
      ],
    ],
    outcome: [1, 2],
    final: ["x"],
  },
  "2+2W": {
    accesses: [
      [
        ["write", "x"],
        ["write", "y", 2],
      ],
      [
        ["write", "y"],
        ["write", "x", 2],
      ],
    ],
    outcome: [1, 1],
    final: ["x", "y"],
  },
  /** Coherence of two loads of one place. */
  CoRR: {
    accesses: [
      [["write", "x"]],
      [
        ["read", "x"],
        ["read", "x"],
      ],
    ],
    outcome: [1, 0],
  },
  /** A processor's own store is seen by it before the others see it. */
  n6: {
    accesses: [
      [
        ["write", "x"],
        ["read", "x"],
        ["read", "y"],
      ],
      [
        ["write", "y", 2],
        ["write", "x", 2],
      ],
    ],
    outcome: [1, 0, 1],
    final: ["x"],
  },
  /** Write to read causality. */
  WRC: {
    accesses: [
      [["write", "x"]],
      [
        ["read", "x"],
        ["write", "y"],
      ],
      [
        ["read", "y"],
        ["read", "x"],
      ],
    ],
    outcome: [1, 1, 0],
  },
  /** Independent reads of independent writes. */
  IRIW: {
    accesses: [
      [["write", "x"]],
      [["write", "y"]],
      [
        ["read", "x"],
        ["read", "y"],
      ],
      [
        ["read", "y"],
        ["read", "x"],
      ],
    ],
    outcome: [1, 0, 1, 0],
  },
} as const satisfies Record<string, Shape>;

interface How {
  readonly between?: Between;
  /** Of stores, and of loads. */
  readonly writes?: Form;
  readonly reads?: Form;
}

function litmus(allowed: boolean, shape: keyof typeof shapes, how: How = {}): Litmus {
  const { accesses, outcome, final = [] }: Shape = shapes[shape];
  const { between = "nothing", writes = "plain", reads = "plain" } = how;
  let digit = 0;
  const threads = accesses.map((list): LitmusThread => {
    const made = list.map(
      ([kind, location, value = 1]): Access =>
        kind === "read" ? { kind, location, digit: digit++, form: reads } : { kind, location, value, form: writes },
    );
    return { accesses: made, between };
  });
  const forms = [...new Set([writes, reads])].filter((form) => form !== "plain");
  const name = [shape, ...(between === "nothing" ? [] : [between]), ...forms].join("+");
  return { name, threads, outcome, final, allowed };
}

const forbidden = (shape: keyof typeof shapes, how?: How) => litmus(false, shape, how);
const allowed = (shape: keyof typeof shapes, how?: How) => litmus(true, shape, how);

/** Store buffers are what every host of x86 has: this is to be seen there, unless the engine orders accesses. */
export const storeBuffers = allowed("SB");

export const litmusTests: readonly Litmus[] = [
  storeBuffers,
  forbidden("SB", { between: "mfence" }),
  forbidden("SB", { between: "lock" }),
  forbidden("SB", { writes: "locked" }),
  forbidden("SB", { between: "mfence", writes: "unaligned", reads: "unaligned" }),
  forbidden("SB", { between: "lock", writes: "wide", reads: "wide" }),
  forbidden("MP"),
  forbidden("MP", { writes: "unaligned", reads: "unaligned" }),
  forbidden("MP", { writes: "wide", reads: "wide" }),
  forbidden("MP", { writes: "string" }),
  forbidden("LB"),
  forbidden("LB", { writes: "unaligned", reads: "unaligned" }),
  allowed("R"),
  forbidden("R", { between: "mfence" }),
  forbidden("S"),
  forbidden("2+2W"),
  forbidden("CoRR"),
  allowed("n6"),
  forbidden("WRC"),
  forbidden("IRIW"),
  forbidden("IRIW", { between: "lock" }),
  forbidden("IRIW", { writes: "wide", reads: "wide" }),
];

/**
 * The same test with its last thread's accesses in the other order, where nothing forbids the outcome any more, and the others'
 * between them, so that it comes often: what sees this one would see the other's fault.
 */
export function turnedRound(test: Litmus): Litmus {
  const last = test.threads.length - 1;
  const threads = test.threads.map((thread, i) =>
    i === last ? { accesses: [...thread.accesses].reverse(), between: "the others" as const } : thread,
  );
  return { ...test, name: `${test.name} turned round`, threads, allowed: true };
}
