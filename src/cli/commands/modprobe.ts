/** `unikvm modprobe`: loads modules with all they need, removes them with all that only they needed. Source: modprobe(8). */
import { type Command, Option } from "commander";
import { Priority } from "../../modules/node/messages.js";
import { addExamples, type Finish } from "../command.js";
import { addPidOption, KmodStatus, kmodMessages } from "../kmod.js";
import type { ModprobeOptions } from "../modprobe-own.js";
import { addTreeOptions, meansTree, modprobeTree, type TreeOptions } from "../modprobe-tree.js";

interface Options extends Omit<TreeOptions, keyof ModprobeOptions>, ModprobeOptions {
  readonly show?: true;
  readonly dryRun?: true;
  readonly all?: true;
  readonly verbose?: true;
  readonly quiet?: true;
}

export function describe(command: Command, finish: Finish): void {
  // Each -v says more, and -q forgets those before it: `-qv` says nothing.
  let level: number = Priority.warning;
  command.on("option:quiet", () => (level = 0));
  command.on("option:verbose", () => level++);
  addExamples(
    command,
    "unikvm modprobe -n --show-depends kvm-hv            # what would be loaded",
    "unikvm modprobe vfio                                # into the unikvm that runs",
    "unikvm modprobe -r vfio",
    "unikvm modprobe -n -D -d rootfs -S 6.1.0-29-powerpc64le virtio_blk   # of a Linux kernel's tree",
  );
  addTreeOptions(addPidOption(command))
    .argument("[module]", "its name or alias")
    .argument("[parameters...]", "name=value, or with -a more modules")
    .option("-a, --all", "every argument is a module")
    .option("-r, --remove", "remove it, and what only it needed")
    .option("-f, --force", "though it was made for another version of unikvm; with -r, though it is in use")
    .option("--first-time", "fail if it is loaded already, or with -r, if it is not")
    .option("-R, --resolve-alias", "print the module that the name stands for")
    .option("-D, --show-depends", "print what would be loaded, in order")
    .option("-n, --dry-run", "do nothing, only print")
    .addOption(new Option("--show", "the same as --dry-run").hideHelp())
    .option("-q, --quiet", "say nothing of what fails")
    .option("-v, --verbose", "print what is done")
    .action(
      finish((name: string | undefined, rest: readonly string[], options: Options) => run(name, rest, options, level)),
    );
}

async function run(
  name: string | undefined,
  rest: readonly string[],
  { verbose: _, ...given }: Options,
  level: number,
): Promise<number> {
  const verbose = level > Priority.warning;
  const messages = kmodMessages("modprobe", verbose ? Math.max(level, Priority.info) : level);
  const options: Options = { ...given, ...(verbose && { verbose }) };
  if (meansTree(options)) {
    const dry = options.dryRun ?? options.show;
    return modprobeTree(
      name === undefined ? [] : [name, ...rest],
      { ...options, ...(dry && { dryRun: dry }) },
      messages,
    );
  }
  if (name === undefined) {
    messages.error("missing parameters. See --help.");
    return KmodStatus.failed;
  }
  const several = options.all === true || options.remove === true;
  const wanted = several ? [name, ...rest].map((module) => ({ module })) : [{ module: name, parameters: rest }];
  const dryRun = options.dryRun ?? options.show;
  const { modprobeOwn } = await import("../modprobe-own.js");
  return modprobeOwn(wanted, { ...options, ...(dryRun ? { dryRun } : {}) }, messages);
}
