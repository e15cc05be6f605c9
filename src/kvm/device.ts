/** Devices of the kernel side (KVM_CREATE_DEVICE): attributes in, attributes out. */
import { guard } from "../base/takes.js";
import { deviceSignatures } from "./signatures.js";
import type { Device } from "./uapi.js";

/** What a type of device does; the core adds the handle. Errors as in `Device`. */
export interface DeviceOps {
  setAttr(group: number, attr: bigint, value: bigint): void;
  getAttr(group: number, attr: bigint): bigint;
  hasAttr(group: number, attr: bigint): boolean;
  /** The handle is closed, and with it the device: the VM may have another. Absent: it lives as long as the VM. */
  release?(): void;
}

/** Handles' numbers: a device's type above this. */
const fdBase = 1000;

export const deviceFd = (type: number): number => fdBase + type;
/** The type of the device that a number given to KVM_ENABLE_CAP stands for. */
export const deviceTypeOfFd = (fd: number | bigint | undefined): number => Number(fd ?? -1) - fdBase;

export function deviceHandle(type: number, ops: DeviceOps, close: () => void): Device {
  const device: Device = {
    fd: deviceFd(type),
    type,
    setAttr: (group, attr, value = 0n) => ops.setAttr(group, attr, value),
    getAttr: (group, attr) => ops.getAttr(group, attr),
    hasAttr: (group, attr) => ops.hasAttr(group, attr),
    close,
  };
  return guard(device, "device", deviceSignatures);
}
