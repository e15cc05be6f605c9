/** A process that runs guests: its modules, which the commands about modules reach while it runs. */
import { resolve } from "node:path";
import { messageOf } from "../base/errors.js";
import type { Log } from "../base/log.js";
import { moduleList } from "../kernel/module-list.js";
import { type AnyKvm, type KvmConfig, kvmModuleFor } from "../kernel.js";
import type { GivenParameters } from "../modules/loader.js";
import { type ControlServer, type FindAgent, type SaveSnapshot, serveControl } from "./control/server.js";
import { importModule, sizeOf } from "./import-module.js";
import { type LoadedKvm, loadKvm, logErrors } from "./kvm.js";
import { ownModules } from "./own-modules.js";

/** One of unikvm's own modules by its name, or a file whose default export is a module; and the module's parameters. */
export interface ModuleChoice {
  readonly module: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Instance extends LoadedKvm {
  /** Has `save` make the snapshots that commands ask for; undefined: there is no machine now. */
  onSnapshot(save: SaveSnapshot | undefined): void;
  /** Has commands talk to the agent in the guest; undefined: there is no machine now. */
  onAgent(find: FindAgent | undefined): void;
}

/**
 * As `loadKvm`, the kvm being the one that is among `choices`, else what runs such guests; the other choices are loaded
 * after it, with what they need. Errors as modprobe's, importModule's and kvmModuleFor's.
 */
export async function startInstance(
  config: KvmConfig,
  choices: readonly ModuleChoice[] = [],
  guest?: string,
): Promise<Instance> {
  let control: ControlServer | undefined;
  const sizes = new Map<string, number>();
  // What a command causes is told to the command.
  const log: Log = (level, message) => void (control?.log(message) || logErrors(level, message));
  const known = ownModules();
  const own = (module: string): string | undefined => known.resolve(module);
  const kvms = moduleList().flatMap(({ guests, definition }) => (guests ? [definition.name] : []));
  const chosen = choices.flatMap(({ module }) => own(module) ?? []).find((name) => kvms.includes(name));
  const kvmName = kvmModuleFor({
    ...(guest === undefined ? {} : { guest }),
    ...(chosen === undefined ? {} : { module: chosen }),
  });
  // It is loaded first, with whatever was chosen for it.
  const forKvm = choices.filter(({ module }) => own(module) === kvmName);
  const given: GivenParameters = Object.assign({}, ...forKvm.map(({ parameters }) => parameters));
  const loaded = await loadKvm<AnyKvm>(config, log, given, kvmName);
  for (const { module, parameters } of choices) {
    let name = own(module);
    if (name === undefined) {
      const definition = await importModule(resolve(module));
      sizes.set(definition.name, await sizeOf(resolve(module)));
      loaded.loader.add(definition);
      name = definition.name;
    }
    await loaded.loader.modprobe(name, parameters);
  }
  try {
    control = await serveControl(loaded.loader, sizes);
  } catch (error) {
    // The guest runs without.
    if (process.env["UNIKVM_DEBUG"]) process.stderr.write(`unikvm: no commands can reach this: ${messageOf(error)}\n`);
  }
  return {
    ...loaded,
    onSnapshot: (save) => control?.onSnapshot(save),
    onAgent: (find) => control?.onAgent(find),
    close: () => {
      control?.close();
      // Who uses kvm goes first.
      for (const name of loaded.loader.lsmod().find(({ name: used }) => used === kvmName)?.users ?? []) {
        loaded.loader.rmmod(name);
      }
      loaded.close();
    },
  };
}
