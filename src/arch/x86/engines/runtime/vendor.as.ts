/** Whose processor the guest has, where instructions differ by it. */
import { cpuidEntry } from "./cpuid-entry.as";

/** The first word of "GenuineIntel", and of "AuthenticAMD". */
const INTEL: u32 = 0x756e6547;
const AMD: u32 = 0x68747541;

/** Without CPUID it is nobody's, and has all instructions. */
function isOf(s: i32, name: u32): bool {
  const first = cpuidEntry(s, 0, 0);
  return first != 0 && load<u32>(first, 16) == name;
}

export function isIntel(s: i32): bool {
  return isOf(s, INTEL);
}

export function isAmd(s: i32): bool {
  return isOf(s, AMD);
}
