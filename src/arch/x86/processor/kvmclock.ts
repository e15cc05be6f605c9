/**
 * KVM's clock: the guest says where, and finds there how its time-stamp counter becomes nanoseconds. Both go at one rate for
 * good, so that what is written once stays true. Source: Documentation/virt/kvm/x86/msr.rst, "pvclock ABI".
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import type { MsrRow } from "./msr-row.js";
import { getField, guestNow, recordAt, tscRate } from "./vcpu.js";

const wallClock = { old: 0x11, current: 0x4b564d00 } as const;
const systemTime = { old: 0x12, current: 0x4b564d01 } as const;
/** struct pvclock_vcpu_time_info, struct pvclock_wall_clock. */
const timeSize = 32;
const wallSize = 12;
/** The clock is the same on all vCPUs. */
const stable = 1;

/** Writes guest memory as a device does; nothing where there is none. */
function put(vcpu: VcpuInside, address: bigint, length: number, fill: (view: DataView) => void): void {
  const { vm } = vcpu;
  const found = vm.slots.find(address, length);
  if (!found) return;
  fill(new DataView(vm.mem.wasm.buffer, found.address, length));
  vm.guestWritten(address, length);
}

/** The counter at the guest's time 0 is the offset; a tick is a thousandth of a microsecond. */
function putTime(vcpu: VcpuInside): void {
  const value = vcpu.vm.mem.u64(recordAt(vcpu, "systemTime"));
  if (!(value & 1n)) return;
  put(vcpu, value & ~1n, timeSize, (view) => {
    const version = (view.getUint32(0, true) + 2) & ~1;
    // Nanoseconds are ticks times 2^shift times multiplier over 2^32.
    const perTick = 1e6 / tscRate;
    view.setBigUint64(8, BigInt.asUintN(64, getField(vcpu, "tscOffset")), true);
    view.setBigUint64(16, 0n, true);
    view.setUint32(24, Math.round((perTick / 2) * 2 ** 32) >>> 0, true);
    view.setInt8(28, 1);
    view.setUint8(29, stable);
    view.setUint32(0, version, true);
  });
}

/** When the guest's time was 0, since 1970. */
function putWall(vcpu: VcpuInside, address: bigint): void {
  const started = Date.now() - guestNow(vcpu.vm);
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
