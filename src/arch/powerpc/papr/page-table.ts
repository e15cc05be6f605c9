/** The hashed page table. Source: PAPR, "Hypervisor Page Table Calls". */
import { actualPageShift, HpteR, HpteV, pageOf } from "../mmu/hpt.js";
import { bulkRemove } from "./bulk-remove.js";
import { type HcallHandlers, HcallStatus } from "./hcall.js";
import { avpnOf, HptFlag, storageFits, withEntry, withValid } from "./hpt.js";

const several = 4;
const changed = HpteR.pp0 | HpteR.pp | HpteR.noExecute | HpteR.keyHigh | HpteR.keyLow;

export const pageTableHcalls = {
  /** Takes an entry out of the page table; r4 and r5 are what it was, with R and C as the MMU left them. */
  H_REMOVE: (vcpu, [flags, index, avpn]) =>
    withValid(vcpu.vm, index, (hpt, at, entry) => {
      if (flags & HptFlag.avpn && avpnOf(entry) !== avpn) return HcallStatus.notFound;
      if (flags & HptFlag.andCondition && entry.v & avpn) return HcallStatus.notFound;
      const { v, r } = hpt.remove(at);
      vcpu.setGpr(4, v);
      vcpu.setGpr(5, r);
      return HcallStatus.success;
    }),

  /** Adds an entry to the page table, in the group that r5 names or with H_EXACT right there; r4 is where. */
  H_ENTER: (vcpu, [flags, index, high, low]) => {
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
        const clear = (view: DataView): void => {
          new Uint8Array(view.buffer, view.byteOffset, view.byteLength).fill(0);
        };
        if (!vcpu.vm.memory.write(page, 2 ** pageShift, clear)) return HcallStatus.parameter;
        vcpu.vm.memory.codeWritten(page, 2 ** pageShift);
      }
      hpt.fill(free, entry);
      vcpu.setGpr(4, BigInt(free));
      return HcallStatus.success;
    });
  },

  /** An entry of the page table in r4 and r5, valid or not; with H_READ_4 four of them, to r11. */
  H_READ: (vcpu, [flags, index]) =>
    withEntry(vcpu.vm, index, (hpt, at) => {
      const count = flags & HptFlag.read4 ? several : 1;
      const first = at - (at % count);
      for (let i = 0; i < count; i++) {
        const { v, r } = hpt.at(first + i);
        vcpu.setGpr(4 + 2 * i, v);
        vcpu.setGpr(5 + 2 * i, r);
      }
      return HcallStatus.success;
    }),

  /** Clears the change bit of an entry; r4 is its second doubleword as it was. */
  H_CLEAR_MOD: (vcpu, [, index]) =>
    withValid(vcpu.vm, index, (hpt, at) => {
      vcpu.setGpr(4, hpt.change(at, HpteR.changed, 0n));
      return HcallStatus.success;
    }),

  /** Clears the reference bit of an entry; r4 is its second doubleword as it was. */
  H_CLEAR_REF: (vcpu, [, index]) =>
    withValid(vcpu.vm, index, (hpt, at) => {
      vcpu.setGpr(4, hpt.change(at, HpteR.referenced, 0n));
      return HcallStatus.success;
    }),

  /** Sets the protection and the key of an entry, which the flags carry. */
  H_PROTECT: ({ vm }, [flags, index, avpn]) =>
    withValid(vm, index, (hpt, at, entry) => {
      if (flags & HptFlag.avpn && avpnOf(entry) !== avpn) return HcallStatus.notFound;
      const low = flags & (HpteR.pp | HpteR.noExecute | HpteR.keyLow);
      hpt.change(at, changed, low | ((flags << 55n) & HpteR.pp0) | ((flags << 48n) & HpteR.keyHigh));
      return HcallStatus.success;
    }),

  H_BULK_REMOVE: bulkRemove,
} satisfies HcallHandlers;
