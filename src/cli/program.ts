/** The command line `unikvm`: finds the command, and ends the process with its status. */
import { Command, CommanderError } from "commander";
import { messageOf } from "../base/errors.js";
import { thisPackage } from "../base/package.js";
import { ExitStatus, type Finish } from "./command.js";
import { commands } from "./commands.js";
import { type Output, watchOutput } from "./output.js";

/** A sentence on stderr; where it came from only if asked for, since a stack trace helps no user. */
function fail(error: unknown): number {
  const details = process.env["UNIKVM_DEBUG"] && error instanceof Error ? `\n${error.stack}` : "";
  process.stderr.write(`unikvm: ${messageOf(error)}${details}\n`);
  return ExitStatus.failed;
}

/** Ends when what was written to stdout has left, since process.exit would cut a pipe short; that it has is part of success. */
const finishWith =
  (output: Output): Finish =>
  (action) =>
  async (...args) => {
    let status: number;
    try {
      status = (await action(...args)) ?? ExitStatus.done;
    } catch (error) {
      status = fail(error);
    }
    process.exit(await statusAfter(output, status));
  };

/** The exit status, once all output has left: a failure if it is lost, unless there was one before. */
async function statusAfter(output: Output, status: number): Promise<number> {
  try {
    await output.flushed();
    return status;
  } catch (error) {
    fail(error);
    return status || ExitStatus.failed;
  }
}

/** Runs the command that the process was started with. */
export async function main(): Promise<void> {
  // A defect of ours; the terminal is given back on exit.
  process.on("uncaughtException", (error) => process.exit(fail(error)));
  const output = watchOutput(() => process.exit(ExitStatus.failed));
  const finish = finishWith(output);
  process.stderr.on("error", () => {});
  const program = new Command("unikvm")
    .description("KVM for JavaScript runtimes: runs unmodified 64-bit Linux guests.")
    .version(thisPackage.version, "-V, --version")
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)")
    .helpCommand(false);
  const wanted = process.argv[2];
  for (const { name, summary, load } of commands) {
    const command = program.command(name).summary(summary).description(summary);
    if (name === wanted) (await load()).describe(command, finish);
  }
  try {
    if (wanted === undefined) program.outputHelp();
    else await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end here too, with status 0; the message has been printed.
    const usage = commands.find(({ name }) => name === wanted)?.usageStatus ?? ExitStatus.usage;
    process.exitCode = error.exitCode === 0 ? ExitStatus.done : usage;
  }
  process.exitCode = await statusAfter(output, Number(process.exitCode ?? ExitStatus.done));
}
