/**
 * Radix tree translation as a guest without hypervisor privilege sees it: process-scoped only, the process table
 * registered by hypercall.
 * Source: Power ISA v3.0B, Book III "Radix Tree Translation", "Reference and Change Recording".
 */
import {
  ACCESS_fetch,
  ACCESS_store,
  ARCH_processTableBase,
  ARCH_processTableSize,
  CAUSE_badConfiguration,
  CAUSE_noExecute,
  CAUSE_noTranslation,
  CAUSE_protection,
  RIGHT_execute,
  RIGHT_read,
  RIGHT_write,
  S_amr,
  S_iamr,
  S_pid,
  UNTRANSLATED_exit,
  UNTRANSLATED_segment,
} from "../engines/runtime/layout.generated";
import { findSlot, hostInSlot, hostOf, leaveForDirtyRing, noteDirty } from "../../../engine/runtime/slots.as";

const ENTRY_VALID: u64 = 1 << 63;
const ENTRY_LEAF: u64 = 1 << 62;
const ENTRY_BASE: u64 = 0x0fffffffffffff00;
const LEAF_PAGE: u64 = 0x01fffffffffff000;
const LEAF_REFERENCED: u64 = 0x100;
const LEAF_CHANGED: u64 = 0x80;
const LEAF_ATTRIBUTES: u64 = 0x30;
const LEAF_NON_IDEMPOTENT: u64 = 0x20;
const LEAF_PRIVILEGED: u64 = 0x8;

// Second results of translateRadix.
export let radixPhysical: u64 = 0;
/** What the page allows in the present state; write only once its change bit is set. */
export let radixRights: i32 = 0;
/** Size of the page: log2 of its bytes. */
export let radixShift: i32 = 0;

/** What the leaf allows this access, by its own bits, privilege, and for the kernel on user pages key 0 of AMR and IAMR. */
function rightsOf(s: i32, leaf: u64, problemState: bool): i32 {
  let rights = 0;
  if (leaf & 4) rights = RIGHT_read;
  if (leaf & 2) rights |= RIGHT_read | RIGHT_write;
  if (leaf & 1 && (leaf & LEAF_ATTRIBUTES) != LEAF_NON_IDEMPOTENT) rights |= RIGHT_execute;
  if (leaf & LEAF_PRIVILEGED) return problemState ? 0 : rights;
  if (problemState) return rights;
  const amr = load<u64>(s, S_amr);
  if (amr & (1 << 63)) rights &= ~RIGHT_write;
  if (amr & (1 << 62)) rights &= ~RIGHT_read;
  if (load<u64>(s, S_iamr) & (1 << 62)) rights &= ~RIGHT_execute;
  return rights;
}

/** Translates; 0, or the cause of the interrupt to raise (bits of DSISR or SRR1 without the store bit, or UNTRANSLATED_segment). */
export function translateRadix(s: i32, ea: u64, access: i32, problemState: bool): i32 {
  const quadrant = <i32>(ea >> 62);
  if (quadrant == 1 || quadrant == 2) return UNTRANSLATED_segment;
  const pid: u64 = quadrant == 0 ? <u64>load<u32>(s, S_pid) : 0;
  const tableSize = load<i32>(ARCH_processTableSize);
  // Size 0 alone is a table of 4 KiB.
  if (tableSize == 0 && load<u64>(ARCH_processTableBase) == 0) return CAUSE_badConfiguration;
  if (pid >= (<u64>256) << (<u64>tableSize & 31)) return CAUSE_noTranslation;
  const processEntry = hostOf(load<u64>(ARCH_processTableBase) + pid * 16);
  if (processEntry == 0) return CAUSE_badConfiguration;
  const process = bswap(load<u64>(processEntry));

  let shift = <u64>(((process >> 58) & 0x18) | ((process >> 5) & 7)) + 31;
  const offset = ea & 0x3fffffffffffffff;
  if (offset >> shift) return UNTRANSLATED_segment;
  let base = process & ENTRY_BASE;
  let width = process & 31;
  for (;;) {
    if (width < 5 || width + 12 > shift) return CAUSE_badConfiguration;
    shift -= width;
    const entryAddress = base + (((offset >> shift) & (((<u64>1) << width) - 1)) << 3);
    if (!findSlot(entryAddress)) return CAUSE_badConfiguration;
    const host = hostInSlot(entryAddress);
    const entry = bswap(load<u64>(host));
    if (!(entry & ENTRY_VALID)) return CAUSE_noTranslation;
    if (!(entry & ENTRY_LEAF)) {
      base = entry & ENTRY_BASE;
      width = entry & 31;
      continue;
    }
    const rights = rightsOf(s, entry, problemState);
    if (!(rights & (1 << access))) return access == ACCESS_fetch ? CAUSE_noExecute : CAUSE_protection;
    const wanted = entry | (access == ACCESS_store ? LEAF_REFERENCED | LEAF_CHANGED : LEAF_REFERENCED);
    if (wanted != entry) {
      if (leaveForDirtyRing(s)) return UNTRANSLATED_exit;
      if (atomic.cmpxchg<u64>(host, bswap(entry), bswap(wanted)) != bswap(entry)) {
        // Another processor changed the entry in between: look again.
        shift += width;
        continue;
      }
      noteDirty(s, entryAddress);
    }
    const mask = ((<u64>1) << shift) - 1;
    radixPhysical = (entry & LEAF_PAGE & ~mask) | (ea & mask);
    radixRights = wanted & LEAF_CHANGED ? rights : rights & ~RIGHT_write;
    radixShift = <i32>shift;
    return 0;
  }
}
