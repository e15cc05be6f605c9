/** The extensions of KVM on POWER: one row each. Where HV and PR differ in Linux but not here, both answer. */

import { isPowerOfTwo } from "../../../base/bits.js";
import { KvmError } from "../../../base/errors.js";
import type { Capability } from "../../../kvm/arch.js";
import * as kvm from "../../../kvm/constants.js";
import { deviceTypeOfFd } from "../../../kvm/device.js";
import { vmLayout } from "../../../kvm/layout.js";
import { neutralCapabilities } from "../../../kvm/neutral-capabilities.js";
import { xicsDevices } from "../devices/xics-device.js";
import { xiveDevices } from "../devices/xive-device.js";
import { archLayout } from "../engines/layout.js";
import { hcallByNumber } from "../papr/list.js";
import { recordAt, setField } from "../processor/vcpu.js";
import { ppcVmOf, setServer } from "../vm/ppc-vm.js";
import { hcallLimit } from "../vm/state.js";

/** Bits of the masks in the engines' shared tables. */
export const maxVcpus = 32;
export const maxVcpuId = 2048;
const breakpointMax = 16;

const enableHcall: Capability["enableVm"] = (vm, { args = [] }) => {
  const number = Number(args[0] ?? 0);
  const enable = Number(args[1] ?? 0);
  if (number >= hcallLimit) throw new KvmError("EINVAL", `0x${number.toString(16)} is always on: not one of PAPR's`);
  if (number % 4 !== 0) throw new KvmError("EINVAL", `0x${number.toString(16)} is no hypercall: not a multiple of 4`);
  if (!hcallByNumber.has(number)) {
    throw new KvmError("EINVAL", `hypercall 0x${number.toString(16)} has no handler in the kernel side`);
  }
  if (enable > 1) throw new KvmError("EINVAL", "KVM_CAP_PPC_ENABLE_HCALL: the second argument is 0 or 1");
  ppcVmOf(vm).enableHcall(number, enable === 1);
};

const connectXics: Capability["enableVcpu"] = (vcpu, { args = [] }) => {
  const { xics, xive } = ppcVmOf(vcpu.vm);
  if (deviceTypeOfFd(args[0]) !== kvm.KVM_DEV_TYPE_XICS || !xics) {
    throw new KvmError(xics || xive ? "EPERM" : "EBADF", "KVM_CAP_IRQ_XICS: the first argument is no XICS device's fd");
  }
  if (vcpu.vm.mem.i32(recordAt(vcpu, "xicsServer")) !== 0) {
    throw new KvmError("EBUSY", `vCPU ${vcpu.id} has an interrupt controller already`);
  }
  const server = Number(args[1] ?? vcpu.id);
  xics.connect(server, vcpu.index);
  setServer(vcpu, "xics", server);
};

const connectXive: Capability["enableVcpu"] = (vcpu, { args = [] }) => {
  const { xics, xive } = ppcVmOf(vcpu.vm);
  if (deviceTypeOfFd(args[0]) !== kvm.KVM_DEV_TYPE_XIVE || !xive) {
    throw new KvmError(xics || xive ? "EPERM" : "EBADF", "KVM_CAP_PPC_IRQ_XIVE: the first argument is no XIVE's fd");
  }
  if (vcpu.vm.mem.i32(recordAt(vcpu, "xiveServer")) !== 0) {
    throw new KvmError("EBUSY", `vCPU ${vcpu.id} has an interrupt controller already`);
  }
  const server = Number(args[1] ?? vcpu.id);
  xive.connect(server, vcpu.index);
  setServer(vcpu, "xive", server);
};

const smtMax = 8;
const setSmt: Capability["enableVm"] = (vm, { args = [] }) => {
  const threads = Number(args[0] ?? 0);
  if (!isPowerOfTwo(threads) || threads > smtMax || Number(args[1] ?? 0) !== 0) {
    throw new KvmError("EINVAL", `KVM_CAP_PPC_SMT: a power of two to ${smtMax} threads a core, and no flags`);
  }
  if (vm.mem.load(vmLayout.vcpuCount) > 0) {
    throw new KvmError("EBUSY", "KVM_CAP_PPC_SMT: cores are made before the first vCPU is created");
  }
  vm.mem.setI32(archLayout.smt, threads);
};

const enableOsi: Capability["enableVcpu"] = (vcpu) => setField(vcpu, "osi", 1n);
const enableFwnmi: Capability["enableVcpu"] = (vcpu) => vcpu.vm.mem.store(archLayout.fwnmi, 1);

/** What is simply there. */
const present = [
  kvm.KVM_CAP_SET_GUEST_DEBUG,
  kvm.KVM_CAP_PPC_UNSET_IRQ,
  kvm.KVM_CAP_PPC_IRQ_LEVEL,
  kvm.KVM_CAP_ENABLE_CAP,
  kvm.KVM_CAP_ONE_REG,
  kvm.KVM_CAP_PPC_HIOR,
  kvm.KVM_CAP_SPAPR_TCE,
  kvm.KVM_CAP_SPAPR_TCE_64,
  kvm.KVM_CAP_SPAPR_TCE_VFIO,
  kvm.KVM_CAP_SPAPR_MULTITCE,
  kvm.KVM_CAP_PPC_RTAS,
  kvm.KVM_CAP_DEVICE_CTRL,
  kvm.KVM_CAP_PPC_HWRNG,
  kvm.KVM_CAP_PPC_MMU_RADIX,
  kvm.KVM_CAP_PPC_RPT_INVALIDATE,
  kvm.KVM_CAP_PPC_AIL_MODE_3,
  kvm.KVM_CAP_PPC_GUEST_DEBUG_SSTEP,
  kvm.KVM_CAP_PPC_MMU_HASH_V3,
  kvm.KVM_CAP_PPC_ALLOC_HTAB,
  kvm.KVM_CAP_PPC_HTAB_FD,
  kvm.KVM_CAP_SPAPR_RESIZE_HPT,
  kvm.KVM_CAP_PPC_GET_SMMU_INFO,
  kvm.KVM_CAP_PPC_GET_CPU_CHAR,
] as const;

export const capabilities: readonly Capability[] = [
  ...neutralCapabilities,
  ...present.map((cap) => ({ cap, check: 1 })),
  { cap: kvm.KVM_CAP_NR_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPUS, check: maxVcpus },
  { cap: kvm.KVM_CAP_MAX_VCPU_ID, check: maxVcpuId },
  { cap: kvm.KVM_CAP_GUEST_DEBUG_HW_BPS, check: breakpointMax },
  { cap: kvm.KVM_CAP_PPC_SMT, check: (_, vm) => Math.max(vm?.mem.load(archLayout.smt) ?? 1, 1), enableVm: setSmt },
  // A bit for each number of threads.
  { cap: kvm.KVM_CAP_PPC_SMT_POSSIBLE, check: 2 * smtMax - 1 },
  { cap: kvm.KVM_CAP_PPC_GET_PVINFO, check: 1 },
  { cap: kvm.KVM_CAP_PPC_OSI, check: 1, enableVcpu: enableOsi },
  { cap: kvm.KVM_CAP_PPC_FWNMI, check: 1, enableVcpu: enableFwnmi },
  { cap: kvm.KVM_CAP_PPC_ENABLE_HCALL, check: 1, enableVm: enableHcall },
  // Every guest is a PAPR guest; enabling it says what is so.
  { cap: kvm.KVM_CAP_PPC_PAPR, check: 1, enableVcpu: () => {} },
  { cap: kvm.KVM_CAP_IRQ_XICS, check: xicsDevices.length, enableVcpu: connectXics },
  { cap: kvm.KVM_CAP_PPC_IRQ_XIVE, check: xiveDevices.length, enableVcpu: connectXive },
];
