/** Every command of the command line, and its parser without what commands do. */
import assert from "node:assert/strict";
import { type Command, CommanderError } from "commander";
import type { Finish } from "../../src/cli/command.js";
import { commands } from "../../src/cli/commands.js";
import { describeProgram, parserStatus } from "../../src/cli/program.js";

export interface Ended {
  /** Undefined: the command would have begun. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Parses a command line as the program does, and begins nothing. */
export async function parse(...args: readonly string[]): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  let begun = false;
  const finish: Finish = () => async () => {
    begun = true;
  };
  const program = await describeProgram(args[0], finish);
  const quiet = (command: Command): void => {
    command.configureOutput({
      writeOut: (written) => (stdout += written),
      writeErr: (written) => (stderr += written),
    });
    command.commands.forEach(quiet);
  };
  quiet(program);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { status: parserStatus(error, args[0]), stdout, stderr };
  }
  assert.ok(begun, `${args.join(" ")}: neither begun nor refused`);
  return { status: undefined, stdout, stderr };
}

/** Every command, by the words that call it; of one that has others below it, these. */
export async function* everyCommand(): AsyncGenerator<{
  readonly words: readonly string[];
  readonly command: Command;
}> {
  for (const { name } of commands) {
    const program = await describeProgram(name, () => async () => {});
    const command = program.commands.find((candidate) => candidate.name() === name);
    assert.ok(command, name);
    if (command.commands.length === 0) yield { words: [name], command };
    for (const inner of command.commands) yield { words: [name, inner.name()], command: inner };
  }
}
