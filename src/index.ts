/** unikvm: KVM for JavaScript runtimes. The public names of the package's root. */
export {
  type AssetName,
  attachVm,
  createLoader,
  type ImplementationName,
  type KvmConfig,
  type KvmOffer,
  kvmModule,
  type LoadAsset,
  type OpenKvmOptions,
  openKvm,
  prepareAttachVm,
} from "./arch/powerpc/module.js";
export * from "./arch/powerpc/uapi.js";
export * from "./kvm/uapi.js";
export { defineModule, type ModuleContext, type ModuleDefinition } from "./modules/define-module.js";
export { type ModuleInfo, ModuleLoader } from "./modules/loader.js";
