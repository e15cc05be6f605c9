/** Repeated string instructions: many elements at once, where nothing can come in between that a guest would see. */
import {
  MODE_alone,
  RFLAGS_direction,
  S_asid,
  S_mode,
  S_systemFlags,
  S_tlb,
  TLB_addend,
  TLB_readTag,
  TLB_writeTag,
} from "../engines/runtime/layout.generated";
import { SHARED_HINT } from "../../../engine/runtime/shared-hint.as";
import { entryFor, PAGE_MASK } from "../../../engine/runtime/tlb.as";

/** Host address of what the soft TLB has; 0: it has not, or somebody wants to know of each access. */
export function hostOf(s: i32, at: u64, tag: i32): i32 {
  const entry = entryFor(load<i32>(s, S_tlb), at);
  if (load<u64>(entry + tag) != ((at & ~PAGE_MASK) | load<u64>(s, S_asid))) return 0;
  return load<i32>(entry, TLB_addend) + <i32>at;
}

/** Elements of so many bytes from here to the page's end, `count` at most. */
function elements(at: u64, count: u64, size: i32): u64 {
  const room = (PAGE_MASK + 1 - (at & PAGE_MASK)) / size;
  return count < room ? count : room;
}

/** Whether one after the other is what the guest is to see. */
function oneByOne(s: i32): bool {
  return (load<i32>(s, S_mode) & MODE_alone) != 0 || (load<u64>(s, S_systemFlags) & RFLAGS_direction) != 0;
}

/** Copies up to `count` elements upwards, of one page to one page; how many, perhaps none. */
export function copyElements(s: i32, from: u64, to: u64, count: u64, size: i32): u64 {
  if (oneByOne(s)) return 0;
  const source = hostOf(s, from, TLB_readTag);
  const target = hostOf(s, to, TLB_writeTag);
  if (source == 0 || target == 0) return 0;
  let many = elements(to, elements(from, count, size), size);
  const ahead = <u32>(target - source);
  // What is written is read again: no more than what is there already.
  if (target > source && many * size > ahead) many = ahead / size;
  memory.copy(target, source, <i32>many * size);
  return many;
}

/** Fills up to `count` elements upwards, of one page; how many, perhaps none. */
export function fillElements(s: i32, to: u64, value: u64, count: u64, size: i32): u64 {
  if (oneByOne(s)) return 0;
  const target = hostOf(s, to, TLB_writeTag);
  if (target == 0) return 0;
  const many = elements(to, count, size);
  const bytes = <i32>many * size;
  if (bytes == 0) return 0;
  const byte = value & 0xff;
  const same = byte * 0x0101010101010101;
  const mask = size == 8 ? -1 : ((<u64>1) << (8 * size)) - 1;
  if ((value & mask) == (same & mask)) {
    memory.fill(target, <u8>byte, bytes);
    return many;
  }
  if (size == 8) store<u64>(target, value, 0, SHARED_HINT);
  else if (size == 4) store<u32>(target, value, 0, SHARED_HINT);
  else store<u16>(target, value, 0, SHARED_HINT);
  for (let done = size; done < bytes; done += done)
    memory.copy(target + done, target, done < bytes - done ? done : bytes - done);
  return many;
}
