/**
 * Any effective address to a guest physical one, by the mode that the vCPU is in.
 * Source: Power ISA v3.0B, Book III "Storage Addressing", "Real And Virtual Real Addressing Modes".
 */
import {
  ACCESS_fetch,
  ARCH_radix,
  MSR_DR,
  MSR_IR,
  MSR_PR,
  RIGHT_execute,
  RIGHT_read,
  RIGHT_write,
  S_msr,
} from "../engines/runtime/layout.generated";
import { hashPhysical, hashRights, hashShift, translateHash } from "./hash.as";
import { radixPhysical, radixRights, radixShift, translateRadix } from "./radix.as";

/** With translation off the top four bits of the address do not count. */
const REAL_ADDRESS: u64 = 0x0fffffffffffffff;

// Second results of translate.
export let physical: u64 = 0;
export let rights: i32 = 0;
/** log2 of the page's bytes. */
export let pageShift: i32 = 0;

/** 0, or the cause of the interrupt to raise: see translateRadix, and UNTRANSLATED_exit. */
export function translate(s: i32, ea: u64, access: i32): i32 {
  const msr = load<u64>(s, S_msr);
  if (!(msr & (access == ACCESS_fetch ? MSR_IR : MSR_DR))) {
    physical = ea & REAL_ADDRESS;
    rights = RIGHT_read | RIGHT_write | RIGHT_execute;
    pageShift = 30;
    return 0;
  }
  if (!load<i32>(ARCH_radix)) {
    const cause = translateHash(s, ea, access, (msr & MSR_PR) != 0);
    physical = hashPhysical;
    rights = hashRights;
    pageShift = hashShift;
    return cause;
  }
  const cause = translateRadix(s, ea, access, (msr & MSR_PR) != 0);
  physical = radixPhysical;
  rights = radixRights;
  pageShift = radixShift;
  return cause;
}
