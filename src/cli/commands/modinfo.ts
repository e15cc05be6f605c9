/** `unikvm modinfo`: what a module says of itself. Source: modinfo(8). */
import type { Command } from "commander";
import type { Finish } from "../command.js";
import { KmodStatus, kmodMessages } from "../kmod.js";
import { formatModinfo } from "../modinfo-format.js";
import { ownModinfo } from "../modinfo-own.js";

interface Options {
  readonly author?: true;
  readonly description?: true;
  readonly license?: true;
  readonly parameters?: true;
  readonly filename?: true;
  readonly null?: true;
  readonly field?: string;
}

export function describe(command: Command, finish: Finish): void {
  command
    .argument("[module...]", "names or aliases")
    .option("-a, --author", "only author")
    .option("-d, --description", "only description")
    .option("-l, --license", "only license")
    .option("-p, --parameters", "only parm")
    .option("-n, --filename", "only filename")
    .option("-0, --null", "end each with a zero byte instead of a newline")
    .option("-F, --field <name>", "only this field")
    .action(finish(run));
}

function run(names: readonly string[], options: Options): number {
  const messages = kmodMessages("modinfo");
  if (names.length === 0) {
    messages.error("missing module or filename.");
    return KmodStatus.failed;
  }
  let status: number = KmodStatus.done;
  for (const name of names) {
    const fields = ownModinfo(name);
    if (!fields) {
      messages.error(`Module ${name} not found.`);
      status = KmodStatus.failed;
      continue;
    }
    process.stdout.write(formatModinfo(fields, { field: fieldOf(options), separator: options.null ? "\0" : "\n" }));
  }
  return status;
}

function fieldOf(options: Options): string | undefined {
  if (options.author) return "author";
  if (options.description) return "description";
  if (options.license) return "license";
  if (options.parameters) return "parm";
  if (options.filename) return "filename";
  return options.field;
}
