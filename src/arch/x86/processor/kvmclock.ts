/**
 * KVM's clock: the guest says where, and finds there how its time-stamp counter becomes nanoseconds. Both go at one rate for
 * good, so that what is written once stays true. Source: Documentation/virt/kvm/x86/msr.rst, "pvclock ABI".
 */
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { x86Vm } from "../vm/state.js";
import { x86VmOf } from "../vm/x86-vm.js";
import { put } from "./guest-memory.js";
import type { MsrRow } from "./msr-row.js";
import { getField, guestNow, recordAt, tscRate } from "./vcpu.js";

const wallClock = { old: 0x11, current: 0x4b564d00 } as const;
const systemTime = { old: 0x12, current: 0x4b564d01 } as const;
/** struct pvclock_vcpu_time_info, struct pvclock_wall_clock. */
const timeSize = 32;
const wallSize = 12;
/** Flags: the clock is the same on all vCPUs; the guest was stopped. */
const stable = 1;
const stopped = 2;

const offsetOf = (vm: VmInside): bigint => vm.mem.i64(x86VmOf(vm).address + x86Vm.offset.clockOffset);

/** The guest's time, ns. */
const elapsed = (vm: VmInside): bigint => BigInt(Math.floor(guestNow(vm) * 1e6));

/** KVM_GET_CLOCK: ns. */
export const clockNow = (vm: VmInside): bigint => elapsed(vm) + offsetOf(vm);

/** KVM_SET_CLOCK, ns. */
export function setClockNow(vm: VmInside, now: bigint): void {
  vm.mem.setI64(x86VmOf(vm).address + x86Vm.offset.clockOffset, BigInt.asIntN(64, now - elapsed(vm)));
  for (const vcpu of vm.vcpus()) putTime(vcpu);
}

/** KVM_KVMCLOCK_CTRL. False: the guest has no clock. */
export function tellStopped(vcpu: VcpuInside): boolean {
  if (!(vcpu.vm.mem.u64(recordAt(vcpu, "systemTime")) & 1n)) return false;
  putTime(vcpu, stable | stopped);
  return true;
}

/** The counter's offset has changed. */
export const clockChanged = (vcpu: VcpuInside): void => putTime(vcpu);

/** The counter at the guest's time 0 is the offset; a tick is a thousandth of a microsecond. */
function putTime(vcpu: VcpuInside, flags = stable): void {
  const value = vcpu.vm.mem.u64(recordAt(vcpu, "systemTime"));
  if (!(value & 1n)) return;
  put(vcpu, value & ~1n, timeSize, (view) => {
    const version = (view.getUint32(0, true) + 2) & ~1;
    // Nanoseconds are ticks times 2^shift times multiplier over 2^32.
    const perTick = 1e6 / tscRate;
    view.setBigUint64(8, BigInt.asUintN(64, getField(vcpu, "tscOffset")), true);
    view.setBigUint64(16, BigInt.asUintN(64, offsetOf(vcpu.vm)), true);
    view.setUint32(24, Math.round((perTick / 2) * 2 ** 32) >>> 0, true);
    view.setInt8(28, 1);
    view.setUint8(29, flags);
    view.setUint32(0, version, true);
  });
}

/** When the guest's clock was 0, since 1970. */
function putWall(vcpu: VcpuInside, address: bigint): void {
  const started = Date.now() - Number(clockNow(vcpu.vm)) / 1e6;
  put(vcpu, address, wallSize, (view) => {
    view.setUint32(0, (view.getUint32(0, true) + 2) & ~1, true);
    view.setUint32(4, Math.floor(started / 1000), true);
    view.setUint32(8, Math.floor((started % 1000) * 1e6), true);
  });
}

const wall = (number: number): MsrRow => ({
  number,
  read: (vcpu) => vcpu.vm.mem.u64(recordAt(vcpu, "wallClock")),
  write: (vcpu, value) => {
    vcpu.vm.mem.setI64(recordAt(vcpu, "wallClock"), value);
    putWall(vcpu, value);
    return true;
  },
});
const system = (number: number): MsrRow => ({
  number,
  read: (vcpu) => vcpu.vm.mem.u64(recordAt(vcpu, "systemTime")),
  write: (vcpu, value) => {
    vcpu.vm.mem.setI64(recordAt(vcpu, "systemTime"), value);
    putTime(vcpu);
    return true;
  },
});

export const kvmClockMsrs: readonly MsrRow[] = [
  wall(wallClock.old),
  wall(wallClock.current),
  system(systemTime.old),
  system(systemTime.current),
];
