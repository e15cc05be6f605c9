/**
 * What two to four processors may see of each other's loads and stores, as small programs. Each says one outcome, which the
 * architecture forbids or allows. Every value in storage begins as 0.
 * Source: Power ISA v3.0B, Book II "Storage Ordering" and "Memory Barrier Instructions"; the tests' names are those of
 * "A Tutorial Introduction to the ARM and POWER Relaxed Memory Models" (Maranget, Sarkar, Sewell).
 */

export type Location = "x" | "y";

/** One access: a store of 1 or 2, or a load whose value is that digit of the outcome. */
export type Access =
  | { readonly kind: "write"; readonly location: Location; readonly value: 1 | 2 }
  | { readonly kind: "read"; readonly location: Location; readonly digit: number };

/**
 * What stands between two accesses: a barrier, or what makes the second depend on the load before it: its address, its
 * data, a branch that depends on what was loaded, with isync behind it. "the others" is no ordering: until they have done it.
 */
export type Between = "nothing" | "the others" | "sync" | "lwsync" | "address" | "data" | "control" | "control isync";

export interface LitmusThread {
  readonly accesses: readonly Access[];
  /** Between the two accesses, if there are two. */
  readonly between: Between;
}

export interface Litmus {
  readonly name: string;
  readonly threads: readonly LitmusThread[];
  /**
   * The outcome that is looked for: the values loaded, by thread and in the order that the program has them, and behind
   * them what x and y end as, of those that `final` names.
   */
  readonly outcome: readonly number[];
  readonly final: readonly Location[];
  /** An allowed outcome need not occur: hosts may be stronger than the architecture. */
  readonly allowed: boolean;
}

const write = (location: Location, value: 1 | 2 = 1) => ({ kind: "write", location, value }) as const;
const read = (location: Location) => ({ kind: "read", location }) as const;

/** A shape: accesses by thread, and the outcome that some orderings forbid. */
interface Shape {
  readonly accesses: readonly (readonly (ReturnType<typeof write> | ReturnType<typeof read>)[])[];
  readonly outcome: readonly number[];
  readonly final?: readonly Location[];
}

const shapes = {
  /** Message passing. */
  MP: {
    accesses: [
      [write("x"), write("y")],
      [read("y"), read("x")],
    ],
    outcome: [1, 0],
  },
  /** Store buffering. */
  SB: {
    accesses: [
      [write("x"), read("y")],
      [write("y"), read("x")],
    ],
    outcome: [0, 0],
  },
  /** Load buffering. */
  LB: {
    accesses: [
      [read("x"), write("y")],
      [read("y"), write("x")],
    ],
    outcome: [1, 1],
  },
  R: {
    accesses: [
      [write("x"), write("y")],
      [write("y", 2), read("x")],
    ],
    outcome: [0, 2],
    final: ["y"],
  },
  S: {
    accesses: [
      [write("x", 2), write("y")],
      [read("y"), write("x")],
    ],
    outcome: [1, 2],
    final: ["x"],
  },
  "2+2W": {
    accesses: [
      [write("x"), write("y", 2)],
      [write("y"), write("x", 2)],
    ],
    outcome: [1, 1],
    final: ["x", "y"],
  },
  /** Coherence of two loads of one place. */
  CoRR: { accesses: [[write("x")], [read("x"), read("x")]], outcome: [1, 0] },
  /** Write to read causality. */
  WRC: { accesses: [[write("x")], [read("x"), write("y")], [read("y"), read("x")]], outcome: [1, 1, 0] },
  /** Independent reads of independent writes. */
  IRIW: {
    accesses: [[write("x")], [write("y")], [read("x"), read("y")], [read("y"), read("x")]],
    outcome: [1, 0, 1, 0],
  },
} as const satisfies Record<string, Shape>;

function litmus(allowed: boolean, shape: keyof typeof shapes, ...between: readonly Between[]): Litmus {
  const { accesses, outcome, final = [] }: Shape = shapes[shape];
  const rest = [...between];
  let digit = 0;
  const threads = accesses.map((list): LitmusThread => {
    const it = list.length > 1 ? rest.shift() : "nothing";
    if (it === undefined) throw new Error(`${shape}: no ordering is said for one of its threads`);
    const numbered = list.map((one) => (one.kind === "read" ? { ...one, digit: digit++ } : one));
    return { accesses: numbered, between: it };
  });
  return { name: [shape, ...between].join("+").replaceAll(" ", "-"), threads, outcome, final, allowed };
}

const forbidden = (shape: keyof typeof shapes, ...between: readonly Between[]) => litmus(false, shape, ...between);
const allowed = (shape: keyof typeof shapes, ...between: readonly Between[]) => litmus(true, shape, ...between);

/** Store buffers are what every host has: this outcome is to be seen, or nothing else that is not seen means anything. */
export const seenEverywhere = allowed("SB", "nothing", "nothing");

export const litmusTests: readonly Litmus[] = [
  seenEverywhere,
  forbidden("SB", "sync", "sync"),
  allowed("SB", "lwsync", "lwsync"),
  forbidden("MP", "sync", "sync"),
  forbidden("MP", "lwsync", "lwsync"),
  forbidden("MP", "lwsync", "address"),
  forbidden("MP", "lwsync", "control isync"),
  forbidden("LB", "sync", "sync"),
  forbidden("LB", "lwsync", "lwsync"),
  forbidden("LB", "address", "address"),
  forbidden("LB", "data", "data"),
  forbidden("LB", "control", "control"),
  forbidden("R", "sync", "sync"),
  allowed("R", "nothing", "nothing"),
  forbidden("S", "lwsync", "lwsync"),
  forbidden("S", "lwsync", "data"),
  forbidden("2+2W", "sync", "sync"),
  forbidden("2+2W", "lwsync", "lwsync"),
  forbidden("CoRR", "nothing"),
  forbidden("WRC", "lwsync", "address"),
  forbidden("WRC", "sync", "sync"),
  forbidden("IRIW", "sync", "sync"),
  allowed("IRIW", "lwsync", "lwsync"),
];

/**
 * The same test with its last thread's accesses in the other order, where nothing forbids the outcome any more, and
 * the others' between them, so that it comes often: what sees this one would see the other's fault.
 */
export function turnedRound(test: Litmus): Litmus {
  const last = test.threads.length - 1;
  const threads = test.threads.map((thread, i) =>
    i === last ? { accesses: [...thread.accesses].reverse(), between: "the others" as const } : thread,
  );
  return { ...test, name: `${test.name} turned round`, threads, allowed: true };
}
