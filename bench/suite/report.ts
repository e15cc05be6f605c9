/** The results as a whole: what JSON holds, and what the table and the picture are made of. */
import type { Engine } from "./engines.js";
import {
  type Clock,
  geometricMean,
  outputsRight,
  type Ratios,
  type RowResult,
  ratiosOf,
  type Times,
  timesOf,
} from "./results.js";

export interface Report {
  readonly format: 1;
  /** ISO 8601. */
  readonly date: string;
  /** Of the guest. */
  readonly architecture: string;
  /** Where it ran. `load`: the load average at the begin, since a busy machine makes worse figures. */
  readonly host: { readonly processor: string; readonly processors: number; readonly load: number };
  /** Whose times the ratios are of; `rows` has all. */
  readonly clock: Clock;
  /** The kernel's command line, the same under every engine. */
  readonly append: string;
  readonly engines: readonly Pick<Engine, "name" | "version">[];
  /** The name of the one that the others are held to; undefined: there is none. */
  readonly reference: string | undefined;
  /** Most MB that each engine's process had beside the guest's memory, by disk, then by engine. */
  readonly besideMemory: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** The same at the end of each pass over all rows, if there was more than one, and the longest stops, ms; likewise. */
  readonly afterPasses: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  readonly longestStop: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** `disks`: initial RAM disks that rows of it ran from. */
  readonly sets: readonly { readonly name: string; readonly title: string; readonly disks: readonly string[] }[];
  readonly rows: readonly RowResult[];
}

/** An engine's part of a row, ready to be shown. */
export interface Cell {
  readonly times: Times | undefined;
  /** Undefined for the reference itself, or without one. */
  readonly ratios: Ratios | undefined;
  /** Undefined: nothing to compare its output with. */
  readonly right: boolean | undefined;
  readonly failures: readonly string[];
}

/** Of a report: how its figures are to be read. */
export type Reading = Pick<Report, "clock" | "reference">;

export function cellOf(result: RowResult, engine: string, { clock, reference }: Reading): Cell {
  const measured = result.engines[engine];
  const other = reference === undefined ? undefined : result.engines[reference];
  return {
    times: timesOf(measured, clock),
    ratios: engine === reference ? undefined : ratiosOf(measured, other, clock),
    right: outputsRight(result, engine, reference),
    failures: measured?.failures ?? [],
  };
}

/** Geometric means of an engine's ratios over the rows that have them. */
export interface Means {
  readonly first: number | undefined;
  readonly steady: number | undefined;
  readonly firstSecond: number | undefined;
  readonly rows: number;
}

export function meansOf(rows: readonly RowResult[], engine: string, reading: Reading): Means {
  const ratios = rows.flatMap((row) => cellOf(row, engine, reading).ratios ?? []);
  return {
    first: geometricMean(ratios.map(({ first }) => first)),
    steady: geometricMean(ratios.flatMap(({ steady }) => steady ?? [])),
    firstSecond: geometricMean(ratios.map(({ firstSecond }) => firstSecond)),
    rows: ratios.length,
  };
}

/** As sentences call an engine. */
export const titleOf = (engine: string | undefined): string => (engine === "qemu" ? "QEMU" : `${engine}`);

/** Rows whose output was wrong, or that did not run, as sentences. */
export function troubles(report: Report): string[] {
  const out: string[] = [];
  for (const result of report.rows) {
    for (const { name } of report.engines) {
      const { right, failures } = cellOf(result, name, report);
      if (right === false) {
        const other = result.expected
          ? "the host's"
          : name === report.reference
            ? "that of its first run"
            : `${titleOf(report.reference)}'s`;
        out.push(`${result.row} under ${name}: its output is not ${other}`);
      }
      for (const failure of failures) out.push(`${result.row} under ${name}: ${failure}`);
    }
  }
  return out;
}

/** The report, and beside it the figures that follow from it, for programs that do not want to work them out. */
export function toJson(report: Report): string {
  const engines = report.engines.map(({ name }) => name);
  const byEngine = <T>(make: (engine: string) => T): Record<string, T> =>
    Object.fromEntries(engines.map((engine) => [engine, make(engine)]));
  const summary = {
    rows: report.rows.map((result) => ({
      row: result.row,
      ...byEngine((engine) => {
        const { times, ratios, right } = cellOf(result, engine, report);
        return { times, ratios, right };
      }),
    })),
    means: Object.fromEntries(
      report.sets.map(({ name }) => {
        const rows = report.rows.filter(({ set }) => set === name);
        return [name, byEngine((engine) => meansOf(rows, engine, report))];
      }),
    ),
  };
  return `${JSON.stringify({ ...report, summary }, null, 1)}\n`;
}
