/** Which of SSE's, x87's and MMX's instructions may run. Source: Intel SDM, volume 3, "System Programming For x87 And SSE". */
import {
  CR0_emulation,
  CR0_taskSwitched,
  CR4_fxsr,
  CR4_osxsave,
  S_avxBlocked,
  S_control,
  S_floatBlocked,
  S_mmxBlocked,
  S_sseBlocked,
  S_xcr0,
  VECTOR_deviceNotAvailable,
  VECTOR_invalidOpcode,
} from "../layout.generated";
import { hasPlainSegments } from "../../../mmu/mode.as";

/** Renews what follows from CR0, CR4, XCR0 and RFLAGS.VM. */
export function deriveFloat(s: i32): void {
  const c0 = load<u64>(s, S_control);
  const c4 = load<u64>(s, S_control + 32);
  const switched = (c0 & CR0_taskSwitched) != 0;
  const emulated = (c0 & CR0_emulation) != 0;
  const device = 1 + VECTOR_deviceNotAvailable;
  const invalid = 1 + VECTOR_invalidOpcode;
  store<i32>(s, emulated || !(c4 & CR4_fxsr) ? invalid : switched ? device : 0, S_sseBlocked);
  // In real mode and virtual-8086 mode there is no VEX.
  const wide = (c4 & CR4_osxsave) != 0 && (load<u64>(s, S_xcr0) & 6) == 6 && !hasPlainSegments(s);
  store<i32>(s, !wide ? invalid : switched ? device : 0, S_avxBlocked);
  store<i32>(s, emulated || switched ? device : 0, S_floatBlocked);
  store<i32>(s, emulated ? invalid : switched ? device : 0, S_mmxBlocked);
}
