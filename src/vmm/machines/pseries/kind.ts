/** Machine pseries as its row in machines.ts has it. */
import type { PpcKvm } from "../../../arch/powerpc/uapi.js";
import { KVM_CAP_PPC_PAPR, KVM_VM_PPC_HV, KVM_VM_PPC_PR, type Kvm } from "../../../kvm/uapi.js";
import { Nvram } from "../../devices/nvram.js";
import { Rtc } from "../../devices/rtc.js";
import { VmmError } from "../../errors.js";
import { elfMachine, powerElf } from "../../loaders/elf.js";
import { loadKernelImage } from "../../loaders/kernel-image.js";
import type { MachineKind } from "../machine-kind.js";
import { cpuModelNames } from "./cpu-models.js";
import { interruptModes } from "./device-tree.js";
import { createPseries, maximumMemory, minimumMemory, placePseriesRam, restorePseries } from "./machine.js";
import { createPseriesVcpuSide } from "./vcpu-side.js";

const types = { hv: KVM_VM_PPC_HV, pr: KVM_VM_PPC_PR } as const;
const eitherType = 0;

/** Whether its VMs are POWER's. */
const isPower = (kvm: Kvm): kvm is PpcKvm => kvm.checkExtension(KVM_CAP_PPC_PAPR) > 0;

export const pseries: MachineKind = {
  guests: "64-bit POWER Linux",
  cpuModels: cpuModelNames,
  options: { "ic-mode": interruptModes },
  memory: { minimum: minimumMemory, maximum: maximumMemory, granule: 65536 },
  isKernel: (head) => elfMachine(head, [powerElf]) !== undefined,
  loadKernel: loadKernelImage,
  maker: () => {
    const devices = { nvram: new Nvram(), rtc: new Rtc() };
    return ({ kvm, implementation, options = {}, ...rest }, control, trace) => {
      if (!isPower(kvm)) throw new VmmError("machine pseries needs a kvm for POWER guests");
      const interruptMode = interruptModes.find((mode) => mode === options["ic-mode"]);
      const type = implementation ? types[implementation] : eitherType;
      return createPseries({ ...rest, kvm, type, interruptMode, devices }, control, trace);
    };
  },
  restore: ({ kvm, implementation, ...rest }, control, trace) => {
    if (!isPower(kvm)) throw new VmmError("machine pseries needs a kvm for POWER guests");
    return restorePseries({ ...rest, kvm, type: implementation ? types[implementation] : eitherType }, control, trace);
  },
  place: ({ kvm, implementation, shared }, size) => {
    if (!isPower(kvm)) throw new VmmError("machine pseries needs a kvm for POWER guests");
    return placePseriesRam(kvm, implementation ? types[implementation] : eitherType, shared, size);
  },
  createSide: createPseriesVcpuSide,
};
