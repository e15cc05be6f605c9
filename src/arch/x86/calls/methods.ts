/** The calls that only x86 has (uapi.ts). */
import { KvmError } from "../../../base/errors.js";
import { guard } from "../../../base/takes.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { getCpuid, setCpuid, supportedCpuid } from "../processor/cpuid.js";
import { getMsrs, msrIndexList, setMsrs } from "../processor/msrs.js";
import { recordAt, tscRate } from "../processor/vcpu.js";
import type { X86Kvm, X86Vcpu, X86Vm } from "../uapi.js";
import { adoptVm, x86VcpuOf, x86VmOf } from "../vm/x86-vm.js";
import { x86KvmSignatures, x86VcpuSignatures, x86VmSignatures } from "./signatures.js";

export function systemMethods(): Pick<X86Kvm, keyof typeof x86KvmSignatures> {
  const methods = { getSupportedCpuid: supportedCpuid, getMsrIndexList: msrIndexList };
  return guard(methods, "kvm", x86KvmSignatures);
}

export function vmMethods(vm: VmInside): Pick<X86Vm, keyof typeof x86VmSignatures> {
  const x86 = adoptVm(vm);
  const methods = {
    createIrqchip: () => {
      vm.requireOpen();
      if (x86.irqchip) throw new KvmError("EEXIST", "KVM_CREATE_IRQCHIP: the VM has one");
      if (vm.mem.load(vmLayout.vcpuCount) > 0) {
        throw new KvmError("EINVAL", "KVM_CREATE_IRQCHIP: before the first vCPU, and there is one");
      }
      x86.createIrqchip();
    },
    createPit2: () => {
      vm.requireOpen();
      if (!x86.irqchip)
        throw new KvmError("ENOENT", "KVM_CREATE_PIT2: after KVM_CREATE_IRQCHIP, which there was none of");
      if (x86.irqchip.hasPit) throw new KvmError("EEXIST", "KVM_CREATE_PIT2: the VM has one");
      x86.irqchip.createPit();
    },
  };
  return guard(methods, "vm", x86VmSignatures);
}

export function vcpuMethods(vcpu: VcpuInside): Pick<X86Vcpu, keyof typeof x86VcpuSignatures> {
  const methods: Pick<X86Vcpu, keyof typeof x86VcpuSignatures> = {
    setCpuid2: (entries) => {
      if (vcpu.vm.mem.i32(recordAt(vcpu, "ready")) !== 0) {
        throw new KvmError("EINVAL", "KVM_SET_CPUID2: the vCPU has run; its processor stays what it is");
      }
      setCpuid(vcpu, entries);
    },
    getCpuid2: () => getCpuid(vcpu),
    getMsrs: (entries) => getMsrs(vcpu, entries),
    setMsrs: (entries) => setMsrs(vcpu, entries),
    nmi: () => {
      x86VmOf(vcpu.vm);
      x86VcpuOf(vcpu).nonMaskable();
    },
    getTscKhz: () => tscRate,
  };
  return guard(methods, "vcpu", x86VcpuSignatures);
}
