/** Machine pseries as its row in machines.ts has it. */
import type { PpcKvm } from "../../../arch/powerpc/uapi.js";
import { KVM_CAP_PPC_PAPR, KVM_VM_PPC_HV, KVM_VM_PPC_PR, type Kvm } from "../../../kvm/uapi.js";
import { Nvram } from "../../devices/nvram.js";
import { Rtc } from "../../devices/rtc.js";
import { VmmError } from "../../errors.js";
import { elfMachine, powerElf } from "../../loaders/elf.js";
import { loadKernelImage } from "../../loaders/kernel-image.js";
import type { Implementation, MachineKind } from "../machine-kind.js";
import { memoryGranule } from "../options.js";
import { cpuModelNames } from "./cpu-models.js";
import { interruptModes } from "./device-tree.js";
import { createPseries, maximumMemory, minimumMemory, placePseriesRam, restorePseries } from "./machine.js";
import { createPseriesVcpuSide } from "./vcpu-side.js";

const types = { hv: KVM_VM_PPC_HV, pr: KVM_VM_PPC_PR } as const;
const eitherType = 0;
const typeOf = (implementation: Implementation | undefined): number =>
  implementation ? types[implementation] : eitherType;

/** VmmError: its VMs are not POWER's. */
function power(kvm: Kvm): PpcKvm {
  if (kvm.checkExtension(KVM_CAP_PPC_PAPR) > 0) return kvm as PpcKvm;
  throw new VmmError("machine pseries needs a kvm for POWER guests");
}

export const pseries: MachineKind = {
  guests: "64-bit POWER Linux",
  cpuModels: cpuModelNames,
  options: { "ic-mode": interruptModes },
  memory: { minimum: minimumMemory, maximum: maximumMemory, granule: memoryGranule },
  isKernel: (head) => elfMachine(head, [powerElf]) !== undefined,
  loadKernel: loadKernelImage,
  maker: () => {
    const devices = { nvram: new Nvram(), rtc: new Rtc() };
    return ({ kvm, implementation, options = {}, ...rest }, control, trace) => {
      const interruptMode = interruptModes.find((mode) => mode === options["ic-mode"]);
      const type = typeOf(implementation);
      return createPseries({ ...rest, kvm: power(kvm), type, interruptMode, devices }, control, trace);
    };
  },
  restore: ({ kvm, implementation, ...rest }, control, trace) =>
    restorePseries({ ...rest, kvm: power(kvm), type: typeOf(implementation) }, control, trace),
  place: ({ kvm, implementation, ...options }, size) =>
    placePseriesRam(power(kvm), typeOf(implementation), options, size),
  createSide: createPseriesVcpuSide,
};
