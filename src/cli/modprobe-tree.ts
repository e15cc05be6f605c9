/** modprobe on a tree of a kernel's modules: tells what would be loaded, and loads nothing. Source: modprobe(8). */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { type Command, Option } from "commander";
import { ModuleFileError } from "../modules/elf/elf-file.js";
import type { ElfModule } from "../modules/elf/elf-module.js";
import { errorText, Fatal, type Messages, Priority } from "../modules/node/messages.js";
import { withModule } from "../modules/node/module-file.js";
import { defaultModprobeConfig, readModprobeConfig } from "../modules/node/read-modprobe-config.js";
import { readTree } from "../modules/node/read-tree.js";
import { actionText, type Host, Probe, removalText, type Target } from "../modules/probe.js";

/** What may be asked of a tree. */
export interface TreeOptions {
  readonly dirname?: string;
  readonly setVersion?: string;
  readonly config?: readonly string[];
  readonly all?: boolean;
  readonly remove?: boolean;
  readonly resolveAlias?: boolean;
  readonly showDepends?: boolean;
  readonly dryRun?: boolean;
  readonly verbose?: boolean;
  readonly ignoreInstall?: boolean;
  readonly ignoreRemove?: boolean;
  readonly useBlacklist?: boolean;
  readonly firstTime?: boolean;
  readonly showConfig?: boolean;
  readonly showconfig?: boolean;
  readonly showModversions?: boolean;
  readonly dumpModversions?: boolean;
  readonly showExports?: boolean;
}

/** The options that mean a kernel's tree and not unikvm's own modules, or only make sense there. */
export function addTreeOptions(command: Command): Command {
  return command
    .option("-d, --dirname <dir>", "a kernel's modules under this root, instead of unikvm's own")
    .option("-S, --set-version <version>", "those of this kernel, instead of this host's")
    .option("-C, --config <path>", "read configuration from there; may be repeated", (path, before: string[] = []) => [
      ...before,
      path,
    ])
    .option("-b, --use-blacklist", "apply the blacklist to what an alias stands for, and to names")
    .option("-i, --ignore-install", "pass over install commands and soft dependencies")
    .addOption(new Option("--ignore-remove", "the same as --ignore-install").hideHelp())
    .option("-c, --show-config", "print the configuration, and the aliases of the tree")
    .addOption(new Option("--showconfig", "the same as --show-config").hideHelp())
    .option("--show-modversions", "print the symbol versions that a module's file needs")
    .addOption(new Option("--dump-modversions", "the same as --show-modversions").hideHelp())
    .option("--show-exports", "print the symbols that a module's file exports");
}

/** Whether the options are about a kernel's tree, or a file. */
export const meansTree = (options: TreeOptions): boolean =>
  options.dirname !== undefined ||
  options.setVersion !== undefined ||
  [options.showModversions, options.dumpModversions, options.showExports, options.showConfig, options.showconfig].some(
    Boolean,
  );

/** Does it; returns modprobe's exit status. */
export async function modprobeTree(names: readonly string[], given: TreeOptions, messages: Messages): Promise<0 | 1> {
  const options = withoutSynonyms(given);
  const [first] = names;
  if (options.showConfig) return showConfig(options, messages);
  if (first === undefined) {
    // Said whatever -q asks for, as modprobe does.
    messages.level = Priority.error;
    messages.error("missing parameters. See -h.");
    return 1;
  }
  if (options.showModversions || options.showExports) return showSymbols(first, options, messages);
  if (!(options.dryRun || options.showDepends || (options.resolveAlias && !options.remove))) {
    messages.say(Priority.critical, "the modules of a kernel's tree can only be shown: use -n, -D, -R or -c");
    return 1;
  }
  if (options.remove) return showRemovals(names, options, messages);
  const wanted = options.all
    ? names.map((name) => ({ name, parameters: [] }))
    : [{ name: first, parameters: names.slice(1) }];
  return showModules(wanted, options, messages);
}

const folderOf = ({ dirname = "", setVersion = release() }: TreeOptions) => `${dirname}/lib/modules/${setVersion}`;

const configOf = (options: TreeOptions, messages: Messages) =>
  readModprobeConfig(options.config ?? defaultModprobeConfig, folderOf(options), messages);

function showConfig(options: TreeOptions, messages: Messages): 0 {
  const lines = [
    ...configOf(options, messages).lines(),
    "",
    "# End of configuration files. Dumping indexes now:",
    "",
    ...readTree(folderOf(options), messages).indexLines(),
  ];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  return 0;
}

function showModules(
  wanted: readonly { readonly name: string; readonly parameters: readonly string[] }[],
  options: TreeOptions,
  messages: Messages,
): 0 | 1 {
  const probe = probeFor(options, messages);
  let status: 0 | 1 = 0;
  for (const { name, parameters } of wanted) {
    const targets = probe.lookup(name);
    if (targets.length === 0) {
      const priority = options.all ? Priority.warning : Priority.critical;
      messages.say(priority, `Module ${name} not found in directory ${folderOf(options)}`);
      status = 1;
    }
    for (const target of targets) if (!show(probe, target, parameters, options, messages)) status = 1;
  }
  return status;
}

/** Everything that -r would remove. A message that is fatal ends it, as kmod's do. */
function showRemovals(names: readonly string[], options: TreeOptions, messages: Messages): 0 | 1 {
  const probe = probeFor(options, messages);
  const refuse = (why: string): void => {
    if (!options.all) throw messages.fatal(why);
    messages.warning(why);
  };
  let status: 0 | 1 = 0;
  try {
    for (const name of names) {
      const targets = probe.lookup(name);
      if (targets.length === 0) refuse(`Module ${name} not found.`);
      const removed = targets.every((target) => {
        const ignoreCommands = options.ignoreInstall === true;
        const firstTime = options.firstTime === true;
        const steps = probe.removal(target, {
          ignoreCommands,
          firstTime,
          refuse,
          ...(!options.showDepends && { host: thisHost }),
        });
        const told = options.showDepends || options.verbose ? (steps ?? []) : [];
        process.stdout.write(told.map((step) => `${removalText(step)}\n`).join(""));
        return steps !== undefined;
      });
      if (targets.length === 0 || !removed) status = 1;
    }
  } catch (error) {
    if (error instanceof Fatal) return 1;
    throw error;
  }
  return status;
}

/** What this host's kernel has. */
const thisHost: Host = {
  state: (target) => (target.builtin ? "builtin" : isLoaded(target) ? "live" : undefined),
  references({ name }) {
    try {
      return Number.parseInt(readFileSync(`/sys/module/${name}/refcnt`, "utf8"), 10);
    } catch {
      return undefined;
    }
  },
};

function probeFor(options: TreeOptions, messages: Messages): Probe {
  return new Probe(readTree(folderOf(options), messages), configOf(options, messages), (name) =>
    messages.error(`failed to lookup soft dependency '${name}', continuing anyway.`),
  );
}

const withoutSynonyms = (options: TreeOptions): TreeOptions => ({
  ...options,
  showConfig: !!(options.showConfig || options.showconfig),
  showModversions: !!(options.showModversions || options.dumpModversions),
  ignoreInstall: !!(options.ignoreInstall || options.ignoreRemove),
});

function show(
  probe: Probe,
  target: Target,
  parameters: readonly string[],
  options: TreeOptions,
  messages: Messages,
): boolean {
  if (options.resolveAlias) {
    process.stdout.write(`${target.name}\n`);
    return true;
  }
  // What --show-depends shows does not depend on this host; what -n would do does.
  const loaded = options.showDepends ? () => false : isLoaded;
  if (loaded(target)) {
    if (options.firstTime) messages.error(`could not insert '${target.name}': Module already in kernel`);
    return !options.firstTime;
  }
  if ((target.alias !== undefined || options.useBlacklist) && probe.isBlacklisted(target)) return true;
  const actions = probe.plan(target, {
    options: quoted(parameters),
    ignoreCommands: !!options.ignoreInstall,
    isLoaded: loaded,
  });
  if (options.showDepends || options.verbose) {
    process.stdout.write(actions.map((action) => `${actionText(action)}\n`).join(""));
  }
  return true;
}

/** Whether this host's kernel has it. */
function isLoaded({ name, builtin }: Target): boolean {
  if (builtin) return true;
  try {
    return readFileSync(`/sys/module/${name}/initstate`, "utf8") === "live\n";
  } catch {
    return false;
  }
}

/** A value with blanks is put in quotes. */
const quoted = (parameters: readonly string[]): string =>
  parameters
    .map((text) => {
      const [, key = "", value = ""] = /^([^=]*=)(.*)$/s.exec(text) ?? [];
      return /^[^"'].* |^ /s.test(value) ? `${key}"${value}"` : text;
    })
    .join(" ");

function exportsOf(module: ElfModule) {
  const { exports, elf } = module;
  if (exports.length === 0 && !elf.find("__ksymtab_strings"))
    throw new ModuleFileError("ENOENT", "nothing is exported");
  return exports;
}

async function showSymbols(file: string, options: TreeOptions, messages: Messages): Promise<0 | 1> {
  const read = (module: ElfModule) => (options.showModversions ? module.versions() : exportsOf(module));
  try {
    for (const { name, crc = 0 } of await withModule(file, read)) {
      process.stdout.write(`0x${crc.toString(16).padStart(8, "0")}\t${name}\n`);
    }
    return 0;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT" && "syscall" in (error as object);
    const what = options.showModversions ? "modversions" : "symbols";
    const text = missing ? `Module ${file} not found.` : `could not get ${what} of ${file}: ${errorText(error)}`;
    messages.say(Priority.critical, text);
    return 1;
  }
}
