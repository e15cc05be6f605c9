/** The calls that only x86 has (uapi.ts). */
import { KvmError } from "../../../base/errors.js";
import { guard } from "../../../base/takes.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { RFlags } from "../engines/registers.js";
import type { Irqchip } from "../interrupts/irqchip/irqchip.js";
import { getIrqchip, getPit, setIrqchip, setPit } from "../interrupts/irqchip/states.js";
import { setVapic } from "../paravirt/vapic.js";
import { getCpuid, listFor, setCpuid, supportedCpuid } from "../processor/cpuid.js";
import { getDebugregs, setDebugregs } from "../processor/debug.js";
import { getVcpuEvents, setVcpuEvents } from "../processor/events.js";
import { getFpu, getXcrs, getXsave, setFpu, setXcrs, setXsave } from "../processor/extended-state.js";
import { clockNow, setClockNow, tellStopped } from "../processor/kvmclock.js";
import { setMsrFilter } from "../processor/msr-filter.js";
import { getFeatureMsrs, getMsrs, msrFeatureIndexList, msrIndexList, setMsrs } from "../processor/msrs.js";
import { getSregs2, setSregs2 } from "../processor/regs.js";
import { translation } from "../processor/translate.js";
import { addressOf, getField, guestNow, notifyInterrupt, recordAt, setField, tscRate } from "../processor/vcpu.js";
import {
  KVM_CLOCK_HOST_TSC,
  KVM_CLOCK_REALTIME,
  KVM_CLOCK_TSC_STABLE,
  KVM_PIT_SPEAKER_DUMMY,
  type X86Clock,
  type X86Kvm,
  type X86Vcpu,
  type X86Vm,
} from "../uapi.js";
import { adoptVm, x86VcpuOf, x86VmOf } from "../vm/x86-vm.js";
import { maxVcpuId } from "./capabilities.js";
import { x86KvmSignatures, x86VcpuSignatures, x86VmSignatures } from "./signatures.js";

export function systemMethods(): Pick<X86Kvm, keyof typeof x86KvmSignatures> {
  const methods: Pick<X86Kvm, keyof typeof x86KvmSignatures> = {
    getSupportedCpuid: (nent) => listFor("KVM_GET_SUPPORTED_CPUID", supportedCpuid(), nent),
    getEmulatedCpuid: () => [],
    getMsrIndexList: (nmsrs) => listFor("KVM_GET_MSR_INDEX_LIST", msrIndexList(), nmsrs),
    getMsrFeatureIndexList: (nmsrs) => listFor("KVM_GET_MSR_FEATURE_INDEX_LIST", msrFeatureIndexList(), nmsrs),
    getMsrs: getFeatureMsrs,
  };
  return guard(methods, "kvm", x86KvmSignatures);
}

const nanoseconds = (): bigint => BigInt(Math.floor(Date.now() * 1e6));

function getClock(vm: VmInside): X86Clock {
  return { clock: clockNow(vm), flags: KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME, realtime: nanoseconds() };
}

/** What has passed since the time that is given with it has passed for the guest too; never backwards. */
function setClock(vm: VmInside, { clock, flags, realtime }: X86Clock): void {
  const known = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
  if (flags & ~known) throw new KvmError("EINVAL", `KVM_SET_CLOCK: unknown flags 0x${flags.toString(16)}`);
  if (flags & KVM_CLOCK_REALTIME && realtime === undefined) {
    throw new KvmError("EINVAL", "KVM_SET_CLOCK: KVM_CLOCK_REALTIME wants realtime");
  }
  const passed = flags & KVM_CLOCK_REALTIME && realtime !== undefined ? nanoseconds() - realtime : 0n;
  setClockNow(vm, clock + (passed > 0n ? passed : 0n));
}

/** EINVAL: the counter's rate is the engines', and is not scaled. */
function requireRate(khz: number): void {
  if (khz === 0 || khz === tscRate) return;
  throw new KvmError(
    "EINVAL",
    `KVM_SET_TSC_KHZ: ${khz}; the time-stamp counter goes at ${tscRate} kHz and is not scaled`,
  );
}

function noNesting(call: string): never {
  throw new KvmError("EINVAL", `${call}: guests have no guests (KVM_CAP_NESTED_STATE)`);
}

function noVcpuYet(vm: VmInside, code: "EINVAL" | "EBUSY", call: string): void {
  if (vm.mem.load(vmLayout.vcpuCount) > 0) throw new KvmError(code, `${call}: before the first vCPU, and there is one`);
}

export function vmMethods(vm: VmInside): Pick<X86Vm, keyof typeof x86VmSignatures> {
  const x86 = adoptVm(vm);
  const irqchipFor = (call: string): Irqchip => {
    if (!x86.irqchip || x86.userPins !== undefined)
      throw new KvmError("ENXIO", `${call}: the VM has no such controllers in the kernel side (KVM_CREATE_IRQCHIP)`);
    return x86.irqchip;
  };
  const withPit = (call: string): Irqchip => {
    if (!x86.irqchip?.hasPit) throw new KvmError("ENXIO", `${call}: the VM has no timer (KVM_CREATE_PIT2)`);
    return x86.irqchip;
  };
  const methods: Pick<X86Vm, keyof typeof x86VmSignatures> = {
    createIrqchip: () => {
      vm.requireOpen();
      if (x86.irqchip) throw new KvmError("EEXIST", "KVM_CREATE_IRQCHIP: the VM has one, or KVM_CAP_SPLIT_IRQCHIP");
      noVcpuYet(vm, "EINVAL", "KVM_CREATE_IRQCHIP");
      x86.createIrqchip();
    },
    createPit2: ({ flags = 0 } = {}) => {
      vm.requireOpen();
      if (flags & ~KVM_PIT_SPEAKER_DUMMY) {
        throw new KvmError("EINVAL", `KVM_CREATE_PIT2: unknown flags 0x${flags.toString(16)}`);
      }
      if (!x86.irqchip || x86.userPins !== undefined)
        throw new KvmError("ENOENT", "KVM_CREATE_PIT2: after KVM_CREATE_IRQCHIP, which there was none of");
      if (x86.irqchip.hasPit) throw new KvmError("EEXIST", "KVM_CREATE_PIT2: the VM has one");
      x86.irqchip.createPit();
    },
    getIrqchip: (chip) => getIrqchip(irqchipFor("KVM_GET_IRQCHIP"), chip),
    setIrqchip: (state) => setIrqchip(irqchipFor("KVM_SET_IRQCHIP"), state),
    getPit2: () => getPit(withPit("KVM_GET_PIT2")),
    setPit2: (state) => {
      setPit(withPit("KVM_SET_PIT2"), state, guestNow(vm));
      x86.machineTimerChanged();
    },
    reinjectControl: ({ pit_reinject: reinject }) => {
      const irqchip = withPit("KVM_REINJECT_CONTROL");
      irqchip.locked(() => {
        irqchip.pit.reinject = reinject !== 0;
      });
    },
    getClock: () => getClock(vm),
    setClock: (clock) => setClock(vm, clock),
    setTssAddr: (address) => {
      if (address > 0xffff_d000n) {
        throw new KvmError("EINVAL", `KVM_SET_TSS_ADDR: three pages from 0x${address.toString(16)} end above 4 GiB`);
      }
    },
    setIdentityMapAddr: () => noVcpuYet(vm, "EINVAL", "KVM_SET_IDENTITY_MAP_ADDR"),
    setBootCpuId: (id) => {
      noVcpuYet(vm, "EBUSY", "KVM_SET_BOOT_CPU_ID");
      if (!(id >= 0 && id < maxVcpuId)) throw new KvmError("EINVAL", `KVM_SET_BOOT_CPU_ID: ${id} is no vCPU's number`);
      x86.set("bootCpu", id);
    },
    setMsrFilter: (filter) => setMsrFilter(vm, filter),
    getTscKhz: () => tscRate,
    setTscKhz: requireRate,
  };
  return guard(methods, "vm", x86VmSignatures);
}

export function vcpuMethods(vcpu: VcpuInside): Pick<X86Vcpu, keyof typeof x86VcpuSignatures> {
  const { vm } = vcpu;
  const x86 = x86VmOf(vm);
  const lapicFor = (call: string): Irqchip => {
    const { irqchip } = x86;
    if (!irqchip) throw new KvmError("EINVAL", `${call}: the vCPU has no local APIC (KVM_CREATE_IRQCHIP)`);
    return irqchip;
  };
  const methods: Pick<X86Vcpu, keyof typeof x86VcpuSignatures> = {
    getSregs2: () => getSregs2(vcpu),
    setSregs2: (sregs) => setSregs2(vcpu, sregs),
    setCpuid2: (entries) => {
      if (vm.mem.i32(recordAt(vcpu, "ready")) !== 0) {
        throw new KvmError("EINVAL", "KVM_SET_CPUID2: the vCPU has run; its processor stays what it is");
      }
      setCpuid(vcpu, entries);
    },
    getCpuid2: () => getCpuid(vcpu),
    getMsrs: (entries) => getMsrs(vcpu, entries),
    setMsrs: (entries) => setMsrs(vcpu, entries),
    getFpu: () => getFpu(vcpu),
    setFpu: (fpu) => setFpu(vcpu, fpu),
    getXsave: () => getXsave(vcpu),
    getXsave2: () => getXsave(vcpu),
    setXsave: (area) => setXsave(vcpu, area),
    getXcrs: () => getXcrs(vcpu),
    setXcrs: (xcrs) => setXcrs(vcpu, xcrs),
    getDebugregs: () => getDebugregs(vcpu),
    setDebugregs: (debugregs) => setDebugregs(vcpu, debugregs),
    nmi: () => x86VcpuOf(vcpu).nonMaskable(),
    getTscKhz: () => tscRate,
    setTscKhz: requireRate,
    getLapic: () => {
      const irqchip = lapicFor("KVM_GET_LAPIC");
      const one = x86VcpuOf(vcpu);
      // What is due is an interrupt that waits; of its own timer, so that no other state changes that has been read already.
      irqchip.expire(one, false, one.now);
      return irqchip.locked(() => one.lapic.image(one.now, x86.wideIds));
    },
    setLapic: (regs) => {
      const irqchip = lapicFor("KVM_SET_LAPIC");
      const one = x86VcpuOf(vcpu);
      if (!irqchip.locked(() => one.lapic.setImage(regs, one.now, x86.wideIds))) {
        throw new KvmError("EINVAL", `KVM_SET_LAPIC: an x2APIC's identifier is its vCPU's, ${vcpu.id}`);
      }
      one.lookAtTimers();
    },
    tprAccessReporting: ({ enabled, flags = 0 }) => {
      if (flags !== 0)
        throw new KvmError("EINVAL", `KVM_TPR_ACCESS_REPORTING: flags 0x${flags.toString(16)}; there are none`);
      vm.mem.setI32(recordAt(vcpu, "priorityReports"), enabled === 0 ? 0 : 1);
    },
    setVapicAddr: (address) => {
      lapicFor("KVM_SET_VAPIC_ADDR");
      if (setVapic(vcpu, address)) return;
      throw new KvmError("EINVAL", `KVM_SET_VAPIC_ADDR: there is no memory to be written at 0x${address.toString(16)}`);
    },
    getCr8: () => Number(getField(vcpu, "taskPriority")),
    setCr8: (value) => {
      if (!x86.irqchip) setField(vcpu, "taskPriority", BigInt(value));
    },
    smi: () => {
      throw new KvmError("ENOTTY", "KVM_SMI: there is no system management mode (KVM_CAP_X86_SMM)");
    },
    getNestedState: () => noNesting("KVM_GET_NESTED_STATE"),
    setNestedState: () => noNesting("KVM_SET_NESTED_STATE"),
    getVcpuEvents: () => getVcpuEvents(vcpu),
    setVcpuEvents: (events) => setVcpuEvents(vcpu, events),
    translate: (linear) => translation(vcpu, linear),
    requestInterruptWindow: (wanted) => {
      vm.mem.store(recordAt(vcpu, "window"), wanted ? 1 : 0);
      if (!wanted) return;
      vm.mem.store(addressOf(vcpu, "interruptRequest"), 1);
      notifyInterrupt(vcpu);
    },
    readyForInterruptInjection: () => {
      const { interrupt } = getVcpuEvents(vcpu);
      const allowed = (getField(vcpu, "systemFlags") & BigInt(RFlags.interrupt)) !== 0n;
      return allowed && x86VcpuOf(vcpu).takesFromUser && !interrupt.injected && !interrupt.shadow;
    },
    kvmclockCtrl: () => {
      if (tellStopped(vcpu)) return;
      throw new KvmError("EINVAL", "KVM_KVMCLOCK_CTRL: the guest has no KVM clock (MSR_KVM_SYSTEM_TIME_NEW)");
    },
  };
  return guard(methods, "vcpu", x86VcpuSignatures);
}
