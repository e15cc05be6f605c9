/** What the bench's commands have in common beside what all of the project's own have (tools/own-command.ts). */
import { runCommand as run, UsageError } from "../../tools/own-command.js";
import { type Architecture, architectures } from "./architectures.js";

export { countOf, oneOf, patternOf, UsageError } from "../../tools/own-command.js";

/** Those there are, for a sentence. */
export const guestNames = architectures.map(({ name }) => name).join(" or ");

/** The first of none. Throws UsageError. */
export function architectureNamed(name: string | undefined): Architecture {
  const found = name === undefined ? architectures[0] : architectures.find((one) => one.name === name);
  if (!found) throw new UsageError(`--guest is ${guestNames}, not "${name}"`);
  return found;
}

export const say = (sentence: string): void => {
  process.stderr.write(`bench: ${sentence}\n`);
};

/** Runs it as `runCommand` of tools/own-command.ts does. */
export const runCommand = (usage: string, command: () => Promise<number>): Promise<void> =>
  run({ name: "bench", usage }, command);
