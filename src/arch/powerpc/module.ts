/**
 * The kvm module for POWER guests: one module that holds every implementation the platform allows.
 * `openKvm` is what most need: it loads the module and opens /dev/kvm. Here is what is known of the module before it is
 * loaded; its code is imported by its init, as a .ko file is read by modprobe.
 */
import { type Log, silent } from "../../base/log.js";
import { thisPackage } from "../../base/package.js";
import { callback, having, listOf, oneOf, optional, options, taking, text, wholeNumber } from "../../base/takes.js";
import type { ThreadBeside } from "../../kvm/engine.js";
import { kvmParameters } from "../../kvm/parameters.js";
import type { SharedVm } from "../../kvm/uapi.js";
import { defineModule, exportSymbol, type ModuleDefinition } from "../../modules/define-module.js";
import { ModuleLoader } from "../../modules/loader.js";
import { vac } from "../../vac/module.js";
import { type LoadAsset, loadAssetHere } from "./module/assets.js";
import { type ImplementationName, rows } from "./module/implementations.js";
import { kvmImports } from "./module/imports.js";
import { kvmppcRegisterHcalls } from "./module/register-hcalls.js";
import type { PpcKvm, PpcVm } from "./uapi.js";

export { type AssetName, assetNames, type LoadAsset } from "./module/assets.js";
export type { ImplementationName } from "./module/implementations.js";
export type { PpcKvm, PpcVm } from "./uapi.js";

export interface KvmConfig {
  /** What is configured in. Default: both. */
  readonly implementations?: readonly ImplementationName[];
  /** Which VMs can be made. Default: shared where the platform has shared memory, else unshared. */
  readonly memory?: "shared" | "unshared" | "both";
  /** How the built WebAssembly is got: bytes, or compiled modules where the platform forbids compiling bytes. */
  readonly loadAsset?: LoadAsset;
}

export interface OpenKvmOptions extends KvmConfig {
  /** The kernel side's messages, e.g. why an implementation could not load. */
  readonly log?: Log;
}

/** What the module offers once it is live: /dev/kvm. */
export interface KvmOffer {
  open(): PpcKvm;
}

const configFields = {
  implementations: optional(listOf(oneOf(...rows.map(({ name }) => name)))),
  memory: optional(oneOf("shared", "unshared", "both")),
  loadAsset: optional(callback),
};
/** What openKvm takes. */
export const openOptions = options<OpenKvmOptions>({ ...configFields, log: optional(callback) });
/** What an older or newer version shares has these at least. */
const shared = having({ version: wholeNumber, arch: text, module: text });

/** Defines the kvm module with what is configured in. EINVAL: no such option. */
export const kvmModule = taking("kvmModule", { config: optional(options<KvmConfig>(configFields)) }, defineKvm);

function defineKvm(config: KvmConfig = {}): ModuleDefinition {
  const { implementations, loadAsset = loadAssetHere, memory } = config;
  const configured = rows.filter(({ name }) => implementations?.includes(name) ?? true);
  return defineModule({
    name: "kvm",
    description: "Kernel-based virtual machines for POWER guests",
    license: "MIT",
    version: thisPackage.version,
    inTree: true,
    aliases: configured.map(({ alias }) => alias),
    imports: kvmImports,
    exports: { registerHcalls: exportSymbol(kvmppcRegisterHcalls) },
    params: kvmParameters,
    init: async (context) =>
      (await import("./module/init.js")).initKvm(context, configured, { loadAsset, memory, module: import.meta.url }),
  });
}

/** With all that there is, as `insmod` of this file loads it. */
export default kvmModule();

/** A loader that knows the kvm module and what it depends on. EINVAL: no such option. */
export const createLoader = taking(
  "createLoader",
  { options: optional(openOptions) },
  ({ log = silent, ...config }: OpenKvmOptions = {}): ModuleLoader =>
    new ModuleLoader([vac, kvmModule(config)], { log }),
);

/** Loads kvm and opens /dev/kvm. EINVAL: no such option, or no implementation could load; the message says why for each. */
export const openKvm = taking(
  "openKvm",
  { options: optional(openOptions) },
  async (options: OpenKvmOptions = {}): Promise<PpcKvm> => {
    const loader = createLoader(options);
    await loader.modprobe("kvm");
    return loader.offer<KvmOffer>("kvm").open();
  },
  { promises: true },
);

/** What puts an instruction word into words. It brings the definitions of all instructions with it. */
export async function loadDisassembler(): Promise<(word: number, address: bigint) => string> {
  const { disassemble } = await import("./isa/disassembler.js");
  return (word, address) => disassemble(word, { address });
}

/**
 * Attaches this thread to a VM of another one, given what `Vm.share` gave there. EINVAL: not a POWER VM's. ESTALE: the VM
 * has moved to another kvm since.
 */
export const attachVm = taking(
  "attachVm",
  { shared },
  async (shared: SharedVm): Promise<PpcVm> => (await prepareAttachVm(shared))(),
  { promises: true },
);

/**
 * Loads what attaching needs, as long as that takes; what it gives attaches at once. `beside` is a thread on which
 * `serveBesideVm` works for the vCPU that this thread will run; without one, this thread does all itself.
 */
export const prepareAttachVm = taking(
  "prepareAttachVm",
  { shared, beside: optional(having({ post: callback, take: callback })) },
  prepareAttach,
  { promises: true },
);

async function prepareAttach(shared: SharedVm, beside?: ThreadBeside): Promise<() => PpcVm> {
  if (shared.module !== import.meta.url) {
    // A VM of another version of this package: its own module knows how.
    const other = (await import(shared.module)) as { prepareAttachVm: typeof prepareAttachVm };
    return other.prepareAttachVm(shared, beside);
  }
  return (await import("./module/init.js")).prepareAttach(shared, beside);
}

/**
 * What a thread beside a vCPU's does for it, given what `Vm.share` gave: to be told each request of the vCPU's thread, in
 * order, it calls `post` with answers for it. Undefined: the VM's implementation has nothing to do there. EINVAL: not a
 * POWER VM's.
 */
export const serveBesideVm = taking("serveBesideVm", { shared, post: callback }, serveBeside, { promises: true });

async function serveBeside(
  shared: SharedVm,
  post: (answer: unknown) => void,
): Promise<((request: unknown) => void) | undefined> {
  if (shared.module !== import.meta.url) {
    // An older version has no such thing.
    const other = (await import(shared.module)) as { serveBesideVm?: typeof serveBesideVm };
    return other.serveBesideVm?.(shared, post);
  }
  return (await import("./module/init.js")).serveBeside(shared, post);
}
