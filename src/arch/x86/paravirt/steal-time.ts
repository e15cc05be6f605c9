/**
 * What the guest is told of time that its processors wanted and did not get, and of which do not run now: so that another need
 * not wake one that rests to have it drop its translations. Source: Documentation/virt/kvm/x86/msr.rst, "MSR_KVM_STEAL_TIME".
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import { Request } from "../engines/layout.js";
import { placeOf, put } from "../processor/guest-memory.js";
import type { MsrRow } from "../processor/msr-row.js";
import { guestNow, recordAt, request } from "../processor/vcpu.js";

export const stealTimeMsr = 0x4b564d03;
const enabled = 1n;
const reserved = 0x3en;
/** struct kvm_steal_time: nanoseconds, a version that is odd while they change, and a byte of these bits. */
const Field = { steal: 0, version: 8, preempted: 16, size: 64 } as const;
const Preempted = { preempted: 1, flush: 2 } as const;

const value = (vcpu: VcpuInside): bigint => vcpu.vm.mem.u64(recordAt(vcpu, "stealTime"));
const addressOf = (msr: bigint): bigint => msr & ~(reserved | enabled);

/** Where `preempted` is in the VM's memory; undefined: nowhere. */
function preemptedAt(vcpu: VcpuInside, msr: bigint): number | undefined {
  const place = placeOf(vcpu.vm, addressOf(msr), Field.size);
  return place === undefined ? undefined : place + Field.preempted;
}

/** The vCPU is about to run: it tells so, and does what was left for it. */
export function runs(vcpu: VcpuInside): void {
  const msr = value(vcpu);
  if (!(msr & enabled)) return;
  const { mem } = vcpu.vm;
  const at = preemptedAt(vcpu, msr);
  if (at === undefined) return;
  // The other three bytes of the word are padding.
  if (mem.load(at) !== 0) {
    if (mem.exchange(at, 0) & Preempted.flush) request(vcpu, Request.flushTlb);
    vcpu.vm.guestWritten(addressOf(msr) + BigInt(Field.preempted), 4);
  }
  const left = mem.f64(recordAt(vcpu, "preemptedAt"));
  if (left === 0) return;
  mem.setF64(recordAt(vcpu, "preemptedAt"), 0);
  const waited = BigInt(Math.max(0, Math.round((guestNow(vcpu.vm) - left) * 1e6)));
  put(vcpu, addressOf(msr), Field.size, (view) => {
    const version = view.getUint32(Field.version, true);
    view.setUint32(Field.version, version | 1, true);
    view.setBigUint64(Field.steal, BigInt.asUintN(64, view.getBigUint64(Field.steal, true) + waited), true);
    view.setUint32(Field.version, (version | 1) + 1, true);
  });
}

/** The vCPU runs no more for now. `wanted`: it would, had it its thread for itself. */
export function rests(vcpu: VcpuInside, wanted: boolean): void {
  const msr = value(vcpu);
  if (!(msr & enabled)) return;
  const { mem } = vcpu.vm;
  const at = preemptedAt(vcpu, msr);
  if (at === undefined) return;
  if (wanted) mem.setF64(recordAt(vcpu, "preemptedAt"), guestNow(vcpu.vm));
  mem.or(at, Preempted.preempted);
  vcpu.vm.guestWritten(addressOf(msr) + BigInt(Field.preempted), 4);
}

/** As KVM: bits 1 to 5 are reserved. An address where no memory is keeps its value, and nothing is written. */
export const stealTime: MsrRow = {
  number: stealTimeMsr,
  read: value,
  write: (vcpu, msr) => {
    if (msr & reserved) return false;
    const { mem } = vcpu.vm;
    mem.setI64(recordAt(vcpu, "stealTime"), BigInt.asIntN(64, msr));
    mem.setF64(recordAt(vcpu, "preemptedAt"), 0);
    runs(vcpu);
    return true;
  },
};
