/** kvm-amd: the kvm module for x86 guests whose processor is AMD's. */
import type { ModuleDefinition } from "../../modules/define-module.js";
import { attaching, defineX86Kvm, type X86KvmConfig } from "./module/define.js";
import { amd } from "./svm/vendor.js";

export type { X86KvmConfig, X86KvmOffer } from "./module/define.js";

export const kvmAmdModule = (config?: X86KvmConfig): ModuleDefinition => defineX86Kvm(amd, import.meta.url, config);

export const { prepareAttachVm, preload, serveBesideVm } = attaching(amd);
