/** What the project's own commands (`npm run soak`, `npm run bench`) have in common: how they are misused, and how they end. */
import { architectureOfGuest, GuestUnavailable, guestNames } from "../guests/index.js";

/** What a command was told that it does not take, as a sentence. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Something that a command needs is missing on this machine, as a sentence. */
export class Unavailable extends Error {
  override name = "Unavailable";
}

export interface OwnCommand {
  /** Begins each of its sentences. */
  readonly name: string;
  /** For --help and after a misuse; it ends with a newline. */
  readonly usage: string;
}

/** A whole number. Throws UsageError. */
export function countOf(option: string, text: string, least = 1, most = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const end = most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`;
  throw new UsageError(`--${option} is a whole number from ${least}${end}, not "${text}"`);
}

/** Throws UsageError. */
export function secondsOf(option: string, text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`--${option} is a number of seconds, not "${text}"`);
}

/** Throws UsageError. */
export function patternOf(option: string, text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`);
  }
}

/** One of `names`. Throws UsageError. */
export function oneOf<T extends string>(option: string, text: string, names: readonly T[]): T {
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${option} is ${names.join(" or ")}, not "${text}"`);
}

/** What the guest's programs are of; undefined: the default guest's. Throws UsageError. */
export function guestArchitectureOf(name: string | undefined): ReturnType<typeof architectureOfGuest> {
  try {
    return architectureOfGuest(name);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`--guest is ${guestNames.join(" or ")}, not "${name}"`);
  }
}

/** Says how it was misused or what is missing, and gives the status of that, 2 or 3. Throws any other error. */
function statusOfFailure({ name, usage }: OwnCommand, error: unknown): number {
  const { message, code } = error as NodeJS.ErrnoException;
  const misused = error instanceof UsageError || code?.startsWith("ERR_PARSE_ARGS");
  if (!misused && !(error instanceof Unavailable) && !(error instanceof GuestUnavailable)) throw error;
  process.stderr.write(misused ? `${name}: ${message.replaceAll("\n", " ")}\n${usage}` : `${name}: ${message}\n`);
  return misused ? 2 : 3;
}

/** Runs it; its status is the process's. 2: it was misused; 3: something it needs is missing; 0 and nothing is done: --help. */
export async function runCommand(own: OwnCommand, command: () => Promise<number>): Promise<void> {
  if (process.argv.slice(2).includes("--help")) {
    process.stdout.write(own.usage);
    return;
  }
  try {
    process.exitCode = await command();
  } catch (error) {
    process.exitCode = statusOfFailure(own, error);
  }
}

/** For a command that is no function: what `choose` makes of its options, or the process ends as that of `runCommand` does. */
export function chosen<T>(own: OwnCommand, choose: () => T): T {
  if (process.argv.slice(2).includes("--help")) {
    process.stdout.write(own.usage);
    process.exit(0);
  }
  try {
    return choose();
  } catch (error) {
    process.exit(statusOfFailure(own, error));
  }
}
