/**
 * The door to kvm, for all that is not a part of it; for the threads of its vCPUs that is kernel/attach.ts. And the process
 * as a kernel: one loader that `modprobe`, `rmmod`, `insmod` and `lsmod` act on. Each version of the package
 * in a process has its own; what they share is vac's.
 */
import { configFields, type KvmConfig, type KvmOffer } from "./arch/powerpc/module.js";
import type { PpcKvm } from "./arch/powerpc/uapi.js";
import { KvmError } from "./base/errors.js";
import { type Log, silent } from "./base/log.js";
import { thisPackage } from "./base/package.js";
import { ProcessWide } from "./base/process-wide.js";
import { callback, optional, options, taking, text } from "./base/takes.js";
import { moduleList } from "./kernel/module-list.js";
import type { ModuleDefinition } from "./modules/define-module.js";
import {
  type GivenParameters,
  type LoadOptions,
  loaderSignatures,
  type ModuleInfo,
  ModuleLoader,
  type RemoveOptions,
} from "./modules/loader.js";

export { type KvmConfig, type KvmOffer, kvmModule, loadDisassembler } from "./arch/powerpc/module.js";

/** Where this process keeps it. */
const processKernel = new ProcessWide<ModuleLoader>(`unikvm.kernel ${thisPackage.url}`);

/** The process's loader; it knows every module of unikvm, and loads none by itself. */
export function kernel(): ModuleLoader {
  const present = processKernel.value ?? new ModuleLoader(moduleList().map(({ definition }) => definition));
  processKernel.value = present;
  return present;
}

/** Loads a module and all that it needs. Errors as `ModuleLoader.modprobe`. */
export const modprobe = taking(
  "modprobe",
  loaderSignatures.modprobe,
  (name: string, parameters?: GivenParameters, options?: LoadOptions): Promise<void> =>
    kernel().modprobe(name, parameters, options),
  { promises: true },
);

/** Loads a module that is not one of unikvm's: what `defineModule` gave. Errors as `ModuleLoader.insmod`. */
export const insmod = taking(
  "insmod",
  loaderSignatures.insmod,
  (module: ModuleDefinition, parameters?: GivenParameters, options?: LoadOptions): Promise<void> =>
    kernel().insmod(module, parameters, options),
  { promises: true },
);

/** Removes a module. ENOENT: it is not loaded. EBUSY: it is in use. */
export const rmmod = taking("rmmod", loaderSignatures.rmmod, (name: string, options?: RemoveOptions): void =>
  kernel().rmmod(name, options),
);

/** The modules that are loaded, the last one first. */
export const lsmod = (): ModuleInfo[] => kernel().lsmod();

/** Which kvm is wanted, and whom it tells. */
export interface OpenKvmOptions extends KvmConfig {
  /** The kernel side's messages, e.g. why an implementation could not load. */
  readonly log?: Log;
}

const openFields = { ...configFields, log: optional(callback) };
const openOptions = options<OpenKvmOptions>(openFields);

/** A loader that knows every module of unikvm, kvm with these options, and loads none by itself. EINVAL: no such option. */
export const createLoader = taking(
  "createLoader",
  { options: optional(openOptions) },
  ({ log = silent, ...config }: OpenKvmOptions = {}): ModuleLoader =>
    new ModuleLoader(
      moduleList(config).map(({ definition }) => definition),
      { log },
    ),
);

/** Loads kvm and opens /dev/kvm. EINVAL: no implementation could load; the message says why for each. */
export async function loadKvm(loader: ModuleLoader, parameters: GivenParameters = {}, name = "kvm"): Promise<PpcKvm> {
  await loader.modprobe(name, parameters);
  return loader.offer<KvmOffer>(name).open();
}

export interface KvmChoice extends OpenKvmOptions {
  /** What guests are of: "ppc64le" (the default) or "ppc64", which one kvm runs both. */
  readonly guest?: string;
}

/** The module that runs such guests. EINVAL: none does. */
function moduleFor(guest: string): string {
  const all = moduleList();
  const found = all.find(({ guests }) => guests?.includes(guest));
  if (found) return found.definition.name;
  const known = all.flatMap(({ guests = [] }) => guests).join(", ");
  throw new KvmError("EINVAL", `openKvm: no kvm runs guests of ${JSON.stringify(guest)}; there are ${known || "none"}`);
}

/**
 * Loads the kvm for such guests and opens /dev/kvm. EINVAL: there is none, or no implementation could load; the message says
 * why for each. With further options, which say what that kvm is to be, it is one of its own and `lsmod` does not show it.
 */
export const openKvm = taking(
  "openKvm",
  { options: optional(options<KvmChoice>({ ...openFields, guest: optional(text) })) },
  async ({ guest = "ppc64le", ...own }: KvmChoice = {}): Promise<PpcKvm> => {
    const name = moduleFor(guest);
    return loadKvm(Object.keys(own).length > 0 ? createLoader(own) : kernel(), {}, name);
  },
  { promises: true },
);
