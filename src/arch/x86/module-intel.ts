/** kvm-intel: the kvm module for x86 guests whose processor is Intel's. */
import type { KvmConfig } from "../../engine/kvm-config.js";
import type { ModuleDefinition } from "../../modules/define-module.js";
import { attaching, defineX86Kvm, type VendorModule } from "./module/define.js";

export type { X86KvmOffer } from "./module/define.js";

const description: VendorModule = {
  name: "kvm_intel",
  title: "Intel",
  load: async () => await import("./vmx/linked.js"),
  url: import.meta.url,
};

export const kvmIntelModule = (config?: KvmConfig): ModuleDefinition => defineX86Kvm(description, config);

/** With all that there is, as `insmod` of this file loads it. */
export default kvmIntelModule();

export const { prepareAttachVm, preload, serveBesideVm, loadDisassembler } = attaching(description);
