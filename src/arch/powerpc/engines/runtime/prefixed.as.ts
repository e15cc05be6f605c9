/**
 * Prefixed instructions. A decoded entry has room for one word, so theirs tells where the two lie: in a ring of places in
 * the vCPU's state, each with the address of the entry that it was filled for. When a place is taken again, that entry
 * becomes undecoded if it still points here. Guest memory itself will not do: another vCPU may write it, and the halves of
 * two instructions would run as one until this one has read its mail.
 * Source: Power ISA v3.1B, Book I "Instruction Prefix Formats"; Book III "Alignment Interrupt", "Save/Restore Register 1".
 */
import {
  ACCESS_fetch,
  ARCH_ramLimit,
  DECODE_boundary,
  DECODE_rootWithPrefixes,
  HANDLER_illegal,
  HANDLER_undecoded,
  MSR_LE,
  N_prefixed,
  S_decodeRoot,
  S_msr,
  S_nextPrefixed,
  S_pc,
  S_prefixed,
  S_steppedSuffix,
} from "./layout.generated";
import { hostOf } from "../../../../engine/runtime/slots.as";
import { physical, translate } from "../../mmu/translate.as";
import { handlerFrom } from "./decode-table.as";
import { codeHost } from "../../../../engine/runtime/regions.as";

/** A place: prefix, suffix, the entry's address, nothing. The first is for one instruction that has no entry of its own. */
const PLACE_SIZE = 16;
const PLACES = N_prefixed / 4;

/** Primary opcode 1. */
const PREFIX = 1;

// @ts-ignore: decorator
@inline
export function isPrefix(word: u32): bool {
  return word >>> 26 == PREFIX;
}

/** A prefix at this address would have its suffix on the other side. */
export function crossesBoundary(address: u64): bool {
  return (address & (DECODE_boundary - 1)) == DECODE_boundary - 4;
}

function takePlace(s: i32): i32 {
  const next = load<i32>(s, S_nextPrefixed) + 1;
  const number = next < PLACES ? next : 1;
  store<i32>(s, number, S_nextPrefixed);
  const place = s + S_prefixed + number * PLACE_SIZE;
  const owner = load<i32>(place, 8);
  if (owner && load<i32>(owner, 4) == place) store<i32>(owner, HANDLER_undecoded);
  return place;
}

/** What an entry holds of a prefix and the word behind it, which is looked up from `root`; `filled` is as decodeAt's. */
export function decodePair(s: i32, filled: i32, prefix: u32, suffix: u32, root: i32): u64 {
  const handler = handlerFrom(root, suffix);
  if (handler == HANDLER_illegal) return ((<u64>prefix) << 32) | HANDLER_illegal;
  const place = filled ? takePlace(s) : s + S_prefixed;
  store<u32>(place, prefix);
  store<u32>(place, suffix, 4);
  store<i32>(place, filled, 8);
  return ((<u64>place) << 32) | <u64>handler;
}

/** The word of the instruction that an entry stands for, of two the first: the second goes to the state. */
export function firstWord(s: i32, entry: i32): i32 {
  const word = load<i32>(entry, 4);
  const places = s + S_prefixed;
  const inPlaces = <u32>(word - places) < <u32>(PLACES * PLACE_SIZE) && ((word - places) & (PLACE_SIZE - 1)) == 0;
  if (!inPlaces || load<i32>(word, 8) != entry) {
    store<i32>(s, 0, S_steppedSuffix);
    return word;
  }
  store<i32>(s, load<i32>(word, 4), S_steppedSuffix);
  return load<i32>(word);
}

/** The word at pc, which has just been fetched; 0 if it is gone. */
export function wordAtPc(s: i32): u32 {
  let host = codeHost(s);
  if (host == 0) {
    if (translate(s, load<u64>(s, S_pc), ACCESS_fetch) != 0 || physical >= load<u64>(ARCH_ramLimit)) return 0;
    host = hostOf(physical);
    if (host == 0) return 0;
  }
  const word = load<u32>(host);
  return load<u64>(s, S_msr) & MSR_LE ? word : bswap(word);
}

/** SRR1: the instruction is prefixed; it would cross a boundary. */
export const SRR1_PREFIXED: u64 = 0x20000000;
export const SRR1_BOUNDARY: u64 = 0x10000000;

/** What SRR1 is told of the instruction at pc, which raises an interrupt. */
export function prefixedHere(s: i32): u64 {
  // Processors without prefixes know no instruction with this opcode.
  if (load<i32>(s, S_decodeRoot) != DECODE_rootWithPrefixes) return 0;
  return isPrefix(wordAtPc(s)) ? SRR1_PREFIXED : 0;
}
