/**
 * The door to kvm, for all that is not a part of it; for the threads of its vCPUs that is kernel/attach.ts. And the process
 * as a kernel: one loader that `modprobe`, `rmmod`, `insmod` and `lsmod` act on. Each version of the package
 * in a process has its own; what they share is vac's.
 */
import type { PpcKvm } from "./arch/powerpc/uapi.js";
import type { X86Kvm } from "./arch/x86/uapi.js";
import { KvmError } from "./base/errors.js";
import { type Log, silent } from "./base/log.js";
import { thisPackage } from "./base/package.js";
import { ProcessWide } from "./base/process-wide.js";
import { callback, optional, options, taking, text } from "./base/takes.js";
import { configFields, type KvmConfig } from "./engine/kvm-config.js";
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
import { normalise } from "./modules/namespace.js";

export { type KvmOffer, kvmModule, loadDisassembler } from "./arch/powerpc/module.js";

export type { KvmConfig } from "./engine/kvm-config.js";

/** Of one of the architectures that there are. */
export type AnyKvm = PpcKvm | X86Kvm;

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

/** /dev/kvm of a kvm that is live. */
interface Opened<K extends AnyKvm> {
  open(): K;
}

/**
 * Loads a kvm and opens what it has in /dev. EINVAL: no implementation could load; the message says why for each. EEXIST:
 * another kvm has that name in /dev.
 */
export async function loadKvm<K extends AnyKvm = PpcKvm>(
  loader: ModuleLoader,
  parameters: GivenParameters = {},
  name = "kvm",
): Promise<K> {
  await loader.modprobe(name, parameters);
  return loader.offer<Opened<K>>(name).open();
}

export interface KvmChoice extends OpenKvmOptions {
  /** What guests are of: "ppc64le" (the default), "ppc64", "x86_64" or "i386". */
  readonly guest?: string;
  /** The module, where several run such guests: "kvm-intel" (the default for x86) or "kvm-amd". */
  readonly module?: string;
}

/** What `openKvm` opens for such a choice. */
export type KvmFor<C extends KvmChoice> = C extends
  | { readonly guest: "x86_64" | "i386" }
  | { readonly module: "kvm-intel" | "kvm-amd" | "kvm_intel" | "kvm_amd" }
  ? X86Kvm
  : PpcKvm;

/** The kvm that runs such guests, the one of that name if one is named. EINVAL: there is none. */
export function kvmModuleFor({ guest, module }: Pick<KvmChoice, "guest" | "module"> = {}): string {
  const kvms = moduleList().filter(({ guests }) => guests !== undefined);
  const named = module === undefined ? kvms : kvms.filter(({ definition }) => isCalled(definition, module));
  if (named.length === 0) {
    const names = kvms.map(({ definition }) => definition.name).join(", ");
    throw new KvmError("EINVAL", `openKvm: no kvm is called ${JSON.stringify(module)}; there are ${names || "none"}`);
  }
  const wanted = guest ?? (module === undefined ? "ppc64le" : undefined);
  const found = named.find(({ guests }) => wanted === undefined || guests?.includes(wanted));
  if (found) return found.definition.name;
  const known = [...new Set(named.flatMap(({ guests = [] }) => guests))].join(", ");
  const which = module === undefined ? "no kvm" : `${module} is not a kvm that`;
  throw new KvmError(
    "EINVAL",
    `openKvm: ${which} runs guests of ${JSON.stringify(wanted)}; there are ${known || "none"}`,
  );
}

/** By its name, else by an alias. */
const isCalled = ({ name, aliases = [] }: ModuleDefinition, wanted: string): boolean =>
  [name, ...aliases].some((one) => normalise(one) === normalise(wanted));

/**
 * Loads the kvm for such guests and opens it. EINVAL: there is none, or no implementation could load; the message says
 * why for each. With further options, which say what that kvm is to be, it is one of its own and `lsmod` does not show it.
 * In /dev it has its module's name, so that kvms of several architectures and vendors are there side by side.
 */
export const openKvm = taking(
  "openKvm",
  { options: optional(options<KvmChoice>({ ...openFields, guest: optional(text), module: optional(text) })) },
  async <const C extends KvmChoice = Record<never, never>>(options: C = {} as C): Promise<KvmFor<C>> => {
    const { guest, module, ...own }: KvmChoice = options;
    const name = kvmModuleFor({
      ...(guest === undefined ? {} : { guest }),
      ...(module === undefined ? {} : { module }),
    });
    const loader = Object.keys(own).length > 0 ? createLoader(own) : kernel();
    return loadKvm<KvmFor<C>>(loader, { node: name }, name);
  },
  { promises: true },
);
