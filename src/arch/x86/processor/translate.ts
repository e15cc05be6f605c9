/**
 * KVM_TRANSLATE: where page tables lead, without the marks and the checks of an access (mmu/translate.as.ts has those).
 * Source: Intel SDM, volume 3, "Paging".
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import { Control0, Control4, Efer } from "../engines/registers.js";
import { isCanonical, PageEntry } from "../mmu/paging.js";
import type { X86Translation } from "../uapi.js";
import { getField, getMsr } from "./vcpu.js";

const pageBits = 12n;
const has = (register: bigint, bit: number | bigint): boolean => (register & BigInt(bit)) !== 0n;
const lowBits = (bits: bigint): bigint => (1n << bits) - 1n;

/** An entry of a table; 0 where no memory is. */
export function entryAt(vcpu: VcpuInside, address: bigint, bytes: 4 | 8): bigint {
  const { vm } = vcpu;
  const found = vm.slots.find(address, bytes);
  if (!found) return 0n;
  const view = new DataView(vm.mem.wasm.buffer, found.address, bytes);
  return bytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
}

/** Undefined: they lead nowhere. */
function physicalOf(vcpu: VcpuInside, linear: bigint): bigint | undefined {
  const [cr0, cr3, cr4] = [0, 3, 4].map((i) => getField(vcpu, "control", i)) as [bigint, bigint, bigint];
  const long = has(getMsr(vcpu, "efer"), Efer.longModeActive);
  if (long && !isCanonical(linear)) return undefined;
  if (!has(cr0, Control0.paging)) return linear;
  const wide = long || has(cr4, Control4.physicalAddress);
  const bytes = wide ? 8 : 4;
  const [indexBits, top] = wide ? [9n, long ? 39n : 30n] : [10n, 22n];
  const address = wide ? PageEntry.address : 0xffff_f000n;
  let table = wide && !long ? cr3 & 0xffff_ffe0n : cr3 & address;
  for (let shift = top; ; shift -= indexBits) {
    const index = (linear >> shift) & (wide && !long && shift === top ? 3n : lowBits(indexBits));
    const entry = entryAt(vcpu, table + index * BigInt(bytes), bytes);
    if (!has(entry, PageEntry.present)) return undefined;
    const mayBeLarge = shift !== pageBits && shift < 39n && !(wide && !long && shift === top);
    const large = mayBeLarge && has(entry, PageEntry.large) && (wide || has(cr4, Control4.pageSize));
    if (shift === pageBits || large) {
      const within = lowBits(shift);
      const upper = large && !wide ? ((entry >> 13n) & 0xffn) << 32n : 0n;
      return (entry & address & ~within) | upper | (linear & within);
    }
    table = entry & address;
  }
}

export function translation(vcpu: VcpuInside, linear: bigint): X86Translation {
  const found = physicalOf(vcpu, linear);
  return {
    linear_address: linear,
    physical_address: found ?? 0xffff_ffff_ffff_ffffn,
    valid: found === undefined ? 0 : 1,
    writeable: 1,
    usermode: 0,
  };
}
