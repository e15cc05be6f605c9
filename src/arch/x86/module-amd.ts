/** kvm-amd: the kvm module for x86 guests whose processor is AMD's. */
import type { KvmConfig } from "../../engine/kvm-config.js";
import type { ModuleDefinition } from "../../modules/define-module.js";
import { attaching, defineX86Kvm, type VendorModule } from "./module/define.js";

export type { X86KvmOffer } from "./module/define.js";

const description: VendorModule = {
  name: "kvm_amd",
  title: "AMD",
  load: async () => await import("./svm/linked.js"),
  url: import.meta.url,
};

export const kvmAmdModule = (config?: KvmConfig): ModuleDefinition => defineX86Kvm(description, config);

/** With all that there is, as `insmod` of this file loads it. */
export default kvmAmdModule();

export const { prepareAttachVm, preload, serveBesideVm, loadDisassembler } = attaching(description);
