/** What was measured, and what follows from it. Times in seconds; a ratio is a time divided by the reference's. */
import type { Output } from "./protocol.js";
import type { Run } from "./session.js";

/** Whose time counts. A busy machine disturbs `cpu` least; it counts the threads that help, too. */
export const clocks = ["guest", "host", "cpu"] as const;
export type Clock = (typeof clocks)[number];

/** A row under one engine: its runs in the first round's guest, in the second's, and so on. */
export interface Measured {
  readonly rounds: readonly (readonly Run[])[];
  /** Why a run is missing. */
  readonly failures: readonly string[];
}

export interface RowResult {
  readonly row: string;
  readonly set: string;
  /** What the host got with the same source, if that was asked. */
  readonly expected?: Output;
  /** By the engines' names. */
  readonly engines: Readonly<Record<string, Measured>>;
}

export interface Times {
  /** Best first run in a fresh guest. */
  readonly first: number;
  /** Best of the runs after it; undefined if there is none. */
  readonly steady: number | undefined;
}

export interface Ratios {
  readonly first: number;
  readonly steady: number | undefined;
  /** Time for what the reference does in the first second of its first run. */
  readonly firstSecond: number;
}

const least = (values: readonly number[]): number | undefined => (values.length > 0 ? Math.min(...values) : undefined);

function bestFirst({ rounds }: Measured, clock: Clock): Run | undefined {
  const runs = rounds.flatMap((round) => round.slice(0, 1));
  return runs.find((run) => run[clock] === least(runs.map((one) => one[clock])));
}

/** Undefined if there was no run. */
export function timesOf(measured: Measured | undefined, clock: Clock): Times | undefined {
  const first = measured && bestFirst(measured, clock);
  if (!measured || !first) return undefined;
  const later = measured.rounds.flatMap((round) => round.slice(1));
  return { first: first[clock], steady: least(later.map((run) => run[clock])) };
}

/** Steps done at a time, with a part of the one under way. */
function doneAt(steps: readonly number[], time: number): number {
  let before = 0;
  for (const [index, at] of steps.entries()) {
    if (at > time) return index + (time - before) / (at - before);
    before = at;
  }
  return steps.length;
}

function timeOf(steps: readonly number[], done: number): number {
  const whole = Math.floor(done);
  const before = whole > 0 ? (steps[whole - 1] ?? Number.NaN) : 0;
  return done === whole ? before : before + (done - whole) * ((steps[whole] ?? Number.NaN) - before);
}

/**
 * How long `run` took for what `reference` did in its first second, by the guest's clock; programs that do not say count
 * as a whole, by `clock`.
 */
export function firstSecond(run: Run, reference: Run, clock: Clock): number {
  const comparable = reference.steps.length > 0 && reference.steps.length === run.steps.length;
  const done = comparable ? doneAt(reference.steps, 1) : 0;
  if (!comparable || done === 0 || done === reference.steps.length) return run[clock] / reference[clock];
  return timeOf(run.steps, done);
}

/** Undefined if one of them has no run. */
export function ratiosOf(
  measured: Measured | undefined,
  reference: Measured | undefined,
  clock: Clock,
): Ratios | undefined {
  const [ours, theirs] = [timesOf(measured, clock), timesOf(reference, clock)];
  const [run, other] = [measured && bestFirst(measured, clock), reference && bestFirst(reference, clock)];
  if (!ours || !theirs || !run || !other) return undefined;
  return {
    first: ours.first / theirs.first,
    steady: ours.steady !== undefined && theirs.steady !== undefined ? ours.steady / theirs.steady : undefined,
    firstSecond: firstSecond(run, other, clock),
  };
}

/** Undefined of none. */
export function geometricMean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const same = (one: Output, other: Output): boolean => one.bytes === other.bytes && one.hash === other.hash;

/**
 * Whether an engine's outputs are right: those of the host, else those of the reference's first run. Undefined: there is
 * nothing to compare with.
 */
export function outputsRight(result: RowResult, engine: string, reference: string | undefined): boolean | undefined {
  const right = result.expected ?? result.engines[reference ?? ""]?.rounds[0]?.[0]?.output;
  const runs = result.engines[engine]?.rounds.flat() ?? [];
  if (right === undefined || runs.length === 0) return undefined;
  return runs.every(({ output }) => same(output, right));
}
