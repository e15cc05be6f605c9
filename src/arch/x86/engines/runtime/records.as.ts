/**
 * Records of operands, which decoded entries name. Each is there once, however many instructions have the same operands, and
 * never changes; they are found by a hash of what is in them. When too many are there, all decoded code is dropped at the next
 * look at requests, and with it whoever names one.
 */
import {
  POOL_entries,
  POOL_full,
  POOL_hashed,
  POOL_size,
  REQUEST_flushCode,
  S_recheck,
  S_recordCount,
  S_requests,
  VCPU_own,
} from "./layout.generated";

const NUMBERS = VCPU_own + POOL_entries * POOL_size;

/** Where a record is put together, to be looked for: the one that the next new record becomes. */
// @ts-ignore: decorator
@inline
export function scratch(s: i32): i32 {
  const record = s + VCPU_own + load<i32>(s, S_recordCount) * POOL_size;
  store<u64>(record, 0, 24);
  return record;
}

/** Address of the record that is like the one in `scratch`. */
export function recordFor(s: i32): i32 {
  const count = load<i32>(s, S_recordCount);
  const record = s + VCPU_own + count * POOL_size;
  const a = load<u64>(record);
  const b = load<u64>(record, 8);
  const c = load<u64>(record, 16);
  const d = load<u64>(record, 24);
  let hash = (a ^ rotl<u64>(b, 17) ^ rotl<u64>(c, 31) ^ rotl<u64>(d, 47)) * 0x9e3779b97f4a7c15;
  let slot = <i32>(hash >> 40) & (POOL_hashed - 1);
  for (;;) {
    const at = s + NUMBERS + slot * 4;
    const number = load<i32>(at);
    if (number == 0) {
      store<i32>(at, count + 1);
      break;
    }
    const known = s + VCPU_own + (number - 1) * POOL_size;
    if (load<u64>(known) == a && load<u64>(known, 8) == b && load<u64>(known, 16) == c && load<u64>(known, 24) == d) {
      return known;
    }
    slot = (slot + 1) & (POOL_hashed - 1);
  }
  // The last one is never used up: what is decoded before requests are looked at is no more than a page.
  if (count + 2 < POOL_entries) store<i32>(s, count + 1, S_recordCount);
  if (count >= POOL_full) {
    atomic.or<i32>(s + S_requests, REQUEST_flushCode);
    store<i32>(s, 1, S_recheck);
  }
  return record;
}

/** All decoded code is gone: nobody names a record. */
export function forgetRecords(s: i32): void {
  store<i32>(s, 0, S_recordCount);
  memory.fill(s + NUMBERS, 0, POOL_hashed * 4);
}
