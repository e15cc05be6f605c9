import { actualPageShift, HpteR, HpteV, pageOf } from "../mmu/hpt.js";
import { HcallStatus, hcall } from "./hcall.js";
import { HptFlag, storageFits, withEntry } from "./hpt.js";

/** Adds an entry to the page table, in the group that r5 names or with H_EXACT right there; r4 is where. */
export const enter = hcall(0x08, "H_ENTER", { enabled: true }, (vcpu, [flags, index, high, low]) => {
  const entry = { v: (high & ~HpteV.hypervisor) | HpteV.valid, r: low & ~HpteR.reserved };
  const pageShift = actualPageShift(entry);
  return withEntry(vcpu.vm, index, (hpt, wanted) => {
    if (pageShift === undefined) return HcallStatus.parameter;
    const page = pageOf(entry, pageShift);
    if (!storageFits(vcpu.vm, page, entry.r)) return HcallStatus.parameter;
    const exact = (flags & HptFlag.exact) !== 0n;
    const free = exact ? (hpt.at(wanted).v & HpteV.valid ? undefined : wanted) : hpt.freeInGroup(wanted);
    if (free === undefined) return HcallStatus.ptegFull;
    if (flags & HptFlag.zeroPage) {
      const view = vcpu.vm.memory.write(page, 2 ** pageShift);
      if (!view) return HcallStatus.parameter;
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength).fill(0);
      vcpu.vm.memory.codeWritten(page, 2 ** pageShift);
    }
    hpt.fill(free, entry);
    vcpu.setGpr(4, BigInt(free));
    return HcallStatus.success;
  });
});
