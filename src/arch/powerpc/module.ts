/**
 * The kvm module for POWER guests: one module that holds every implementation the platform allows.
 * Here is what is known of it before it is loaded; its code is imported by its init, as a .ko file is read by modprobe. What
 * most need is `openKvm` (kernel.ts), and `prepareAttachVm` (kernel/attach.ts), which finds a VM's module, that of another
 * version of this package too.
 */
import { thisPackage } from "../../base/package.js";
import { optional, options, taking } from "../../base/takes.js";
import { configFields, type KvmConfig } from "../../engine/kvm-config.js";
import type { ThreadBeside } from "../../kvm/engine.js";
import { kvmModuleParameters } from "../../kvm/parameters.js";
import type { AttachedVm, SharedVm } from "../../kvm/uapi.js";
import { defineModule, exportSymbol, type ModuleDefinition } from "../../modules/define-module.js";
import { loadAssetHere } from "./module/assets.js";
import { rows } from "./module/implementations.js";
import { kvmImports } from "./module/imports.js";
import { kvmppcRegisterHcalls } from "./module/register-hcalls.js";
import type { PpcKvm, PpcVm } from "./uapi.js";

export type { KvmConfig } from "../../engine/kvm-config.js";
export { type AssetName, assetNames, type LoadAsset } from "./module/assets.js";
export type { ImplementationName } from "./module/implementations.js";
export type { PpcKvm, PpcVm } from "./uapi.js";

/** What the module offers once it is live: /dev/kvm. */
export interface KvmOffer {
  /** Opens /dev/kvm. */
  open(): PpcKvm;
}

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
    params: kvmModuleParameters,
    init: async (context) =>
      (await import("./module/init.js")).initKvm(context, configured, { loadAsset, memory, module: import.meta.url }),
  });
}

/** With all that there is, as `insmod` of this file loads it. */
export default kvmModule();

/** What puts an instruction word into words. It brings the definitions of all instructions with it. */
export async function loadDisassembler(): Promise<(word: number, address: bigint, suffix?: number) => string> {
  const { disassemble } = await import("./isa/disassembler.js");
  return (word, address, suffix) => disassemble(word, { address, ...(suffix === undefined ? {} : { suffix }) });
}

/**
 * Loads what attaching needs, as long as that takes; what it gives attaches at once. Only for VMs of this very module.
 * EINVAL: not a POWER VM's. ESTALE: the VM has moved to another kvm since.
 */
export const prepareAttachVm = async (shared: SharedVm, beside?: ThreadBeside): Promise<() => AttachedVm<PpcVm>> =>
  (await import("./module/init.js")).prepareAttach(shared, beside);

/** Loads code for threads that will attach to a VM of this implementation. */
export const preload = async (implementation: string): Promise<void> =>
  (await import("./module/init.js")).preload(implementation);

/** What a thread beside a vCPU's does for a VM of this very module, see kernel/attach.ts. EINVAL: not a POWER VM's. */
export const serveBesideVm = async (
  shared: SharedVm,
  post: (answer: unknown) => void,
): Promise<((request: unknown) => void) | undefined> => (await import("./module/init.js")).serveBeside(shared, post);
