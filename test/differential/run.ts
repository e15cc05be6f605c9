/** Draws cases, has QEMU and the engines run them, and compares. */
import { type InstructionSet, instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { has, type IsaLevel, levelOf } from "../../src/arch/powerpc/isa/levels.js";
import { compare, report } from "./compare.js";
import { engines } from "./engines.js";
import { type Case, CaseGenerator, candidates } from "./generate.js";
import { assembleRuntime } from "./loader.js";
import { Machine } from "./machine.js";
import { runUnderQemu } from "./qemu.js";
import { Random } from "./random.js";
import { SetAside } from "./set-aside.js";

export interface RunOptions {
  readonly seed: number;
  /** Cases per instruction. */
  readonly count: number;
  /** Sequences in all; default: one for every single case. */
  readonly sequences?: number;
  readonly littleEndian: boolean;
  /** Names of engines (engines.ts). */
  readonly engines: readonly string[];
  /** The processor's version of the architecture; default: 3.0. With 3.1 only what it brought is drawn, but in sequences. */
  readonly level?: IsaLevel;
  /** Only these mnemonics. */
  readonly only?: RegExp;
  /** Failures printed per mnemonic. */
  readonly show?: number;
  readonly log: (line: string) => void;
}

export interface RunResult {
  readonly cases: number;
  /** Cases per mnemonic, "sequence" among them. */
  readonly drawn: ReadonlyMap<string, number>;
  /** Failures per engine and mnemonic. */
  readonly failures: ReadonlyMap<string, number>;
  /** Cases in which QEMU was not the judge of all that differed. */
  readonly setAside: SetAside;
}

/** Cases in one run of QEMU; bounds the memory for their records. */
const batchSize = 8000;

/** Cases whose code is put into an engine's memory at once; bounds the regions that hv keeps. */
const prepared = 1000;

/** Everything in a batch is drawn from one seed, so that a failure can be had again without what went before. */
function* batches(options: RunOptions, set: InstructionSet): Generator<readonly Case[]> {
  const { level = "3.0" } = options;
  const start = Number(assembleRuntime(1, options.littleEndian).symbols.get("cases"));
  const pool = candidates(set, options.littleEndian).filter(({ variant }) => has(level, variant.definition));
  const fresh = level === "3.1" ? pool.filter(({ variant }) => levelOf(variant.definition) === level) : pool;
  const drawn = options.only ? fresh.filter((c) => options.only?.test(c.variant.mnemonic)) : fresh;
  const sequences = options.sequences ?? (options.only ? 0 : drawn.length * Math.ceil(options.count / 10));
  const total = drawn.length * options.count + sequences;
  let batch: Case[] = [];
  let generator: CaseGenerator | undefined;
  for (let i = 0, number = 0; i < total; i++) {
    generator ??= new CaseGenerator(new Random(options.seed + number++), pool, start);
    // Sequences are spread over the batches.
    const single = i < drawn.length * options.count ? drawn[Math.floor(i / options.count)] : undefined;
    batch.push(single ? generator.single(single) : generator.sequence());
    if (batch.length === batchSize || i === total - 1) {
      yield batch;
      batch = [];
      generator = undefined;
    }
  }
}

/** Runs everything the options ask for. Failures go to `log`, with all that is needed to see them again. */
export function runDifferential(options: RunOptions): RunResult {
  const set = instructionSet();
  const drawn = new Map<string, number>();
  const failures = new Map<string, number>();
  const setAside = new SetAside();
  const machines = options.engines.map((name) => {
    const load = engines[name];
    if (!load) throw new Error(`there is no engine ${name}; there are ${Object.keys(engines).join(", ")}`);
    return { name, machine: new Machine(load(), options.littleEndian, options.level) };
  });
  let cases = 0;
  for (const batch of batches(options, set)) {
    const before = cases;
    cases += batch.length;
    const judged = runUnderQemu(batch, options.littleEndian, options.level);
    for (const { mnemonic } of batch) drawn.set(mnemonic, (drawn.get(mnemonic) ?? 0) + 1);
    for (const { name, machine } of machines) {
      batch.forEach((one, i) => {
        if (i % prepared === 0) machine.prepare(batch.slice(i, i + prepared));
        const fail = (text: () => string) => {
          const key = `${name} ${one.mnemonic}`;
          const count = (failures.get(key) ?? 0) + 1;
          failures.set(key, count);
          if (count > (options.show ?? 3)) return;
          const order = options.littleEndian ? "little-endian" : "big-endian";
          options.log(`FAIL ${one.mnemonic} on ${name}, ${order}, seed ${options.seed}\n${text()}`);
        };
        try {
          const { found, setAside: reasons } = compare(one, judged[i] as never, machine.run(one), set);
          setAside.add(String(before + i), reasons);
          if (found.length > 0) fail(() => report(one, found, set));
        } catch (error) {
          fail(() => `${report(one, [], set)}\n    ${error instanceof Error ? error.message : error}`);
        }
      });
    }
  }
  return { cases, drawn, failures, setAside };
}
