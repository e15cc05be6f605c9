/** modprobe of unikvm's own modules: in the running instance, or only told. */

import type { ModuleLoader } from "../modules/loader.js";
import { normalise } from "../modules/namespace.js";
import { errorText, type Messages, Priority } from "../modules/node/messages.js";
import { ask } from "./control/client.js";
import type { Answer } from "./control/protocol.js";
import { askOrSay, formatParameters, type InsertionWords, insertionText, KmodStatus, parseParameters } from "./kmod.js";
import { modulePath, modulesFolder, ownModules } from "./own-modules.js";

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

async function one(wanted: Wanted, known: ModuleLoader, options: ModprobeOptions, messages: Messages): Promise<number> {
  const { module, parameters = [] } = wanted;
  const name = known.resolve(module);
  const planning = options.dryRun || options.showDepends || options.resolveAlias;
  if (planning && name === undefined) return notFound(module, options, messages);
  if (name !== undefined && options.resolveAlias) return print(`${normalise(name)}\n`);
  if (name !== undefined && options.showDepends) return print(insertions(known.showDepends(name), parameters));
  if (options.dryRun && name !== undefined) {
    // What is loaded in the instance that runs, if one does, would be left alone.
    const loaded = (await ask({ command: "lsmod" }, options.pid).catch(() => undefined))?.modules ?? [];
    const isLoaded = (each: string): boolean => loaded.some((other) => normalise(other.name) === normalise(each));
    if (!options.verbose) return KmodStatus.done;
    if (options.remove) return print(isLoaded(name) ? `rmmod ${normalise(name)}\n` : "");
    const names = loaded.map((other) => other.name);
    const missing = known.showDepends(name, names).filter((each) => !isLoaded(each));
    return print(isLoaded(name) ? "" : insertions(missing, parameters));
  }
  return act(wanted, options, messages);
}

async function act({ module, parameters = [] }: Wanted, options: ModprobeOptions, messages: Messages): Promise<number> {
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
    for (const { kind, name } of actions) {
      process.stdout.write(kind === "rmmod" ? `rmmod ${normalise(name)}\n` : insertions([name], parameters));
    }
  }
  if (failure) return failed(module, answer, options, messages);
  if (options.firstTime && actions.length === 0) {
    if (options.remove) messages.say(Priority.critical, `Module ${module} is not in kernel.`);
    else messages.error(`could not insert '${normalise(module)}': Module already in kernel`);
    return KmodStatus.failed;
  }
  return KmodStatus.done;
}

const words: InsertionWords = { ENOENT: "Unknown symbol in module, or unknown parameter (see dmesg)" };

function failed(module: string, { failure, modules }: Answer, options: ModprobeOptions, messages: Messages): number {
  if (!failure) return KmodStatus.done;
  const { code, message } = failure;
  const name = normalise(ownModules().resolve(module) ?? module);
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

/** `insmod PATH PARAMETERS`, the parameters being the last one's. */
function insertions(names: readonly string[], parameters: readonly string[]): string {
  return names
    .map((name, at) => {
      const last = at === names.length - 1;
      return `insmod ${modulePath(name) ?? name} ${last ? formatParameters(parameters) : ""}\n`;
    })
    .join("");
}

function print(text: string): number {
  process.stdout.write(text);
  return KmodStatus.done;
}
