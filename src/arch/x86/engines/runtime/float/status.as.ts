/** The x87's words of control, status and tags. Source: Intel SDM, volume 1, "x87 FPU Execution Environment". */
import {
  FCW_initial,
  FCW_reserved,
  FLOAT_exceptions,
  FSW_busy,
  FSW_summary,
  S_floatControl,
  S_floatData,
  S_floatInstruction,
  S_floatOpcode,
  S_floatRegister,
  S_floatStatus,
  S_floatTags,
} from "../layout.generated";
import { floatReady, floatThere, mmxReady } from "./facility.as";

/** Renews what follows from others: bit 6 of the control word is set, and an exception that is not masked waits. */
export function settle(s: i32): void {
  const control = (load<i32>(s, S_floatControl) & 0x1f3f) | FCW_reserved;
  store<i32>(s, control, S_floatControl);
  let status = load<i32>(s, S_floatStatus) & ~(FSW_summary | FSW_busy);
  if (status & ~control & FLOAT_exceptions) status |= FSW_summary | FSW_busy;
  store<i32>(s, status, S_floatStatus);
}

/** FNINIT, which leaves the registers' contents. */
export function initializeFloat(s: i32): void {
  if (floatThere(s)) initializeWords(s);
}

/** All of it, as XRSTOR has it begin. */
export function initializeState(s: i32): void {
  initializeWords(s);
  memory.fill(s + S_floatRegister, 0, 128);
}

function initializeWords(s: i32): void {
  store<i32>(s, FCW_initial, S_floatControl);
  store<i32>(s, 0, S_floatStatus);
  store<i32>(s, 0, S_floatTags);
  store<i64>(s, 0, S_floatInstruction);
  store<i64>(s, 0, S_floatData);
  store<i32>(s, 0, S_floatOpcode);
}

export function clearFloatExceptions(s: i32): void {
  if (!floatThere(s)) return;
  // Those, the stack's fault, and that one waits.
  store<i32>(s, load<i32>(s, S_floatStatus) & 0x7f00, S_floatStatus);
}

/** EMMS: the registers are empty, and the top is the first. Source: Intel SDM, volume 3, "Effect of MMX Instructions on the X87 State". */
export function emptyFloat(s: i32): void {
  if (!mmxReady(s)) return;
  store<i32>(s, 0, S_floatTags);
  store<i32>(s, load<i32>(s, S_floatStatus) & ~0x3800, S_floatStatus);
}

export function floatStatus(s: i32): i64 {
  return floatThere(s) ? <i64>load<i32>(s, S_floatStatus) : 0;
}

export function floatControl(s: i32): i64 {
  return floatThere(s) ? <i64>load<i32>(s, S_floatControl) : 0;
}

/** FLDCW is ready. */
export function beginFloat(s: i32): void {
  floatReady(s);
}

export function loadFloatControl(s: i32, value: i64): void {
  store<i32>(s, <i32>value, S_floatControl);
  settle(s);
}
