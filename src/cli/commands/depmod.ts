/** `unikvm depmod`: writes or prints the files that describe a tree of modules. Source: depmod(8). */
import { release } from "node:os";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { depmod } from "../../modules/node/depmod.js";
import { Messages, Priority } from "../../modules/node/messages.js";
import { addExamples, type Finish } from "../command.js";

interface Options {
  readonly all?: boolean;
  readonly quick?: boolean;
  readonly basedir?: string;
  readonly config?: string[];
  readonly symvers?: string;
  readonly filesyms?: string;
  readonly errsyms?: boolean;
  readonly show?: boolean;
  readonly dryRun?: boolean;
  readonly symbolPrefix?: string;
  readonly verbose?: number;
  readonly warn?: boolean;
}

/** Options that depmod once had. */
const deprecated = ["-u, --unresolved-error", "-q, --quiet", "-r, --root", "-m, --map"];

export function describe(command: Command, finish: Finish): void {
  for (const flags of deprecated) command.addOption(new Option(flags).hideHelp());
  command
    .argument("[version]", "the kernel's, instead of this host's")
    .argument("[file...]", "only these modules, by absolute paths")
    .option("-a, --all", "probe all modules")
    .option("-A, --quick", "only if there is a newer module than modules.dep")
    .option("-b, --basedir <dir>", "use the module tree under this root")
    .option("-C, --config <path>", "read configuration from there; may be repeated", collect)
    .option("-E, --symvers <file>", "check symbol versions against this Module.symvers")
    .option("-e, --errsyms", "report symbols that nobody supplies; needs -E or -F")
    .option("-F, --filesyms <file>", "the kernel's symbols, from this System.map")
    .option("-n, --show", "print, write nothing")
    .option("--dry-run", "the same as --show")
    .option("-P, --symbol-prefix <char>", "the character before every symbol")
    .option("-v, --verbose", "name the dependencies", (_, before: number) => before + 1, 0)
    .option("-w, --warn", "warn of duplicates")
    .action(finish((version: string | undefined, files: string[], options: Options) => run(version, files, options)));
  addExamples(
    command,
    "unikvm depmod -b rootfs 6.1.0-29-powerpc64le      # writes rootfs/lib/modules/VERSION/modules.dep and others",
    "unikvm depmod -n -b rootfs 6.1.0-29-powerpc64le   # only prints them",
  );
}

const collect = (value: string, before: string[] = []) => [...before, value];

async function run(version: string = release(), files: readonly string[], options: Options): Promise<number> {
  const verbose = options.verbose ?? 0;
  const messages = new Messages("depmod", (text) => process.stderr.write(text), Priority.warning + verbose);
  for (const flags of deprecated) {
    const long = flags.replace(/^.*--/, "");
    const name = long.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    if (name in options) messages.warning(`Ignored deprecated option --${long}`);
  }
  if (!/^\s*\d+\.\d/.test(version)) {
    messages.error(`Bad version passed ${version}`);
    return 1;
  }
  if (options.symbolPrefix !== undefined && options.symbolPrefix.length > 1) {
    messages.say(Priority.critical, "-P only takes a single char");
    return 1;
  }
  const root = options.basedir === undefined ? "" : resolve(options.basedir);
  return depmod({
    folder: `${root === "/" ? "" : root}/lib/modules/${version}`,
    version,
    messages,
    ...(files.length > 0 && !options.all && !options.quick && { files }),
    ...(options.config && { config: options.config }),
    ...((options.show || options.dryRun) && { print: (text: string) => process.stdout.write(text) }),
    ...(options.quick && { ifOutdated: true }),
    ...(options.symvers !== undefined && { symvers: options.symvers }),
    ...(options.filesyms !== undefined && { systemMap: options.filesyms }),
    ...(options.errsyms && { reportSymbols: true }),
    ...(options.warn && { reportDuplicates: true }),
    ...(options.symbolPrefix !== undefined && { symbolPrefix: options.symbolPrefix }),
    ...(verbose > 0 && { verbose: (line: string) => process.stdout.write(`${line}\n`) }),
  });
}
