/** Misuse of a vCPU's calls, as far as x86 answers them in its own way. */
import {
  KVM_APIC_REG_SIZE,
  KVM_GUESTDBG_INJECT_BP,
  KVM_GUESTDBG_INJECT_DB,
  KVM_MAX_CPUID_ENTRIES,
  KVM_MP_STATE_HALTED,
  KVM_VCPUEVENT_VALID_SMM,
} from "../../../src/arch/x86/uapi.js";
import { KVM_CAP_PPC_PAPR, KVM_GUESTDBG_ENABLE } from "../../../src/kvm/constants.js";
import { soon } from "../neutral-cases.js";
import type { X86CasesOf } from "./cases.js";
import { ramSize } from "./fixture.js";
import { tooMany } from "./vm-cases.js";

export const vcpuCases: X86CasesOf<
  | "KVM_ENABLE_CAP (vcpu)"
  | "KVM_SET_SREGS"
  | "KVM_GET_ONE_REG"
  | "KVM_SET_ONE_REG"
  | "KVM_INTERRUPT"
  | "KVM_SET_GUEST_DEBUG"
  | "KVM_GET_MP_STATE"
  | "KVM_SET_MP_STATE"
  | "KVM_GET_SREGS2"
  | "KVM_SET_SREGS2"
  | "KVM_SET_CPUID2"
  | "KVM_GET_CPUID2"
  | "KVM_GET_MSRS"
  | "KVM_SET_MSRS"
  | "KVM_GET_FPU"
  | "KVM_SET_FPU"
  | "KVM_GET_XSAVE"
  | "KVM_GET_XSAVE2"
  | "KVM_SET_XSAVE"
  | "KVM_GET_XCRS"
  | "KVM_SET_XCRS"
  | "KVM_GET_DEBUGREGS"
  | "KVM_SET_DEBUGREGS"
  | "KVM_NMI"
  | "KVM_GET_TSC_KHZ (vcpu)"
  | "KVM_SET_TSC_KHZ (vcpu)"
  | "KVM_GET_LAPIC"
  | "KVM_SET_LAPIC"
  | "KVM_TPR_ACCESS_REPORTING"
  | "KVM_SET_VAPIC_ADDR"
  | "cr8 (read)"
  | "cr8 (write)"
  | "KVM_SMI"
  | "KVM_GET_NESTED_STATE"
  | "KVM_SET_NESTED_STATE"
  | "KVM_GET_VCPU_EVENTS"
  | "KVM_SET_VCPU_EVENTS"
  | "KVM_TRANSLATE"
  | "KVM_KVMCLOCK_CTRL"
  | "request_interrupt_window"
  | "ready_for_interrupt_injection"
> = {
  "KVM_ENABLE_CAP (vcpu)": { EINVAL: ({ cpu }) => cpu.enableCap({ cap: KVM_CAP_PPC_PAPR }) },
  KVM_SET_SREGS: { EINVAL: ({ cpu }) => cpu.setSregs({ ...cpu.getSregs(), cr8: 16n }) },
  KVM_GET_ONE_REG: { ENOENT: ({ cpu }) => cpu.getOneReg(0x2030_0000_0000_0000n) },
  KVM_SET_ONE_REG: { ENOENT: ({ cpu }) => cpu.setOneReg(0x2030_0000_0000_0000n, 0n) },
  KVM_INTERRUPT: {
    EEXIST: ({ cpu }) => {
      cpu.interrupt(0x30);
      cpu.interrupt(0x31);
    },
    EINVAL: ({ cpu }) => cpu.interrupt(256),
    ENXIO: (it) => {
      it.controller;
      it.cpu.interrupt(0x30);
    },
  },
  KVM_SET_GUEST_DEBUG: {
    EBUSY: ({ cpu }) => {
      cpu.setGuestDebug({ control: KVM_GUESTDBG_INJECT_DB });
      cpu.setGuestDebug({ control: KVM_GUESTDBG_INJECT_BP });
    },
    EINVAL: ({ cpu }) => cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE, debugreg: [0n] }),
  },
  KVM_GET_MP_STATE: {},
  KVM_SET_MP_STATE: { EINVAL: ({ cpu }) => cpu.setMpState(KVM_MP_STATE_HALTED) },
  KVM_GET_SREGS2: {},
  KVM_SET_SREGS2: { EINVAL: ({ cpu }) => cpu.setSregs2({ ...cpu.getSregs2(), flags: 1n }) },
  KVM_SET_CPUID2: {
    E2BIG: ({ cpu, kvm }) => {
      const [entry] = kvm.getSupportedCpuid();
      if (entry) cpu.setCpuid2(Array(KVM_MAX_CPUID_ENTRIES + 1).fill(entry));
    },
    EINVAL: (it) => {
      it.exiting();
      it.cpu.run({ deadline: soon() });
      it.cpu.setCpuid2([]);
    },
  },
  KVM_GET_CPUID2: {},
  KVM_GET_MSRS: { E2BIG: ({ cpu }) => cpu.getMsrs(tooMany) },
  KVM_SET_MSRS: { E2BIG: ({ cpu }) => cpu.setMsrs(tooMany) },
  KVM_GET_FPU: {},
  KVM_SET_FPU: { EINVAL: ({ cpu }) => cpu.setFpu({ ...cpu.getFpu(), mxcsr: 0x10000 }) },
  KVM_GET_XSAVE: {},
  KVM_GET_XSAVE2: {},
  KVM_SET_XSAVE: {
    EINVAL: ({ cpu }) => {
      const area = cpu.getXsave();
      // XCOMP_BV.
      area[527] = 0x80;
      cpu.setXsave(area);
    },
  },
  KVM_GET_XCRS: {},
  KVM_SET_XCRS: { EINVAL: ({ cpu }) => cpu.setXcrs({ flags: 0, xcrs: [{ xcr: 0, value: 2n }] }) },
  KVM_GET_DEBUGREGS: {},
  KVM_SET_DEBUGREGS: { EINVAL: ({ cpu }) => cpu.setDebugregs({ ...cpu.getDebugregs(), dr7: 1n << 32n }) },
  KVM_NMI: {},
  "KVM_GET_TSC_KHZ (vcpu)": {},
  "KVM_SET_TSC_KHZ (vcpu)": { EINVAL: ({ cpu }) => cpu.setTscKhz(2_000_000) },
  KVM_GET_LAPIC: { EINVAL: ({ cpu }) => cpu.getLapic() },
  KVM_SET_LAPIC: { EINVAL: ({ cpu }) => cpu.setLapic(new Uint8Array(KVM_APIC_REG_SIZE)) },
  KVM_TPR_ACCESS_REPORTING: { EINVAL: ({ cpu }) => cpu.tprAccessReporting({ enabled: 1, flags: 1 }) },
  KVM_SET_VAPIC_ADDR: {
    EINVAL: (it) => {
      it.controller;
      it.cpu.setVapicAddr(BigInt(ramSize - 3));
    },
  },
  "cr8 (read)": {},
  "cr8 (write)": { EINVAL: ({ cpu }) => cpu.setCr8(16) },
  KVM_SMI: { ENOTTY: ({ cpu }) => cpu.smi() },
  KVM_GET_NESTED_STATE: { EINVAL: ({ cpu }) => cpu.getNestedState() },
  KVM_SET_NESTED_STATE: { EINVAL: ({ cpu }) => cpu.setNestedState(new Uint8Array(128)) },
  KVM_GET_VCPU_EVENTS: {},
  KVM_SET_VCPU_EVENTS: {
    EINVAL: ({ cpu }) => cpu.setVcpuEvents({ ...cpu.getVcpuEvents(), flags: KVM_VCPUEVENT_VALID_SMM }),
  },
  KVM_TRANSLATE: {},
  KVM_KVMCLOCK_CTRL: { EINVAL: ({ cpu }) => cpu.kvmclockCtrl() },
  request_interrupt_window: {},
  ready_for_interrupt_injection: {},
};
