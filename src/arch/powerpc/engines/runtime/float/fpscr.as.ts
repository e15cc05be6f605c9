/**
 * FPSCR: its bits, and how one instruction's exceptions enter it.
 * Source: Power ISA v3.0B, Book I "Floating-Point Status and Control Register" and "Floating-Point Exceptions".
 *
 * An operation leaves what it found in `exceptions` and `rounding`, module variables that carry second results from
 * callee to caller and are dead between instructions. The committing routine of the instruction's kind then merges
 * them. What the instruction itself must do about an enabled exception goes to the state's `floatOutcome`.
 */
import {
  FPSCR_CONTROL,
  FPSCR_FEX,
  FPSCR_FI,
  FPSCR_FPCC,
  FPSCR_FPRF,
  FPSCR_FR,
  FPSCR_FX,
  FPSCR_OE,
  FPSCR_OX,
  FPSCR_UE,
  FPSCR_UX,
  FPSCR_VE,
  FPSCR_VX,
  FPSCR_VXCVI,
  FPSCR_VXIDI,
  FPSCR_VXIMZ,
  FPSCR_VXISI,
  FPSCR_VXSNAN,
  FPSCR_VXSQRT,
  FPSCR_VXVC,
  FPSCR_VXZDZ,
  FPSCR_VX_CAUSES,
  FPSCR_XE,
  FPSCR_XX,
  FPSCR_ZE,
  FPSCR_ZX,
  S_floatOutcome,
  S_fpscr,
  S_msr,
} from "../layout.generated";

export const FX: u32 = <u32>FPSCR_FX;
export const FEX: u32 = <u32>FPSCR_FEX;
export const VX: u32 = <u32>FPSCR_VX;
export const OX: u32 = <u32>FPSCR_OX;
export const UX: u32 = <u32>FPSCR_UX;
export const ZX: u32 = <u32>FPSCR_ZX;
export const XX: u32 = <u32>FPSCR_XX;
export const VXSNAN: u32 = <u32>FPSCR_VXSNAN;
export const VXISI: u32 = <u32>FPSCR_VXISI;
export const VXIDI: u32 = <u32>FPSCR_VXIDI;
export const VXZDZ: u32 = <u32>FPSCR_VXZDZ;
export const VXIMZ: u32 = <u32>FPSCR_VXIMZ;
export const VXVC: u32 = <u32>FPSCR_VXVC;
export const FR: u32 = <u32>FPSCR_FR;
export const FI: u32 = <u32>FPSCR_FI;
export const FPRF: u32 = <u32>FPSCR_FPRF;
export const FPCC: u32 = <u32>FPSCR_FPCC;
export const VXSQRT: u32 = <u32>FPSCR_VXSQRT;
export const VXCVI: u32 = <u32>FPSCR_VXCVI;
export const VE: u32 = <u32>FPSCR_VE;
export const OE: u32 = <u32>FPSCR_OE;
export const UE: u32 = <u32>FPSCR_UE;
export const ZE: u32 = <u32>FPSCR_ZE;
export const XE: u32 = <u32>FPSCR_XE;
/** VE OE UE ZE XE NI RN: zero when rounding is to nearest and nothing is enabled. */
export const CONTROL: u32 = <u32>FPSCR_CONTROL;
/** Every cause of VX. */
export const VX_CAUSES: u32 = <u32>FPSCR_VX_CAUSES;

/** FPRF codes, in place. */
export const CLASS_QNAN: u32 = 0x11000;
export const CLASS_POSITIVE_ZERO: u32 = 0x02000;
export const CLASS_NEGATIVE_ZERO: u32 = 0x12000;

/** MSR[FE0|FE1]. */
const MSR_FE: u64 = 0x900;

/** Bits of `floatOutcome`. */
const OUTCOME_SUPPRESS: u32 = 1;
const OUTCOME_TRAP: u32 = 2;

/** Exception bits the operation found (OX UX ZX XX and the causes of VX). */
export let exceptions: u32 = 0;
/** FR and FI of the operation. */
export let rounding: u32 = 0;

export function setExceptions(bits: u32): void {
  exceptions = bits;
}
export function addExceptions(bits: u32): void {
  exceptions |= bits;
}
export function setRounding(bits: u32): void {
  rounding = bits;
}

/** VX and FEX from the bits that they summarise. */
export function summarise(fpscr: u32): u32 {
  fpscr &= ~(VX | FEX);
  if (fpscr & VX_CAUSES) fpscr |= VX;
  // VX OX UX ZX XX stand in the order of VE OE UE ZE XE, 22 bits higher.
  if ((fpscr >> 22) & fpscr & 0xf8) fpscr |= FEX;
  return fpscr;
}

/** Stores FPSCR's low word after exceptions `raised`, and says what the instruction must do about enabled ones. */
function settle(s: i32, before: u32, after: u32, raised: u32, suppress: bool): void {
  if (raised & ~before) after |= FX;
  after = summarise(after | raised);
  store<u32>(s + S_fpscr, after);
  // Only an exception of this instruction interrupts, though FEX stays with the sticky bits.
  let causes = raised;
  if (raised & VX_CAUSES) causes |= VX;
  let outcome: u32 = suppress ? OUTCOME_SUPPRESS : 0;
  if (((causes >> 22) & after & 0xf8) != 0 && (load<u64>(s + S_msr) & MSR_FE) != 0) outcome |= OUTCOME_TRAP;
  if (outcome) store<u32>(s + S_floatOutcome, outcome);
}

/** A scalar operation with a result of class `fprf`: an enabled invalid operation or zero divide keeps the target. */
export function commitScalar(s: i32, fprf: u32): void {
  const before = load<u32>(s + S_fpscr);
  const raised = exceptions;
  const suppress = ((raised & VX_CAUSES) != 0 && (before & VE) != 0) || ((raised & ZX) != 0 && (before & ZE) != 0);
  let after = before & ~(FR | FI);
  if (!suppress) after = (after & ~FPRF) | fprf;
  if (!(raised & (VX_CAUSES | ZX))) after |= rounding;
  settle(s, before, after, raised, suppress);
}

/** commitScalar without delay where nothing is enabled and nothing was found but perhaps inexactness. */
// @ts-ignore: decorator
@inline
export function commitResult(s: i32, fpscr: u32, fprf: u32): void {
  const raised = exceptions;
  if (((fpscr & CONTROL) | (raised & ~XX)) != 0) {
    commitScalar(s, fprf);
    return;
  }
  let after = (fpscr & ~(FR | FI | FPRF)) | fprf | rounding;
  if ((raised & ~fpscr) != 0) after |= XX | FX;
  store<u32>(s + S_fpscr, after);
}

/** A vector operation: FPRF, FR and FI stay, any enabled exception in any element keeps the whole target. */
export function commitVector(s: i32): void {
  const raised = exceptions;
  const before = load<u32>(s + S_fpscr);
  if ((raised & ~before) == 0 && (before & CONTROL) == 0) return;
  let causes = raised;
  if (raised & VX_CAUSES) causes |= VX;
  settle(s, before, before, raised, ((causes >> 22) & before & 0xf8) != 0);
}

/** A comparison: `fpcc` is the CR field. The result is delivered even when an invalid operation is enabled. */
export function commitCompare(s: i32, fpcc: u32): void {
  const before = load<u32>(s + S_fpscr);
  settle(s, before, (before & ~FPCC) | (fpcc << 12), exceptions, false);
}

/** Reads and clears what the last operation asked for: 1 keep the target, 2 interrupt after it. */
export function floatTakeOutcome(s: i32): i32 {
  const outcome = load<i32>(s + S_floatOutcome);
  store<i32>(s + S_floatOutcome, 0);
  return outcome;
}

function writeBits(s: i32, value: u64, mask: u64): void {
  // DRN, and of the low word all but FEX, VX and the reserved bit.
  const writable: u64 = 0x700000000 | <u64>~(FEX | VX | <u32>0x800);
  const m = mask & writable;
  const word = (load<u64>(s + S_fpscr) & ~m) | (value & m);
  store<u64>(s + S_fpscr, (word & 0xffffffff00000000) | <u64>summarise(<u32>word));
}

/**
 * mtfsf, mtfsfi, mtfsb0: the bits of FPSCR in `mask` become those of `value`; VX and FEX follow, FX is only as written.
 * Interrupts (through floatOutcome) if an enabled exception then stands.
 */
export function fpscrWrite(s: i32, value: i64, mask: i64): void {
  writeBits(s, value, mask);
  if ((load<u32>(s + S_fpscr) & FEX) != 0 && (load<u64>(s + S_msr) & MSR_FE) != 0) {
    store<u32>(s + S_floatOutcome, OUTCOME_TRAP);
  }
}

/** mtfsb1: as a write of one bit, but an exception bit that becomes 1 sets FX too. */
export function fpscrSetBit(s: i32, bit: i32): void {
  let one: u32 = (<u32>1) << (31 - bit);
  if (one & (OX | UX | ZX | XX | VX_CAUSES) & ~load<u32>(s + S_fpscr)) one |= FX;
  fpscrWrite(s, one, one);
}

/** mcrfs: the field's exception bits, FX among them, are cleared once copied. */
export function fpscrClearField(s: i32, field: i32): void {
  const clearable: u32 = FX | OX | UX | ZX | XX | VX_CAUSES;
  writeBits(s, 0, <u64>(clearable & (<u32>0xf0000000 >> (field << 2))));
}

/** FPSCR; whoever calls has had it settled (pending.as.ts). */
export function fpscrRead(s: i32): i64 {
  return load<i64>(s + S_fpscr);
}

/** FPCC, of a comparison that found nothing else. */
export function setFpcc(s: i32, fpcc: u32): void {
  store<u32>(s + S_fpscr, (load<u32>(s + S_fpscr) & ~FPCC) | (fpcc << 12));
}
