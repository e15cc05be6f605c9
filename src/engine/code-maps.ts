/** Where the engine finds what it knows of guest physical pages, for the slow paths of any architecture: decoded code, who stores. */
import { allocate } from "../kvm/heap.js";
import type { VcpuInside, VmInside } from "../kvm/inside.js";
import { locked } from "../kvm/lock.js";
import { vmState } from "../kvm/state.js";
import { codePagesOf, type EngineLayout, engineVm } from "./layout.js";
import type { VcpuFields } from "./vcpu-fields.js";

/** No longer map of code than the 32-bit memory can have RAM for. */
const codeLimit = 1n << 32n;
/** Bytes of the smallest map. */
const smallest = 64;

export interface CodeMapOptions {
  /** Maps of a vCPU, each with a word for each 4 KiB page: one for each kind of code. */
  readonly maps: number;
  /** Bytes of the soft TLB's pages: `engineVm.codeOwners` has a word for each. */
  readonly ownedPage: bigint;
  readonly codePage: EngineLayout["codePage"];
}

export function codeMaps(
  addressOf: VcpuFields<"codeMaps" | "writers" | "codePagesTaken">["addressOf"],
  { maps, ownedPage, codePage }: CodeMapOptions,
): { prepareCode(vm: VmInside): void; createCodeMaps(vcpu: VcpuInside, isUsed: boolean): void } {
  const ownedSize = (limit: bigint): number => Math.max(Number(limit / ownedPage) * 4, smallest);
  const create = (vcpu: VcpuInside, size: number): void => {
    const { mem } = vcpu.vm;
    mem.setI32(addressOf(vcpu, "codeMaps"), allocate(mem, size));
    mem.setI32(addressOf(vcpu, "writers"), allocate(mem, ownedSize(mem.i64(engineVm.ramLimit))));
  };
  return {
    /** Makes them when the VM first runs: by then its RAM is known. */
    prepareCode(vm) {
      const { mem } = vm;
      if (mem.load(engineVm.codeMapSize) !== 0) return;
      locked(mem, vmState.lock, () => {
        if (mem.load(engineVm.codeMapSize) !== 0) return;
        // Slots are in order of their base.
        const last = vm.slots.list().at(-1);
        const end = last ? last.base + last.size : 0n;
        const limit = end < codeLimit ? end : codeLimit;
        const size = maps * Math.max(Number(limit / 4096n) * 4, smallest);
        mem.setI64(engineVm.ramLimit, limit);
        mem.setI32(engineVm.codeOwners, allocate(mem, ownedSize(limit)));
        for (const vcpu of vm.vcpus()) create(vcpu, size);
        mem.store(engineVm.codeMapSize, size);
      });
    },
    /**
     * For a vCPU that comes to a VM that has run; the others get theirs when it first runs. `isUsed`: the vCPU's memory has been
     * another's, whose code pages must be emptied before they are taken.
     */
    createCodeMaps(vcpu, isUsed) {
      if (isUsed) vcpu.vm.mem.setI32(addressOf(vcpu, "codePagesTaken"), codePagesOf(codePage, vcpu.index));
      const size = vcpu.vm.mem.load(engineVm.codeMapSize);
      if (size !== 0) create(vcpu, size);
    },
  };
}
