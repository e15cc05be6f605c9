#!/usr/bin/env node
/** The command line `unikvm`. */
import { Command, CommanderError } from "commander";
import { messageOf } from "../base/errors.js";
import { thisPackage } from "../base/package.js";
import { ExitStatus, type Finish } from "./command.js";
import { commands } from "./commands.js";

/** A sentence on stderr; where it came from only if asked for, since a stack trace helps no user. */
function fail(error: unknown): number {
  const details = process.env["UNIKVM_DEBUG"] && error instanceof Error ? `\n${error.stack}` : "";
  process.stderr.write(`unikvm: ${messageOf(error)}${details}\n`);
  return ExitStatus.failed;
}

/** Ends when what was written to stdout has left: process.exit would cut a pipe short. */
const finish: Finish =
  (action) =>
  async (...args) => {
    let status: number;
    try {
      status = (await action(...args)) ?? ExitStatus.done;
    } catch (error) {
      status = fail(error);
    }
    process.exitCode = status;
    process.stdout.write("", () => process.exit());
  };

async function main(): Promise<void> {
  // A reader that has gone away (`unikvm ... | head`) is no error of ours; there is nobody left to tell.
  process.stdout.on("error", () => process.exit(ExitStatus.failed));
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
  if (wanted === undefined) {
    program.outputHelp();
    return;
  }
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end here too, with status 0; the message has been printed.
    const usage = commands.find(({ name }) => name === wanted)?.usageStatus ?? ExitStatus.usage;
    process.exitCode = error.exitCode === 0 ? ExitStatus.done : usage;
  }
}

main().catch((error: unknown) => {
  process.exitCode = fail(error);
});
