/**
 * The Come-From Address Register. Few look at it, and branches are many, so a taken branch leaves no more than the
 * address of its decoded entry, and CFAR is made of that when someone looks (docs/decisions/0008).
 * Source: Power ISA v3.0B, Book III "Come-From Address Register".
 */
import { CODE_effective, CODE_size, S_branchEntry, S_cfar, S_pc, VCPU_code } from "./layout.generated";

/** Brings CFAR up to date. */
export function settleComeFrom(s: i32): void {
  const entry = load<i32>(s, S_branchEntry);
  if (entry == 0) return;
  const inPage = <u32>(entry - (s + VCPU_code)) % CODE_size;
  store<u64>(s, load<u64>(entry - inPage, CODE_effective) + (inPage >> 1), S_cfar);
  store<i32>(s, 0, S_branchEntry);
}

export function comeFrom(s: i32): i64 {
  settleComeFrom(s);
  return load<i64>(s, S_cfar);
}

export function setComeFrom(s: i32, value: i64): void {
  store<i64>(s, value, S_cfar);
  store<i32>(s, 0, S_branchEntry);
}

/** An instruction of which the processor keeps the address as if it were a branch. `pc` is at it. */
export function comeFromHere(s: i32): void {
  setComeFrom(s, load<i64>(s, S_pc));
}
