/** What the hypercalls on the hashed page table share. Source: PAPR, "Hypervisor Page Table Calls". */
import type { Hpt, Hpte } from "../mmu/hpt.js";
import { HpteR, HpteV } from "../mmu/hpt.js";
import { HcallStatus, type HcallVm } from "./hcall.js";

/** Flags, bits counted from the most significant in PAPR. */
export const HptFlag = {
  /** H_READ: four entries. */
  read4: 1n << 37n,
  /** H_ENTER: this very entry. */
  exact: 1n << 39n,
  /** H_REMOVE, H_PROTECT: only if the entry's AVPN is the argument. */
  avpn: 1n << 31n,
  /** H_REMOVE: only if the entry has none of the argument's bits. */
  andCondition: 1n << 30n,
  /** H_ENTER: the page is cleared. */
  zeroPage: 1n << 15n,
} as const;

/** The entry without its low bits, as an argument names it. */
export const avpnOf = ({ v }: Hpte): bigint => v & ~0x7fn;

/** Runs `body` with the table's lock held and an index that the table has; H_FUNCTION if the guest has no table. */
export function withEntry(vm: HcallVm, index: bigint, body: (hpt: Hpt, index: number) => bigint): bigint {
  const { hpt } = vm;
  if (!hpt) return HcallStatus.function;
  return hpt.locked(() => (index < BigInt(hpt.size) ? body(hpt, Number(index)) : HcallStatus.parameter));
}

/** The same for a valid entry; H_NOT_FOUND if it is not. */
export const withValid = (vm: HcallVm, index: bigint, body: (hpt: Hpt, index: number, entry: Hpte) => bigint): bigint =>
  withEntry(vm, index, (hpt, at) => {
    const entry = hpt.at(at);
    return entry.v & HpteV.valid ? body(hpt, at, entry) : HcallStatus.notFound;
  });

const storageBits = HpteR.writeThrough | HpteR.inhibited | HpteR.coherent;

/** Memory is cached and coherent (or asks for strong order, which it has); what is no memory is not cached. */
export function storageFits(vm: HcallVm, page: bigint, r: bigint): boolean {
  const bits = r & storageBits;
  const isMemory = vm.memory.read(page, 1) !== undefined;
  if (!isMemory) return (bits & (HpteR.writeThrough | HpteR.inhibited)) === HpteR.inhibited;
  return bits === HpteR.coherent || bits === storageBits;
}
