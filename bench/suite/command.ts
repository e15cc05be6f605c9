/** What the bench's commands have in common: how they are misused, and how they end. */
import { GuestUnavailable } from "../../guests/index.js";
import { type Architecture, architectures } from "./architectures.js";
import { BenchUnavailable } from "./compile.js";

/** What a command was told that it does not take, as a sentence. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Those there are, for a sentence. */
export const guestNames = architectures.map(({ name }) => name).join(" or ");

/** The first of none. Throws UsageError. */
export function architectureNamed(name: string | undefined): Architecture {
  const found = name === undefined ? architectures[0] : architectures.find((one) => one.name === name);
  if (!found) throw new UsageError(`--guest is ${guestNames}, not "${name}"`);
  return found;
}

/** A whole number from 1. Throws UsageError. */
export function countOf(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`--${option} is a whole number from 1, not "${text}"`);
  return Number(text);
}

/** Throws UsageError. */
export function patternOf(option: string, text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`);
  }
}

export const say = (sentence: string): void => {
  process.stderr.write(`bench: ${sentence}\n`);
};

/** Runs it; its status is the process's. 2: it was misused, and `usage` says how it is used; 3: something it needs is missing. */
export async function runCommand(usage: string, command: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    const misused = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS");
    if (!misused && !(error instanceof BenchUnavailable) && !(error instanceof GuestUnavailable)) throw error;
    say((error as Error).message);
    if (misused) process.stderr.write(usage);
    process.exitCode = misused ? 2 : 3;
  }
}
