/** kvm-amd: the kvm module for x86 guests whose processor is AMD's. */
import type { ModuleDefinition } from "../../modules/define-module.js";
import { attaching, defineX86Kvm, type VendorModule, type X86KvmConfig } from "./module/define.js";

export type { X86KvmConfig, X86KvmOffer } from "./module/define.js";

const module: VendorModule = {
  name: "kvm_amd",
  title: "AMD",
  vendor: async () => (await import("./svm/vendor.js")).amd,
  url: import.meta.url,
};

export const kvmAmdModule = (config?: X86KvmConfig): ModuleDefinition => defineX86Kvm(module, config);

/** With all that there is, as `insmod` of this file loads it. */
export default kvmAmdModule();

export const { prepareAttachVm, preload, serveBesideVm, loadDisassembler } = attaching(module);
