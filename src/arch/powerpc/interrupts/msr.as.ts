/**
 * The Machine State Register: its bits, what is derived from it, and how a program may change it.
 * Source: Power ISA v3.0B, Book III "Machine State Register", "Move To Machine State Register".
 */
import { codeMapOf } from "../../../engine/runtime/code-pages.as";
import { deriveJumpContext } from "../../../engine/runtime/jump-cache.as";
import { deriveContexts } from "../mmu/context.as";
import {
  ARCH_radix,
  FACILITY_float,
  FACILITY_vector,
  FACILITY_vsx,
  MSR_BE,
  MSR_DR,
  MSR_EE,
  MSR_FE0,
  MSR_FE1,
  MSR_FP,
  MSR_HV,
  MSR_IR,
  MSR_LE,
  MSR_ME,
  MSR_PMM,
  MSR_PR,
  MSR_RI,
  MSR_SE,
  MSR_SF,
  MSR_VEC,
  MSR_VSX,
  S_codeMap,
  S_decPending,
  S_doorbellPending,
  S_externalPending,
  S_facilities,
  S_hashContext,
  S_mode,
  S_msr,
  S_recheck,
  S_requests,
} from "../engines/runtime/layout.generated";

/** Bits that exist for a guest of POWER9 without transactional memory; the others stay 0. */
export const MSR_VALID: u64 =
  MSR_SF |
  MSR_VEC |
  MSR_VSX |
  MSR_EE |
  MSR_PR |
  MSR_FP |
  MSR_ME |
  MSR_FE0 |
  MSR_SE |
  MSR_BE |
  MSR_FE1 |
  MSR_IR |
  MSR_DR |
  MSR_PMM |
  MSR_RI |
  MSR_LE;

/** Bits that something else in the state derives from. */
const DERIVED: u64 = MSR_SF | MSR_LE | MSR_PR | MSR_IR | MSR_DR | MSR_FP | MSR_VEC | MSR_VSX | MSR_SE | MSR_BE;

/** A facility's bit, if MSR has it on. */
// @ts-ignore: decorator
@inline
function facility(msr: u64, bit: u64, number: i32): i32 {
  return (<i32>(msr >> ctz(bit)) & 1) << number;
}

/** Renews all that derives from MSR and the registers of translation: mode, facilities, soft-TLB contexts, code map. */
export function derive(s: i32): void {
  const msr = load<u64>(s, S_msr);
  const littleEndian = <i32>msr & 1;
  const traced = <i32>((msr & (MSR_SE | MSR_BE)) != 0);
  store<i32>(s, littleEndian | ((<i32>(msr >> 63)) << 1) | (traced << 2), S_mode);
  store<i32>(
    s,
    facility(msr, MSR_FP, FACILITY_float) |
      facility(msr, MSR_VEC, FACILITY_vector) |
      facility(msr, MSR_VSX, FACILITY_vsx),
    S_facilities,
  );
  store<i32>(s, codeMapOf(s, littleEndian ^ 1), S_codeMap);
  deriveContexts(s, msr);
  deriveJumpContext(s, littleEndian ^ 1);
}

/** If an interrupt could be taken now, or someone asks for something, the engine is to look before it goes on. */
export function recheckIfPending(s: i32, msr: u64): void {
  if (
    msr & MSR_EE &&
    load<i32>(s, S_decPending) |
      load<i32>(s, S_externalPending) |
      load<i32>(s, S_doorbellPending) |
      load<i32>(s, S_requests)
  ) {
    store<i32>(s, 1, S_recheck);
  }
}

/** Makes `msr`, of which nothing is to be checked, the MSR. */
export function replaceMsr(s: i32, msr: u64): void {
  const changed = load<u64>(s, S_msr) ^ msr;
  store<u64>(s, msr, S_msr);
  if (changed & DERIVED) derive(s);
}

/** Problem state cannot be without translation and external interrupts. */
export function withProblemState(msr: u64): u64 {
  return msr & MSR_PR ? msr | MSR_EE | MSR_IR | MSR_DR : msr;
}

/** mtmsr, mtmsrd: HV, ME and LE stay as they are. */
export function setMsr(s: i32, value: i64): void {
  const kept: u64 = MSR_HV | MSR_ME | MSR_LE;
  const msr = withProblemState((<u64>value & MSR_VALID & ~kept) | (load<u64>(s, S_msr) & kept));
  replaceMsr(s, msr);
  recheckIfPending(s, msr);
}

/** A register that translation or facilities depend on was written (PID, AMR, IAMR, LPCR...). */
export function contextChanged(s: i32): void {
  if (!load<i32>(ARCH_radix)) store<i32>(s, load<i32>(s, S_hashContext) + 1, S_hashContext);
  derive(s);
}
