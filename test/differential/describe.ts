/**
 * What an instruction touches, found by running its semantics against a machine that computes nothing and takes notes.
 * The generator uses it to aim storage accesses at the window and to leave out what a user program cannot run.
 */
import { type HelperName, helpers } from "../../src/arch/powerpc/isa/helpers.js";
import type { Machine } from "../../src/arch/powerpc/isa/machine.js";
import type { Variant } from "../../src/arch/powerpc/isa/pattern.js";

export interface Description {
  /** Operand names used as register numbers, for reading and for writing, by file. */
  readonly reads: Readonly<Record<RegisterFile, ReadonlySet<string>>>;
  readonly writes: Readonly<Record<RegisterFile, ReadonlySet<string>>>;
  /** Single registers (`Machine.get`, `.set`). */
  readonly gets: ReadonlySet<string>;
  readonly sets: ReadonlySet<string>;
  readonly helpers: ReadonlySet<HelperName>;
  readonly traps: ReadonlySet<string>;
  readonly memory: boolean;
  readonly jumps: boolean;
}
export type RegisterFile = "gpr" | "fpr" | "vsr" | "vr";

/** A value of the note-taking machine: which operands it was computed from directly (not through registers). */
class Token {
  constructor(readonly from: ReadonlySet<string> = new Set()) {}
}

const files = ["gpr", "fpr", "vsr", "vr"] as const;
const fileSets = () =>
  Object.fromEntries(files.map((f) => [f, new Set<string>()])) as Record<RegisterFile, Set<string>>;

/** Runs the semantics once, both sides of every `m.if`, in 64-bit mode. */
export function describe(variant: Variant, littleEndian: boolean): Description {
  const reads = fileSets();
  const writes = fileSets();
  const gets = new Set<string>();
  const sets = new Set<string>();
  const called = new Set<HelperName>();
  const traps = new Set<string>();
  let memory = false;
  let jumps = false;

  const tokensOf = (values: readonly unknown[]) => values.filter((v): v is Token => v instanceof Token);
  const combine = (...values: unknown[]) => new Token(new Set(tokensOf(values).flatMap((t) => [...t.from])));
  const note = (set: Set<string>, number: unknown) => {
    for (const name of number instanceof Token ? number.from : []) set.add(name);
  };
  // Stands for m.i32 and the like, and for methods that leave nothing to note.
  const anything = new Proxy(combine, { get: () => combine });
  const access = () => {
    memory = true;
    return new Token();
  };
  const methods: Record<string, unknown> = {
    mode64: true,
    littleEndian,
    get: (name: string) => {
      gets.add(name);
      return new Token();
    },
    set: (name: string) => void sets.add(name),
    crField: () => new Token(),
    crBit: () => new Token(),
    setCrField: () => void sets.add("cr"),
    setCrBit: () => void sets.add("cr"),
    load: access,
    store: access,
    loadQuad: access,
    storeQuad: access,
    zeroBlock: access,
    loadReserve: access,
    storeConditional: access,
    loadReserveQuad: access,
    storeConditionalQuad: access,
    requireAlignment: () => void traps.add("alignment"),
    raiseAlignment: () => void traps.add("alignment"),
    fence: () => {},
    cia: () => new Token(),
    jump: () => {
      jumps = true;
    },
    raise: (trap: string) => void traps.add(trap),
    if: (_condition: unknown, then: () => void, otherwise?: () => void) => {
      then();
      otherwise?.();
    },
    select: combine,
    repeat: (_count: unknown, body: (index: Token) => void) => body(new Token()),
    call: (name: HelperName) => {
      called.add(name);
      return new Token();
    },
    gprOrZero: (n: unknown) => {
      note(reads.gpr, n);
      return new Token();
    },
  };
  for (const file of files) {
    methods[file] = (n: unknown) => {
      note(reads[file], n);
      return new Token();
    };
    methods[`set${file[0]?.toUpperCase()}${file.slice(1)}`] = (n: unknown) => note(writes[file], n);
  }
  // Scalars are doubleword 0 of any VSR; VSX's operands are called xt, xa, xb.
  const scalars = (sets: Record<RegisterFile, Set<string>>) => (number: unknown) => {
    for (const name of number instanceof Token ? number.from : []) sets[name.startsWith("x") ? "vsr" : "fpr"].add(name);
    return new Token();
  };
  methods["fpr"] = methods["double"] = scalars(reads);
  methods["setFpr"] = methods["setDouble"] = scalars(writes);
  const machine = new Proxy(methods, { get: (target, name: string) => target[name] ?? anything }) as unknown as Machine;
  const operands: Record<string, unknown> = { ...variant.flags };
  for (const name of Object.keys(variant.fields)) operands[name] = new Token(new Set([name]));
  variant.definition.semantics(machine, operands as never);
  const storageHelper = [...called].some((name) => /block|storage|string|load|store/i.test(name));
  return { reads, writes, gets, sets, helpers: called, traps, memory: memory || storageHelper, jumps };
}

/** Why an instruction may not stand in a user program on its own, or undefined if it may. */
export function notUserLevel(variant: Variant, description: Description): string | undefined {
  if (variant.definition.options.privileged) return "privileged";
  for (const name of description.helpers) {
    // Facilities are enabled in both machines.
    if (name === "facilityUnavailable") continue;
    if (helpers[name].effect === "leaves") return `${name} leaves the program`;
    if (helpers[name].effect === "context") return `${name} changes what the program runs in`;
    if (/time|decrementer|random/i.test(name)) return `${name} gives what cannot be compared`;
  }
  return undefined;
}
