/** Boots a guest under each engine and lets them run the rows in turn. */
import type { Images } from "./architectures.js";
import type { Engine } from "./engines.js";
import type { Output } from "./protocol.js";
import type { RowResult } from "./results.js";
import { bootRow, type Row } from "./rows.js";
import { type Run, RunFailed, Session } from "./session.js";

export interface Plan {
  /** Name of the set that the rows belong to. */
  readonly set: string;
  readonly rows: readonly Row[];
  /** Whether the boot is a row too. */
  readonly boot: boolean;
  readonly images: Images;
  readonly expected: ReadonlyMap<string, Output>;
  readonly engines: readonly Engine[];
  readonly rounds: number;
  /** Runs of a row in a guest; the first of them counts by itself. */
  readonly runs: number;
  /** How often all rows are run in a guest, one after the other. */
  readonly passes: number;
  /** Seconds, for a run or a boot. */
  readonly timeout: number;
  readonly progress: (sentence: string) => void;
}

interface Growing {
  readonly rounds: Run[][];
  readonly failures: string[];
}

/** NaN stands for what is not known. */
const most = (one: number, other: number): number => (one >= other || Number.isNaN(other) ? one : other);

/** One engine's guest, booted again after it was lost. */
class Place {
  #session: Session | undefined;
  besideMemory = Number.NaN;
  longestStop = Number.NaN;
  readonly #plan: Plan;
  readonly #engine: Engine;

  constructor(plan: Plan, engine: Engine) {
    this.#plan = plan;
    this.#engine = engine;
  }

  /** The boot, if there had to be one. */
  async ready(): Promise<Run | undefined> {
    if (this.#session?.alive) return undefined;
    this.#session = undefined;
    const { session, boot } = await Session.start(this.#engine, this.#plan.images, this.#plan.timeout);
    this.#session = session;
    return boot;
  }

  async run(command: string, what?: "prepare"): Promise<Run> {
    await this.ready();
    if (!this.#session) throw new RunFailed("there is no guest");
    const run = await this.#session.run(command, what);
    this.besideMemory = most(this.besideMemory, this.#session.besideMemory);
    return run;
  }

  /** What its process has beside the guest's memory now, MB. */
  get holds(): number {
    return this.#session?.besideMemory ?? Number.NaN;
  }

  async end(): Promise<void> {
    await this.#session?.end();
    this.longestStop = this.#session?.longestStop ?? Number.NaN;
    this.#session = undefined;
  }

  kill(): void {
    this.#session?.kill();
  }
}

/** Runs `what`; a failure of the guest becomes a sentence in the row. */
async function noting(into: Growing, what: () => Promise<void>): Promise<void> {
  try {
    await what();
  } catch (error) {
    if (!(error instanceof RunFailed)) throw error;
    into.failures.push(error.message);
  }
}

/** @param fresh It is this guest's first pass; the runs of others are later ones of the same round. */
async function measureRow(
  plan: Plan,
  row: Row,
  places: ReadonlyMap<string, Place>,
  into: Record<string, Growing>,
  fresh: boolean,
) {
  const lost = new Set<string>();
  const each = async (what: (place: Place, growing: Growing) => Promise<void>): Promise<void> => {
    for (const [name, place] of places) {
      const growing = into[name];
      if (!growing || lost.has(name)) continue;
      const failures = growing.failures.length;
      await noting(growing, () => what(place, growing));
      if (growing.failures.length > failures) lost.add(name);
    }
  };
  const { prepare } = row;
  await each(async (place, growing) => {
    if (fresh) growing.rounds.push([]);
    await place.ready();
    if (prepare !== undefined) await place.run(prepare, "prepare");
  });
  // The engines take turns run by run, so that what else the machine does falls on all of them.
  for (let run = 0; run < plan.runs; run++) {
    await each(async (place, growing) => {
      growing.rounds.at(-1)?.push(await place.run(row.command));
    });
  }
}

const lastRuns = (engines: Readonly<Record<string, Growing>>): string =>
  Object.entries(engines)
    .map(([name, { rounds, failures }]) => {
      const runs = rounds.at(-1) ?? [];
      const times = runs.map(({ guest }) => guest.toFixed(2)).join(" ");
      return `${name} ${runs.length > 0 ? times : (failures.at(-1)?.split("\n")[0] ?? "-")}`;
    })
    .join("; ");

export interface DiskResult {
  readonly rows: readonly RowResult[];
  /** Most MB that an engine's process had beside the guest's memory, by engine. */
  readonly besideMemory: Readonly<Record<string, number>>;
  /** The same at the end of each pass of the last round. */
  readonly afterPasses: Readonly<Record<string, readonly number[]>>;
  /** The longest that a guest stood still for translation, ms, by engine; NaN where nothing is translated. */
  readonly longestStop: Readonly<Record<string, number>>;
}

export async function measureDisk(plan: Plan): Promise<DiskResult> {
  const { set, engines } = plan;
  const empty = (): Record<string, Growing> =>
    Object.fromEntries(engines.map(({ name }) => [name, { rounds: [], failures: [] }]));
  const boots = empty();
  const rows = plan.rows.map((row) => ({ row, engines: empty() }));
  const besideMemory: Record<string, number> = {};
  const longestStop: Record<string, number> = {};
  let afterPasses: Record<string, number[]> = {};
  for (let round = 0; round < plan.rounds; round++) {
    const places = new Map(engines.map((engine) => [engine.name, new Place(plan, engine)]));
    const tell = (row: string, what: Readonly<Record<string, Growing>>): void =>
      plan.progress(`${plan.rounds > 1 ? `round ${round + 1}, ` : ""}${row}: ${lastRuns(what)}`);
    try {
      for (const [name, place] of places) {
        const growing = boots[name];
        if (!growing) continue;
        await noting(growing, async () => {
          const boot = await place.ready();
          if (boot) growing.rounds.push([boot]);
        });
      }
      tell(bootRow, boots);
      afterPasses = Object.fromEntries(engines.map(({ name }) => [name, []]));
      for (let pass = 0; pass < plan.passes; pass++) {
        for (const { row, engines: into } of rows) {
          await measureRow(plan, row, places, into, pass === 0);
          tell(row.name, into);
        }
        for (const [name, place] of places) afterPasses[name]?.push(place.holds);
      }
      for (const [name, place] of places) {
        await place.end();
        besideMemory[name] = most(besideMemory[name] ?? Number.NaN, place.besideMemory);
        longestStop[name] = most(longestStop[name] ?? Number.NaN, place.longestStop);
      }
    } finally {
      for (const place of places.values()) place.kill();
    }
  }
  return {
    rows: [
      ...(plan.boot ? [{ row: bootRow, set, engines: boots }] : []),
      ...rows.map(({ row, engines: measured }) => {
        const expected = plan.expected.get(row.name);
        return { row: row.name, set, ...(expected && { expected }), engines: measured };
      }),
    ],
    besideMemory,
    afterPasses,
    longestStop,
  };
}
