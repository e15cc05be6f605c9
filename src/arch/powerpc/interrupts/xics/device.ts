/** The XICS as a device of the VM. Source: Documentation/virt/kvm/devices/xics.rst. */
import { KvmError } from "../../../../base/errors.js";
import type { DeviceOps } from "../../../../kvm/device.js";
import {
  KVM_DEV_XICS_GRP_CTRL,
  KVM_DEV_XICS_GRP_SOURCES,
  KVM_DEV_XICS_NR_SERVERS,
  KVM_XICS_DESTINATION_MASK,
  KVM_XICS_LEVEL_SENSITIVE,
  KVM_XICS_MASKED,
  KVM_XICS_PENDING,
  KVM_XICS_PRESENTED,
  KVM_XICS_PRIORITY_MASK,
  KVM_XICS_PRIORITY_SHIFT,
} from "../../uapi/registers.js";
import { sourceMax } from "../source-blocks.js";
import { firstSource } from "./state.js";
import type { Xics } from "./xics.js";

export function xicsDevice(xics: Xics): DeviceOps {
  return {
    setAttr(group, attr, value) {
      if (group === KVM_DEV_XICS_GRP_CTRL && attr === BigInt(KVM_DEV_XICS_NR_SERVERS)) {
        xics.setServerCount(Number(value));
        return;
      }
      const irq = sourceNumber(group, attr);
      xics.setSourceState(irq, {
        server: Number(value & KVM_XICS_DESTINATION_MASK),
        priority: Number((value >> KVM_XICS_PRIORITY_SHIFT) & KVM_XICS_PRIORITY_MASK),
        level: (value & KVM_XICS_LEVEL_SENSITIVE) !== 0n,
        masked: (value & KVM_XICS_MASKED) !== 0n,
        pending: (value & KVM_XICS_PENDING) !== 0n,
        presented: (value & KVM_XICS_PRESENTED) !== 0n,
      });
    },
    getAttr(group, attr) {
      const irq = sourceNumber(group, attr);
      const state = xics.sourceState(irq);
      if (!state) throw new KvmError("ENOENT", `the XICS has no source ${irq}`);
      let value = BigInt(state.server) | (BigInt(state.priority) << KVM_XICS_PRIORITY_SHIFT);
      if (state.level) value |= KVM_XICS_LEVEL_SENSITIVE;
      if (state.masked) value |= KVM_XICS_MASKED;
      if (state.pending) value |= KVM_XICS_PENDING;
      if (state.presented) value |= KVM_XICS_PRESENTED;
      return value;
    },
    hasAttr(group, attr) {
      if (group === KVM_DEV_XICS_GRP_CTRL) return attr === BigInt(KVM_DEV_XICS_NR_SERVERS);
      return group === KVM_DEV_XICS_GRP_SOURCES && isSource(attr);
    },
  };
}

const isSource = (attr: bigint): boolean => attr >= BigInt(firstSource) && attr < BigInt(sourceMax);

function sourceNumber(group: number, attr: bigint): number {
  if (group !== KVM_DEV_XICS_GRP_SOURCES || !isSource(attr)) {
    throw new KvmError("ENXIO", `the XICS has no attribute ${attr} in group ${group}`);
  }
  return Number(attr);
}
