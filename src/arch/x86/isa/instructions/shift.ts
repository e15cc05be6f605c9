/** Shifts and rotations. */
import { insn } from "../insn.js";

/** Rotate left. */
export const rol = insn("rol", [
  "D0|D1 /0  dst:rm, count:one",
  "D2|D3 /0  dst:rm, count:c8",
  "C0|C1 /0  dst:rm, count:u8",
]);
/** Rotate right. */
export const ror = insn("ror", [
  "D0|D1 /1  dst:rm, count:one",
  "D2|D3 /1  dst:rm, count:c8",
  "C0|C1 /1  dst:rm, count:u8",
]);
/** Rotate left through carry. */
export const rcl = insn("rcl", [
  "D0|D1 /2  dst:rm, count:one",
  "D2|D3 /2  dst:rm, count:c8",
  "C0|C1 /2  dst:rm, count:u8",
]);
/** Rotate right through carry. */
export const rcr = insn("rcr", [
  "D0|D1 /3  dst:rm, count:one",
  "D2|D3 /3  dst:rm, count:c8",
  "C0|C1 /3  dst:rm, count:u8",
]);
/** Shift left; SAL is the same. */
export const shl = insn("shl", [
  "D0|D1 /4  dst:rm, count:one",
  "D2|D3 /4  dst:rm, count:c8",
  "C0|C1 /4  dst:rm, count:u8",
  "D0|D1 /6  dst:rm, count:one",
  "D2|D3 /6  dst:rm, count:c8",
  "C0|C1 /6  dst:rm, count:u8",
]);
/** Shift logical right. */
export const shr = insn("shr", [
  "D0|D1 /5  dst:rm, count:one",
  "D2|D3 /5  dst:rm, count:c8",
  "C0|C1 /5  dst:rm, count:u8",
]);
/** Shift arithmetic right. */
export const sar = insn("sar", [
  "D0|D1 /7  dst:rm, count:one",
  "D2|D3 /7  dst:rm, count:c8",
  "C0|C1 /7  dst:rm, count:u8",
]);

/** Double Precision Shift Left. */
export const shld = insn("shld", ["0F A4 /r  dst:rm, src:r, count:u8", "0F A5 /r  dst:rm, src:r, count:c8"]);
/** Double Precision Shift Right. */
export const shrd = insn("shrd", ["0F AC /r  dst:rm, src:r, count:u8", "0F AD /r  dst:rm, src:r, count:c8"]);

export const shiftInstructions = [rol, ror, rcl, rcr, shl, shr, sar, shld, shrd];
