/** The command line `unikvm`: finds the command, and ends the process with its status. */
import { Command, CommanderError } from "commander";
import { messageOf } from "../base/errors.js";
import { thisPackage } from "../base/package.js";
import { VmmError } from "../vmm/errors.js";
import { type Described, ExitStatus, type Finish } from "./command.js";
import { commands } from "./commands.js";
import { endWithTerminal } from "./hang-up.js";
import { type Output, watchOutput } from "./output.js";

/** A sentence on stderr; where it came from only if asked for, since a stack trace helps no user. */
function fail(error: unknown): number {
  const details = process.env["UNIKVM_DEBUG"] && error instanceof Error ? `\n${error.stack}` : "";
  process.stderr.write(`unikvm: ${messageOf(error)}${details}\n`);
  return failedStatus();
}

/** How the command that was started ends when it failed. */
const failedStatus = (): number =>
  commands.find(({ name }) => name === process.argv[2])?.failedStatus ?? ExitStatus.failed;

/** Ends when what was written to stdout has left, since process.exit would cut a pipe short; that it has is part of success. */
const finishWith =
  (output: Output): Finish =>
  (action) =>
  async (...args) => {
    let status: number;
    try {
      requireFolder();
      status = (await action(...args)) ?? ExitStatus.done;
    } catch (error) {
      status = fail(error);
    }
    process.exit(await statusAfter(output, status));
  };

/** Throws VmmError: what is relative to the current folder, as Node.js takes each thread's own code to be, is nowhere. */
function requireFolder(): void {
  try {
    process.cwd();
  } catch (cause) {
    throw new VmmError("the current folder is not there any more; go to one that is (cd)", { cause });
  }
}

/** The exit status, once all output has left: a failure if it is lost, unless there was one before. */
async function statusAfter(output: Output, status: number): Promise<number> {
  try {
    await output.flushed();
    return status;
  } catch (error) {
    const failed = fail(error);
    return status || failed;
  }
}

/** All commands by name; what is wanted of them with all that it takes. */
export async function describeProgram(wanted: string | undefined, finish: Finish): Promise<Command> {
  const program = new Command("unikvm")
    .description("KVM for JavaScript runtimes: runs unmodified 64-bit Linux guests.")
    .version(thisPackage.version, "-V, --version")
    .exitOverride()
    // Whether an option is ours or of the command that a command runs.
    .enablePositionalOptions()
    .showHelpAfterError("(--help shows what there is)")
    .helpCommand(false);
  for (const { name, summary } of commands) program.command(name).summary(summary).description(summary);
  const known = new Set<string>();
  const described: Described = async (name) => {
    const entry = commands.find((one) => one.name === name);
    const command = program.commands.find((one) => one.name() === name);
    // Completion asks for its own command, too; described twice it would have its arguments twice.
    if (entry && command && !known.has(name)) {
      known.add(name);
      await (await entry.load()).describe(command, finish, described);
    }
    return command;
  };
  if (wanted !== undefined) await described(wanted);
  return program;
}

/** The exit status when the parser has ended the command: help and version do, too, with status 0. The message is printed. */
export function parserStatus({ exitCode }: CommanderError, wanted: string | undefined): number {
  if (exitCode === 0) return ExitStatus.done;
  return commands.find(({ name }) => name === wanted)?.usageStatus ?? ExitStatus.usage;
}

/** `unikvm help run` is `unikvm run --help`; a command that has others below it takes the word itself. */
export function withoutHelpCommand([first, ...rest]: readonly string[]): readonly string[] {
  if (first === "help") {
    const names = rest.filter((word) => !word.startsWith("-"));
    // Of what is none the parser says so, if it is not asked for help.
    return names.length === 0 || commands.some(({ name }) => name === names[0]) ? [...names, "--help"] : names;
  }
  return first === undefined ? [] : [first, ...rest];
}

/** Runs the command that the process was started with. */
export async function main(): Promise<void> {
  endWithTerminal();
  // A defect of ours; the terminal is given back on exit.
  process.on("uncaughtException", (error) => process.exit(fail(error)));
  const output = watchOutput(() => process.exit(failedStatus()));
  const finish = finishWith(output);
  process.stderr.on("error", () => {});
  const words = withoutHelpCommand(process.argv.slice(2));
  const [wanted] = words;
  const program = await describeProgram(wanted, finish);
  try {
    if (wanted === undefined) program.outputHelp();
    else await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      // An argument's path, perhaps.
      requireFolder();
      throw error;
    }
    process.exitCode = parserStatus(error, wanted);
  }
  process.exitCode = await statusAfter(output, Number(process.exitCode ?? ExitStatus.done));
}
