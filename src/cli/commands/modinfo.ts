/** `unikvm modinfo`: what a module says of itself. Source: modinfo(8). */
import type { Command } from "commander";
import { type ModinfoFormat, modinfoText } from "../../modules/modinfo-text.js";
import type { Messages } from "../../modules/node/messages.js";
import { addExamples, type Finish } from "../command.js";
import { KmodStatus, kmodMessages } from "../kmod.js";
import { isModuleFile, meansTree, modinfoFile, modinfoTree, type TreeChoice } from "../modinfo-tree.js";

interface Options extends TreeChoice {
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
    .argument("[module...]", "names or aliases of unikvm's own modules or, with -b or -k, of a kernel's; or files")
    .option("-a, --author", "only author")
    .option("-d, --description", "only description")
    .option("-l, --license", "only license")
    .option("-p, --parameters", "only parm")
    .option("-n, --filename", "only filename")
    .option("-0, --null", "end each with a zero byte instead of a newline")
    .option("-m, --modname", "the argument is a module's name, no alias or file")
    .option("-F, --field <name>", "only this field")
    .option("-b, --basedir <dir>", "a kernel's modules under this root, instead of unikvm's own")
    .option("-k, --set-version <version>", "those of this kernel, instead of this host's")
    .action(finish(run));
  addExamples(
    command,
    "unikvm modinfo kvm",
    "unikvm modinfo -F alias kvm",
    "unikvm modinfo rootfs/lib/modules/6.1.0-29-powerpc64le/kernel/drivers/block/virtio_blk.ko",
  );
}

async function run(names: readonly string[], options: Options): Promise<number> {
  const messages = kmodMessages("modinfo");
  if (names.length === 0) {
    messages.error("missing module or filename.");
    return KmodStatus.failed;
  }
  const field = fieldOf(options);
  const format: ModinfoFormat = {
    ...(field !== undefined && { field }),
    separator: options.null ? "\0" : "\n",
    invalid: (message) => messages.error(message),
  };
  let status: number = KmodStatus.done;
  for (const name of names) if (!(await show(name, options, format, messages))) status = KmodStatus.failed;
  return status;
}

/** Whether there is such a module. */
async function show(name: string, options: Options, format: ModinfoFormat, messages: Messages): Promise<boolean> {
  if (!options.modname && isModuleFile(name)) return modinfoFile(name, format, messages);
  if (meansTree(options)) return modinfoTree(name, options, format, messages);
  const { ownModinfo } = await import("../modinfo-own.js");
  const own = ownModinfo(name);
  if (own) process.stdout.write(modinfoText(own.head, own.fields, format));
  else messages.error(`Module ${name} not found.`);
  return own !== undefined;
}

function fieldOf(options: Options): string | undefined {
  if (options.author) return "author";
  if (options.description) return "description";
  if (options.license) return "license";
  if (options.parameters) return "parm";
  if (options.filename) return "filename";
  return options.field;
}
