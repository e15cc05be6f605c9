/** unikvm: KVM for JavaScript runtimes. The public names of the package's root. */

export type { AssetName, ImplementationName, LoadAsset } from "./arch/powerpc/module.js";
/** @deprecated They are names of "unikvm/powerpc", and stay here for one minor version. */
export * from "./index-powerpc.js";
export { attachVm, prepareAttachVm, serveBesideVm } from "./kernel/attach.js";
export {
  createLoader,
  insmod,
  type KvmConfig,
  type KvmOffer,
  kernel,
  kvmModule,
  lsmod,
  modprobe,
  type OpenKvmOptions,
  openKvm,
  rmmod,
} from "./kernel.js";
export * from "./kvm/uapi.js";
export {
  declareSymbol,
  defineModule,
  type Export,
  type ExportTerms,
  exportSymbol,
  type ModuleContext,
  type ModuleDefinition,
  type SymbolDeclaration,
} from "./modules/define-module.js";
export {
  type LoaderOptions,
  type LoadOptions,
  type ModuleInfo,
  ModuleLoader,
  type RemoveOptions,
} from "./modules/loader.js";
export type { Parameter, ParameterType, ParameterValue } from "./modules/parameters.js";
export * from "./vfio/index.js";
export type {
  BarPlace,
  InterruptMode,
  PciBar,
  PciBus,
  PciCapability,
  PciDevice,
  PciIdentity,
  PciInterrupts,
} from "./vmm/devices/pci/device.js";
export { hostPciDevice } from "./vmm/devices/vfio-pci/host-pci-device.js";
