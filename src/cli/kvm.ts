/** The kvm module, as the command line loads it. */
import type { PpcKvm } from "../arch/powerpc/uapi.js";
import type { Log } from "../base/log.js";
import { type AnyKvm, createLoader, type KvmConfig, kvmModuleFor, loadKvm as open } from "../kernel.js";
import type { GivenParameters, ModuleLoader } from "../modules/loader.js";
import { prepareV8 } from "../wasm/node/v8.js";

export interface LoadedKvm<K extends AnyKvm = AnyKvm> {
  readonly kvm: K;
  /** The loader of this process; it knows all of unikvm's modules. */
  readonly loader: ModuleLoader;
  /** Removes the module. */
  readonly close: () => void;
}

/** Says on stderr why an implementation could not load, and what was done otherwise than it was asked for. */
export const logErrors: Log = (level, message) => {
  if (level !== "info") process.stderr.write(`unikvm: ${message}\n`);
};

/** Loads a kvm, the one for POWER unless another is named, and opens /dev/kvm. Throws KvmError if no implementation loads. */
export async function loadKvm<K extends AnyKvm = PpcKvm>(
  config: KvmConfig = {},
  log: Log = logErrors,
  parameters: GivenParameters = {},
  name = "kvm",
): Promise<LoadedKvm<K>> {
  prepareV8();
  const loader = createLoader({ ...config, log });
  const kvm = await open<K>(loader, parameters, name);
  return { kvm, loader, close: () => loader.rmmod(name) };
}

/** The same for the kvm that runs such guests. */
export const loadKvmFor = (guest?: string): Promise<LoadedKvm<AnyKvm>> =>
  loadKvm<AnyKvm>({}, logErrors, {}, kvmModuleFor(guest === undefined ? {} : { guest }));
