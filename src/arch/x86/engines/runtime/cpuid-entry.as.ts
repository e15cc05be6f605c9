/** Entries of CPUID, as who uses KVM has set them. */
import { S_cpuid, S_cpuidCount } from "./layout.generated";

/** The index counts. */
const SIGNIFICANT = 1;

/** Entry of CPUID for a leaf; 0 if there is none. */
export function cpuidEntry(s: i32, leaf: u32, index: u32): i32 {
  const count = load<i32>(s, S_cpuidCount);
  for (let i = 0; i < count; i++) {
    const entry = s + S_cpuid + 28 * i;
    if (load<u32>(entry) != leaf) continue;
    if (load<i32>(entry, 8) & SIGNIFICANT && load<u32>(entry, 4) != index) continue;
    return entry;
  }
  return 0;
}
