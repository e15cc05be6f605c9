/** kvm-intel: the kvm module for x86 guests whose processor is Intel's. */
import type { ModuleDefinition } from "../../modules/define-module.js";
import { attaching, defineX86Kvm, type X86KvmConfig } from "./module/define.js";
import { intel } from "./vmx/vendor.js";

export type { X86KvmConfig, X86KvmOffer } from "./module/define.js";

export const kvmIntelModule = (config?: X86KvmConfig): ModuleDefinition => defineX86Kvm(intel, import.meta.url, config);

export const { prepareAttachVm, preload, serveBesideVm } = attaching(intel);
