/** What the vendors' modules have in common: one file each gives its vendor. Their code is imported when they are loaded. */

import { thisPackage } from "../../../base/package.js";
import type { LoadAsset } from "../../../engine/assets.js";
import type { ThreadBeside } from "../../../kvm/engine.js";
import { kvmModuleParameters } from "../../../kvm/parameters.js";
import type { AttachedVm, SharedVm } from "../../../kvm/uapi.js";
import { defineModule, type ModuleDefinition } from "../../../modules/define-module.js";
import { vacJoin } from "../../../vac/module.js";
import type { Vendor } from "../processor/vendor.js";
import type { X86Kvm, X86Vm } from "../uapi.js";
import { loadAssetHere } from "./assets.js";

export interface X86KvmConfig {
  readonly implementations?: readonly ("hv" | "pr")[];
  /** Which VMs can be made. Default: shared where the platform has shared memory, else unshared. */
  readonly memory?: "shared" | "unshared" | "both";
  readonly loadAsset?: LoadAsset;
}

/** What the module offers once it is live: /dev/kvm. */
export interface X86KvmOffer {
  open(): X86Kvm;
}

/** One vendor's module, before its code is there. */
export interface VendorModule {
  /** The module's. */
  readonly name: string;
  /** The vendor's. */
  readonly title: string;
  readonly vendor: () => Promise<Vendor>;
  /** The module's own, with which other threads attach. */
  readonly url: string;
}

/** Either vendor's stands for the other: `alternative`. */
export function defineX86Kvm({ name, title, vendor, url }: VendorModule, config: X86KvmConfig = {}): ModuleDefinition {
  const { implementations, loadAsset = loadAssetHere, memory } = config;
  return defineModule({
    name,
    description: `Kernel-based virtual machines for x86 guests on processors of ${title}'s`,
    license: "MIT",
    version: thisPackage.version,
    inTree: true,
    alternative: "kvm-x86",
    imports: { join: vacJoin },
    params: kvmModuleParameters,
    init: async (context) => {
      const { rows } = await import("./implementations.js");
      const { x86 } = await import("../arch.js");
      const { initialiseKvm } = await import("../../../engine/kvm-module.js");
      const configured = rows.filter((row) => implementations?.includes(row.name) ?? true);
      const kvm = await initialiseKvm(context, x86(await vendor()), configured, { loadAsset, memory, module: url });
      return { open: () => kvm as unknown as X86Kvm };
    },
  });
}

/** What other threads attach with, for VMs of this vendor's. */
export const attaching = ({ vendor }: VendorModule) => ({
  prepareAttachVm: async (shared: SharedVm, beside?: ThreadBeside): Promise<() => AttachedVm<X86Vm>> => {
    const { rows } = await import("./implementations.js");
    const { x86 } = await import("../arch.js");
    const { prepareAttachVm } = await import("../../../engine/kvm-module.js");
    return (await prepareAttachVm(shared, x86(await vendor()), rows, beside)) as () => AttachedVm<X86Vm>;
  },
  preload: async (implementation: string): Promise<void> => {
    const { rows } = await import("./implementations.js");
    await rows.find(({ name }) => name === implementation)?.preload();
  },
  serveBesideVm: async (
    shared: SharedVm,
    post: (answer: unknown) => void,
  ): Promise<((request: unknown) => void) | undefined> => {
    const { rows } = await import("./implementations.js");
    const { x86 } = await import("../arch.js");
    const { serveBesideVm } = await import("../../../engine/kvm-module.js");
    return serveBesideVm(shared, x86(await vendor()), rows, post);
  },
  /** Nothing of x86's tells instructions to the trace yet. */
  loadDisassembler: async () => (word: number) => `.long 0x${(word >>> 0).toString(16).padStart(8, "0")}`,
});
