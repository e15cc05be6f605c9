/** The jump cache: when what it holds counts. Regions look in it and fill it (engine/translate/linkage.ts). */
import {
  JUMPCACHE_entries,
  JUMPCACHE_entrySize,
  JUMPCACHE_generation,
  JUMPCACHE_kind,
  S_fetchAsid,
  S_jumpContext,
  S_jumpGeneration,
  S_jumpPages,
  N_jumpPages,
  TLB_pageShift,
  VCPU_jumpCache,
} from "./layout.target";

const PAGES = N_jumpPages * 8;

/** The translation of a page is gone. Of most nothing is in the jump cache: those of data. */
export function forgetJumpsTo(s: i32, ea: u64): void {
  if (load<u8>(s + S_jumpPages + (<i32>(ea >> TLB_pageShift) & (PAGES - 1)))) forgetJumps(s);
}

/** After fetchAsid or the kind of code may have changed. */
// @ts-ignore: decorator
@inline
export function deriveJumpContext(s: i32, kind: i32): void {
  store<i32>(
    s,
    load<i32>(s, S_jumpGeneration) | <i32>load<i64>(s, S_fetchAsid) | (kind * JUMPCACHE_kind),
    S_jumpContext,
  );
}

/** A translation, a region or the entry that leads to it is gone, or an asid will stand for another context. */
export function forgetJumps(s: i32): void {
  const generation = load<i32>(s, S_jumpGeneration) + JUMPCACHE_generation;
  store<i32>(s, generation, S_jumpGeneration);
  memory.fill(s + S_jumpPages, 0, PAGES);
  // It has come round to the beginning.
  if (generation == 0) memory.fill(s + VCPU_jumpCache, 0, JUMPCACHE_entries * JUMPCACHE_entrySize);
  store<i32>(s, generation | (load<i32>(s, S_jumpContext) & (JUMPCACHE_generation - 1)), S_jumpContext);
}
