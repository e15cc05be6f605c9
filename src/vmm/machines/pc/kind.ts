/** Machine pc as its row in machines.ts has it. */
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR, type X86Kvm } from "../../../arch/x86/uapi.js";
import { KVM_CAP_EXT_CPUID, type Kvm } from "../../../kvm/uapi.js";
import { Rtc } from "../../devices/rtc.js";
import { VmmError } from "../../errors.js";
import { isBzImage } from "../../loaders/bzimage.js";
import { elfMachine, i386Elf, x86Elf } from "../../loaders/elf.js";
import { type KernelFormat, loadX86Kernel } from "../../loaders/kernel-image.js";
import { multibootHeader } from "../../loaders/multiboot.js";
import type { Implementation, MachineKind } from "../machine-kind.js";
import { memoryGranule } from "../options.js";
import type { PcKernel } from "./boot.js";
import { cpuModelNames } from "./cpu-models.js";
import { createPc, maximumMemory, minimumMemory, placePcRam, restorePc } from "./machine.js";
import { createPcVcpuSide } from "./vcpu-side.js";

const types = { hv: KVM_X86_UNIKVM_HV, pr: KVM_X86_UNIKVM_PR } as const;
const eitherType = 0;
const typeOf = (implementation: Implementation | undefined): number =>
  implementation ? types[implementation] : eitherType;

/** A kernel; beside one of the multiboot protocol its beginning and the BIOS that it may ask, which others need not load. */
async function loadKernel(
  file: Uint8Array,
  memorySize: number,
  name?: string,
  format?: KernelFormat,
): Promise<PcKernel> {
  const kernel = await loadX86Kernel(file, memorySize, name, format);
  if (!kernel.multiboot) return kernel;
  const [{ bios }, { multibootBoot }] = await Promise.all([import("./bios.js"), import("./multiboot-boot.js")]);
  return { ...kernel, begin: multibootBoot, multiboot: { ...kernel.multiboot, firmware: bios(memorySize) } };
}

/** VmmError: its VMs are not x86's. */
function x86(kvm: Kvm): X86Kvm {
  if (kvm.checkExtension(KVM_CAP_EXT_CPUID) > 0) return kvm as X86Kvm;
  throw new VmmError("machine pc needs a kvm for x86 guests");
}

export const pc: MachineKind = {
  guests: "x86-64 Linux",
  cpuModels: cpuModelNames,
  options: { "test-devices": ["off", "on"] },
  memory: { minimum: minimumMemory, maximum: maximumMemory, granule: memoryGranule },
  isKernel: (head) =>
    isBzImage(head) || elfMachine(head, [x86Elf, i386Elf]) !== undefined || multibootHeader(head) !== undefined,
  loadKernel,
  maker: () => {
    const rtc = new Rtc();
    return ({ kvm, implementation, options = {}, ...rest }, control, trace) => {
      const testDevices = options["test-devices"] === "on";
      return createPc({ ...rest, kvm: x86(kvm), type: typeOf(implementation), rtc, testDevices }, control, trace);
    };
  },
  restore: ({ kvm, implementation, ...rest }, control, trace) =>
    restorePc({ ...rest, kvm: x86(kvm), type: typeOf(implementation) }, control, trace),
  place: ({ kvm, implementation, ...options }, size) => placePcRam(x86(kvm), typeOf(implementation), options, size),
  createSide: createPcVcpuSide,
};
