/** What a command of the command line is; commands.ts lists them all. */
import type { Command } from "commander";

export interface CommandModule {
  /**
   * Adds arguments, options and the action. What the action returns is the exit status (nothing: 0); an error that it
   * throws is printed as a sentence and ends with status 3.
   */
  readonly describe: (command: Command, finish: Finish, described: Described) => void | Promise<void>;
}

/** Another command of the same program by name, with all that it takes; undefined: there is none. */
export type Described = (name: string) => Promise<Command | undefined>;

/** Wraps an action: `command.action(finish(async (argument, options) => status))`. */
export type Finish = <A extends unknown[]>(
  action: (...args: A) => Promise<number | void> | number | void,
) => (...args: A) => Promise<void>;

/** Has `--help` end with lines as they are typed; behind a "#" what one is for. */
export const addExamples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`);

/** Exit statuses that mean the same for every command. */
export const ExitStatus = {
  done: 0,
  /** The guest crashed. */
  crashed: 1,
  usage: 2,
  /** unikvm could not do it. */
  failed: 3,
  timeout: 124,
} as const;
