/**
 * The instructions that manage storage by blocks of a cache: of 128 bytes here, whatever the host's are.
 * Source: Power ISA v3.0B, Book II "Storage Control Instructions".
 */
import {
  ACCESS_load,
  ACCESS_store,
  ARCH_ramLimit,
  S_tlb,
  SMALLTLB_pageShift,
  TLB_addend,
  TLB_pageShift,
  TLB_physicalPage,
} from "../engines/runtime/layout.generated";
import { isOwned, storedToCode } from "../../../engine/runtime/code-pages.as";
import { watchedAccess } from "../../../engine/runtime/debug.as";
import { raiseAlignment } from "../interrupts/raise.as";
import { noteAccess } from "../../../engine/runtime/access.as";
import {
  ADDRESS_FAULT,
  ADDRESS_OUTSIDE,
  dataAddress,
  physicalAddress,
  watched,
} from "../../../engine/runtime/data-address.as";
import { effective } from "./effective.as";
import { entryFor, smallEntryFor } from "../../../engine/runtime/tlb.as";

const BLOCK = 128;

/** dcbz. Storage that cannot be cached raises Alignment. */
export function zeroBlock(s: i32, address: i64): void {
  const ea = effective(s, address);
  noteAccess(s, ea, ACCESS_store);
  const block = ea & ~(<u64>(BLOCK - 1));
  if (watchedAccess(s, block, BLOCK, ACCESS_store)) return;
  const host = dataAddress(s, block, ACCESS_store);
  if (host == ADDRESS_FAULT) return;
  if (host == ADDRESS_OUTSIDE) {
    raiseAlignment(s, ea);
    return;
  }
  memory.fill(host, 0, BLOCK);
  if (watched) storedToCode(s, physicalAddress, BLOCK);
}

/**
 * icbi: drops the decoded instructions of the 128-byte block. Stores have been noticed already, so this only hurries mail.
 * A fault is that of a load.
 */
export function invalidateInstructionBlock(s: i32, address: i64): void {
  const ea = effective(s, address);
  const host = dataAddress(s, ea, ACCESS_load);
  if (host == ADDRESS_FAULT || host == ADDRESS_OUTSIDE) return;
  const physical = physicalOf(s, ea, host);
  if (physical >= load<u64>(ARCH_ramLimit) || !isOwned(<i32>(physical >> TLB_pageShift))) return;
  storedToCode(s, physical & ~(<u64>(BLOCK - 1)), BLOCK);
}

/** Guest physical address of data just looked up: from the entry that the look-up left. */
function physicalOf(s: i32, ea: u64, host: i32): u64 {
  const entry = entryFor(load<i32>(s, S_tlb), ea);
  if (load<i32>(entry, TLB_addend) + <i32>ea == host) {
    return ((<u64>load<u32>(entry, TLB_physicalPage)) << TLB_pageShift) | (ea & ((1 << TLB_pageShift) - 1));
  }
  const small = smallEntryFor(s, ea);
  return ((<u64>load<u32>(small, TLB_physicalPage)) << SMALLTLB_pageShift) | (ea & ((1 << SMALLTLB_pageShift) - 1));
}
