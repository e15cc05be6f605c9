/** `unikvm rmmod`: removes modules from the running instance. Source: rmmod(8). */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { normalise } from "../../modules/namespace.js";
import { errorText, Priority } from "../../modules/node/messages.js";
import { addExamples, type Finish } from "../command.js";
import type { Answer } from "../control/protocol.js";
import { addPidOption, askOrSay, KmodStatus, kmodMessages } from "../kmod.js";
import { ownModules } from "../own-modules.js";

interface Options {
  readonly force?: boolean;
  readonly verbose?: true;
  readonly pid?: number;
}

export function describe(command: Command, finish: Finish): void {
  addExamples(command, "unikvm rmmod vfio", "unikvm rmmod -f my-module");
  addPidOption(command)
    .argument("[module...]", "names, or the files they were loaded from")
    .option("-f, --force", "though it is in use; who uses it fails")
    .option("-v, --verbose", "say what is done")
    .action(finish(run));
}

async function run(names: readonly string[], { force = false, verbose, pid }: Options): Promise<number> {
  const messages = kmodMessages("rmmod", verbose ? Priority.info : Priority.warning);
  if (names.length === 0) {
    messages.error("missing module name.");
    return KmodStatus.failed;
  }
  const known = ownModules();
  let status: number = KmodStatus.done;
  for (const given of names) {
    const name = normalise(existsSync(given) ? basename(given).replace(/\..*$/, "") : given);
    if (known.isBuiltin(known.resolve(name) ?? name)) {
      messages.error(`Module ${name} is builtin.`);
      status = KmodStatus.failed;
      continue;
    }
    const answer = await askOrSay(messages, { command: "rmmod", name, force }, pid);
    if (typeof answer === "number") return answer;
    const why = failureText(name, answer);
    if (why === undefined) {
      if (verbose) process.stdout.write(`rmmod ${name}\n`);
      continue;
    }
    messages.error(why);
    status = KmodStatus.failed;
  }
  return status;
}

/** In kmod's words, or undefined: it is done. */
function failureText(name: string, { failure, modules }: Answer): string | undefined {
  if (!failure) return undefined;
  const module = modules.find((candidate) => normalise(candidate.name) === name);
  if (!module) return `Module ${name} is not currently loaded`;
  if (module.users.length > 0) return `Module ${name} is in use by: ${module.users.join(" ")}`;
  if (module.references > 0) return `Module ${name} is in use`;
  return `could not remove module ${name}: ${errorText(failure)}`;
}
