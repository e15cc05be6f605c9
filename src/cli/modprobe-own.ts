/** modprobe of unikvm's own modules: in the running instance, or only told. */

import { normalise } from "../modules/namespace.js";
import { errorText, type Messages, Priority } from "../modules/node/messages.js";
import { ask } from "./control/client.js";
import type { Answer } from "./control/protocol.js";
import { askOrSay, formatParameters, type InsertionWords, insertionText, KmodStatus, parseParameters } from "./kmod.js";
import { modulePath, modulesFolder, type OwnModules, ownModules } from "./own-modules.js";

export interface ModprobeOptions {
  readonly all?: true;
  readonly remove?: true;
  readonly force?: true;
  readonly firstTime?: true;
  readonly resolveAlias?: true;
  readonly showDepends?: true;
  readonly dryRun?: true;
  readonly verbose?: true;
  readonly pid?: number;
}

export interface Wanted {
  readonly module: string;
  /** "name=value", as given. */
  readonly parameters?: readonly string[];
}

/** Does it for each in turn; the first that fails ends it, unless all were asked for. Returns the exit status. */
export async function modprobeOwn(
  wanted: readonly Wanted[],
  options: ModprobeOptions,
  messages: Messages,
): Promise<number> {
  const known = ownModules();
  let status: number = KmodStatus.done;
  for (const each of wanted) {
    const ended = await one(each, known, options, messages);
    if (ended !== KmodStatus.done) status = ended;
    if (ended === KmodStatus.noInstance) break;
  }
  return status;
}

async function one(wanted: Wanted, known: OwnModules, options: ModprobeOptions, messages: Messages): Promise<number> {
  const { module, parameters = [] } = wanted;
  const found = known.resolve(module);
  const planning = options.dryRun || options.showDepends || options.resolveAlias;
  if (found === undefined)
    return planning ? notFound(module, options, messages) : act(wanted, module, options, messages);
  const name = normalise(found);
  const builtin = known.isBuiltin(name);
  if (options.resolveAlias) return print(`${name}\n`);
  if (options.showDepends) {
    return print(builtin ? `builtin ${name}\n` : insertions(known.showDepends(name), parameters));
  }
  if (builtin && options.remove) {
    messages.say(Priority.critical, `Module ${name} is builtin.`);
    return KmodStatus.failed;
  }
  if (builtin && options.firstTime) return alreadyInKernel(name, messages);
  if (!options.dryRun) return act(wanted, name, options, messages);
  if (builtin || !options.verbose) return KmodStatus.done;
  // What is loaded in the instance that runs, if one does, would be left alone.
  const loaded = (await ask({ command: "lsmod" }, options.pid).catch(() => undefined))?.modules ?? [];
  const isLoaded = (each: string): boolean => loaded.some((other) => normalise(other.name) === normalise(each));
  if (options.remove) return print(isLoaded(name) ? `rmmod ${name}\n` : "");
  if (isLoaded(name)) return KmodStatus.done;
  const missing = known
    .showDepends(
      name,
      loaded.map((other) => other.name),
    )
    .filter((each) => !isLoaded(each));
  return print(insertions(missing, parameters));
}

/** `name`: what `module` stands for. */
async function act(
  { module, parameters = [] }: Wanted,
  name: string,
  options: ModprobeOptions,
  messages: Messages,
): Promise<number> {
  const force = options.force === true;
  const answer = await askOrSay(
    messages,
    options.remove
      ? { command: "remove", name: module, force }
      : { command: "modprobe", name: module, parameters: parseParameters(parameters), force },
    options.pid,
  );
  if (typeof answer === "number") return answer;
  const { actions, failure } = answer;
  if (options.verbose) {
    for (const { kind, name: each } of actions) {
      const own = normalise(each) === normalise(name) ? parameters : [];
      process.stdout.write(kind === "rmmod" ? `rmmod ${normalise(each)}\n` : insertions([each], own));
    }
  }
  if (failure) return failed(module, normalise(name), answer, options, messages);
  if (options.firstTime && actions.length === 0) {
    if (!options.remove) return alreadyInKernel(normalise(module), messages);
    messages.say(Priority.critical, `Module ${module} is not in kernel.`);
    return KmodStatus.failed;
  }
  return KmodStatus.done;
}

const words: InsertionWords = { ENOENT: "Unknown symbol in module, or unknown parameter (see dmesg)" };

function failed(
  module: string,
  name: string,
  { failure, modules }: Answer,
  options: ModprobeOptions,
  messages: Messages,
): number {
  if (!failure) return KmodStatus.done;
  const { code, message } = failure;
  const present = modules.find((candidate) => normalise(candidate.name) === name);
  if (code === "ENOENT" && !present && message.endsWith(`: module ${module} not found`))
    return notFound(module, options, messages);
  if (options.remove) {
    const users = present && present.users.length > 0;
    if (code === "EBUSY" && present)
      messages.say(Priority.critical, `Module ${name} is in use${users ? ` by: ${present.users.join(" ")}` : "."}`);
    else messages.error(`could not remove '${name}': ${errorText(failure)}`);
    return KmodStatus.failed;
  }
  messages.error(`could not insert '${name}': ${insertionText(failure, words)}`);
  messages.error(message);
  return KmodStatus.failed;
}

function notFound(module: string, options: ModprobeOptions, messages: Messages): number {
  const where = options.remove || options.resolveAlias ? "." : ` in directory ${modulesFolder}`;
  messages.say(options.all ? Priority.warning : Priority.critical, `Module ${module} not found${where}`);
  return KmodStatus.failed;
}

function alreadyInKernel(name: string, messages: Messages): number {
  messages.error(`could not insert '${name}': Module already in kernel`);
  return KmodStatus.failed;
}

/** `insmod PATH PARAMETERS`, the parameters being the last one's; nothing for what is linked in. */
function insertions(names: readonly string[], parameters: readonly string[]): string {
  const known = ownModules();
  return names
    .map((name, at) => {
      if (known.isBuiltin(name)) return "";
      return `insmod ${modulePath(name) ?? name} ${at === names.length - 1 ? formatParameters(parameters) : ""}\n`;
    })
    .join("");
}

function print(text: string): number {
  process.stdout.write(text);
  return KmodStatus.done;
}
