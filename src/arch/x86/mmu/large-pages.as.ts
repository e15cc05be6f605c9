/**
 * Which parts of large pages the soft TLB may have, so that INVLPG finds them without looking at all of 2 MiB: for each 2 MiB a word
 * with its number and a bit for each 128 KiB that a translation has been found in. Where two 2 MiB meet in a word it stands for
 * all of both.
 */
import { N_largePages, S_largePages } from "../engines/runtime/layout.generated";

/** log2 of what a word and what a bit of it stands for. */
const REGION: u64 = 21;
export const LARGE_PART = 17;
const PARTS = 16;
const ALL_PARTS: u64 = (1 << PARTS) - 1;
/** Of a word: where the number is, of the 43 bits that an address has above its 2 MiB; that there are several. */
const NUMBER: u64 = PARTS;
const NUMBER_MASK: u64 = ((1 << 43) - 1) << NUMBER;
const SEVERAL: u64 = 1 << 63;

/** Where the word of an address is: a kernel's are behind those of users, and addresses of 32 bits all have one of their own. */
function wordOf(s: i32, ea: u64): i32 {
  const half = N_largePages / 2;
  const upper = ea >> 63 || ea >> 31 == 1;
  return s + S_largePages + 8 * ((<i32>(ea >> REGION) & (half - 1)) | (upper ? half : 0));
}

// @ts-ignore: decorator
@inline
function numberOf(ea: u64): u64 {
  return (ea >> REGION) << NUMBER;
}

/** A translation in a large page has been found. */
export function noteLarge(s: i32, ea: u64): void {
  const at = wordOf(s, ea);
  let word = load<u64>(at);
  if (word == 0) word = numberOf(ea);
  else if ((word & NUMBER_MASK) != numberOf(ea)) word |= SEVERAL | ALL_PARTS;
  store<u64>(at, word | ((<u64>1) << ((ea >> LARGE_PART) & (PARTS - 1))));
}

/**
 * The parts of the 2 MiB that an address is in, as a set of bits, which translations may be there of by a large page. The caller
 * drops them, in every context: they are noted no longer.
 */
export function takeLarge(s: i32, ea: u64): i32 {
  const at = wordOf(s, ea);
  const word = load<u64>(at);
  if (word == 0) return 0;
  if (!(word & SEVERAL)) {
    if ((word & NUMBER_MASK) != numberOf(ea)) return 0;
    store<u64>(at, 0);
  }
  return <i32>(word & ALL_PARTS);
}

/** Everything has been dropped. */
export function forgetLarge(s: i32): void {
  memory.fill(s + S_largePages, 0, 8 * N_largePages);
}
