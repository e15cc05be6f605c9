/**
 * KVM_X86_SET_MSR_FILTER: which model-specific registers the guest may read and write, in the VM's memory, where every thread
 * finds it. The local APIC's are not filtered. Source: Documentation/virt/kvm/api.rst, "KVM_X86_SET_MSR_FILTER".
 */
import { KvmError } from "../../../base/errors.js";
import { struct } from "../../../base/struct.js";
import { allocate } from "../../../kvm/heap.js";
import type { VmInside } from "../../../kvm/inside.js";
import { locked } from "../../../kvm/lock.js";
import { vmState } from "../../../kvm/state.js";
import {
  KVM_MSR_FILTER_DEFAULT_DENY,
  KVM_MSR_FILTER_MAX_RANGES,
  KVM_MSR_FILTER_READ,
  KVM_MSR_FILTER_WRITE,
  type X86MsrFilter,
} from "../uapi.js";
import { x86Vm } from "../vm/state.js";
import { x86VmOf } from "../vm/x86-vm.js";
import { setField } from "./vcpu.js";

/** Bytes of a range's bitmap at most. */
const bitmapMost = 0x600;

const head = struct({
  /** 1: a register that no range has is not to be accessed. */
  denies: "i32",
  /** Ranges that there are; with none and without `denies` there is no filter. */
  count: "i32",
});
const range = struct({ flags: "i32", base: "i32", length: "i32" });
const rangesAt = head.size;
const bitmapsAt = rangesAt + KVM_MSR_FILTER_MAX_RANGES * range.size;
const size = bitmapsAt + KVM_MSR_FILTER_MAX_RANGES * bitmapMost;

const pointer = (vm: VmInside): number => x86VmOf(vm).address + x86Vm.offset.filter;

/** EINVAL: flags, too many ranges, a bitmap that is too long or too short, or that nothing at all could be accessed. */
function check({ flags = 0, ranges }: X86MsrFilter): void {
  const refuse = (what: string): never => {
    throw new KvmError("EINVAL", `KVM_X86_SET_MSR_FILTER: ${what}`);
  };
  if (flags & ~KVM_MSR_FILTER_DEFAULT_DENY) refuse(`unknown flags 0x${flags.toString(16)}`);
  if (ranges.length > KVM_MSR_FILTER_MAX_RANGES)
    refuse(`${ranges.length} ranges; ${KVM_MSR_FILTER_MAX_RANGES} at most`);
  for (const one of ranges) {
    if (one.flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE))
      refuse(`range with flags 0x${one.flags.toString(16)}`);
    const bytes = Math.ceil(one.nmsrs / 8);
    if (bytes > bitmapMost) refuse(`a range of ${one.nmsrs} registers; ${8 * bitmapMost} at most`);
    if (one.bitmap.length < bytes) refuse(`a bitmap of ${one.bitmap.length} bytes for ${one.nmsrs} registers`);
  }
  if (flags & KVM_MSR_FILTER_DEFAULT_DENY && ranges.every(({ nmsrs }) => nmsrs === 0)) {
    refuse("without a range that has registers, KVM_MSR_FILTER_DEFAULT_DENY would refuse all of them");
  }
}

/** EINVAL: `check`. */
export function setMsrFilter(vm: VmInside, filter: X86MsrFilter): void {
  check(filter);
  const { mem } = vm;
  const ranges = filter.ranges.filter(({ nmsrs }) => nmsrs > 0);
  if (mem.u32(pointer(vm)) === 0) mem.setI32(pointer(vm), allocate(mem, size));
  const base = mem.u32(pointer(vm));
  locked(mem, vmState.lock, () => {
    mem.setI32(base + head.offset.denies, filter.flags ?? 0);
    mem.setI32(base + head.offset.count, ranges.length);
    for (const [i, one] of ranges.entries()) {
      const at = base + rangesAt + i * range.size;
      mem.setI32(at + range.offset.flags, one.flags);
      mem.setI32(at + range.offset.base, one.base);
      mem.setI32(at + range.offset.length, one.nmsrs);
      const bitmap = mem.bytes(base + bitmapsAt + i * bitmapMost, bitmapMost).fill(0);
      bitmap.set(one.bitmap.subarray(0, Math.ceil(one.nmsrs / 8)));
    }
  });
  for (const vcpu of vm.vcpus()) setField(vcpu, "msrExits", msrExits(vm));
}

/** As it was set; undefined: there is none. */
export function getMsrFilter(vm: VmInside): X86MsrFilter | undefined {
  const { mem } = vm;
  const base = mem.u32(pointer(vm));
  if (base === 0) return undefined;
  const ranges = Array.from({ length: mem.i32(base + head.offset.count) }, (_, i) => {
    const at = base + rangesAt + i * range.size;
    const nmsrs = mem.u32(at + range.offset.length);
    const bitmapAt = base + bitmapsAt + i * bitmapMost;
    return {
      flags: mem.i32(at + range.offset.flags),
      base: mem.u32(at + range.offset.base),
      nmsrs,
      bitmap: mem.bytes(bitmapAt, Math.ceil(nmsrs / 8)).slice(),
    };
  });
  return { flags: mem.i32(base + head.offset.denies), ranges };
}

/** What its vCPUs have as `msrExits`. */
export function msrExits(vm: VmInside): bigint {
  const base = vm.mem.u32(pointer(vm));
  return base !== 0 && (vm.mem.i32(base + head.offset.denies) || vm.mem.i32(base + head.offset.count)) ? 2n : 1n;
}

export function filterAllows(vm: VmInside, number: number, isWrite: boolean): boolean {
  const { mem } = vm;
  const base = mem.u32(pointer(vm));
  if (base === 0) return true;
  const wanted = isWrite ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
  return locked(mem, vmState.lock, () => {
    for (let i = 0; i < mem.i32(base + head.offset.count); i++) {
      const at = base + rangesAt + i * range.size;
      const index = number - mem.u32(at + range.offset.base);
      if (index < 0 || index >= mem.u32(at + range.offset.length)) continue;
      if (!(mem.i32(at + range.offset.flags) & wanted)) continue;
      const [byte = 0] = mem.bytes(base + bitmapsAt + i * bitmapMost + (index >> 3), 1);
      return ((byte >> (index & 7)) & 1) !== 0;
    }
    return mem.i32(base + head.offset.denies) === 0;
  });
}
