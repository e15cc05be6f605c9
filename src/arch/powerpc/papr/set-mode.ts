import { type HcallHandler, HcallStatus, type HcallVcpu } from "./hcall.js";

const resource = { ciabr: 1n, dawr0: 2n, addressTranslation: 3n, endian: 4n } as const;
/** CIABR[PRIV], DAWRX[HYP]: breakpoints in the hypervisor are not for a guest. */
const ciabrPrivilege = 3n;
const dawrxHypervisor = 4n;

/** Sets a mode that belongs to the hypervisor: breakpoints of this processor, or how the partition takes interrupts. */
export const setMode: HcallHandler = (vcpu, [flags, which, value1, value2]) => {
  switch (which) {
    case resource.ciabr:
      return setCiabr(vcpu, flags, value1, value2);
    case resource.dawr0:
      return setDawr0(vcpu, flags, value1, value2);
    case resource.addressTranslation:
      return setInterruptLocation(vcpu, flags, value1, value2);
    case resource.endian:
      if (value1 !== 0n) return HcallStatus.p3;
      if (value2 !== 0n) return HcallStatus.p4;
      if (flags > 1n) return HcallStatus.unsupportedFlag;
      vcpu.vm.setInterruptMode({ littleEndian: flags === 1n });
      return HcallStatus.success;
    default:
      return HcallStatus.p2;
  }
};

function setCiabr(vcpu: HcallVcpu, flags: bigint, value1: bigint, value2: bigint): bigint {
  if (flags !== 0n) return HcallStatus.unsupportedFlag;
  if (value2 !== 0n) return HcallStatus.p4;
  if ((value1 & ciabrPrivilege) === ciabrPrivilege) return HcallStatus.p3;
  vcpu.setRegister("ciabr", value1);
  return HcallStatus.success;
}

function setDawr0(vcpu: HcallVcpu, flags: bigint, value1: bigint, value2: bigint): bigint {
  if (flags !== 0n) return HcallStatus.unsupportedFlag;
  if (value2 & dawrxHypervisor) return HcallStatus.p4;
  vcpu.setRegister("dawr0", value1);
  vcpu.setRegister("dawrx0", value2);
  return HcallStatus.success;
}

function setInterruptLocation(vcpu: HcallVcpu, flags: bigint, value1: bigint, value2: bigint): bigint {
  if (value1 !== 0n) return HcallStatus.p3;
  if (value2 !== 0n) return HcallStatus.p4;
  // 1 is reserved.
  if (flags > 3n || flags === 1n) return HcallStatus.unsupportedFlag;
  vcpu.vm.setInterruptMode({ ail: Number(flags) });
  return HcallStatus.success;
}
