/** unikvm/powerpc: what is POWER's alone. The interfaces of its kvm, its numbers, and hypercalls of modules of yours. */

export { type HcallSet, kvmppcRegisterHcalls, type RegisterHcalls } from "./arch/powerpc/module/register-hcalls.js";
export {
  type Hcall,
  type HcallArguments,
  HcallStatus,
  type HcallVcpu,
  type HcallVm,
  hcall,
} from "./arch/powerpc/papr/hcall.js";
export * from "./arch/powerpc/uapi.js";
