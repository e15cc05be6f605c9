/** RFLAGS as a whole: the arithmetic flags are kept as values (isa/machine.ts tells which). */
import {
  RFLAGS_always,
  RFLAGS_interrupt,
  RFLAGS_nestedTask,
  RFLAGS_resume,
  RFLAGS_trap,
  RFLAGS_virtual8086,
  S_adjust,
  S_carry,
  S_overflow,
  S_sign,
  S_systemFlags,
  S_zero,
} from "../engines/runtime/layout.generated";

const ARITHMETIC: u64 = 0x8d5;

export function flagsOf(s: i32): u64 {
  const sign = load<i64>(s, S_sign);
  let flags = load<u64>(s, S_systemFlags) | RFLAGS_always;
  flags |= <u64>load<u32>(s, S_carry) & 1;
  if (!(popcnt<i64>(sign & 0xff) & 1)) flags |= 4;
  flags |= <u64>load<u32>(s, S_adjust) & 16;
  if (load<i64>(s, S_zero) == 0) flags |= 64;
  if (sign < 0) flags |= 128;
  if (load<i64>(s, S_overflow) < 0) flags |= 2048;
  return flags;
}

export function setFlags(s: i32, flags: u64): void {
  store<i64>(s, (flags >> 6) & 1 ? 0 : 1, S_zero);
  store<u64>(s, ((flags & 128) << 56) | ((flags >> 2) & 1 ? 0 : 1), S_sign);
  store<u64>(s, (flags & 2048) << 52, S_overflow);
  store<i32>(s, <i32>flags & 1, S_carry);
  store<i32>(s, <i32>flags & 16, S_adjust);
  store<u64>(s, (flags & ~ARITHMETIC) | RFLAGS_always, S_systemFlags);
}

/** RFLAGS as a gate's handler begins with them; `masks`: it is an interrupt gate. */
export function setHandlerFlags(s: i32, flags: u64, masks: bool): void {
  let gone: u64 = RFLAGS_trap | RFLAGS_nestedTask | RFLAGS_resume | RFLAGS_virtual8086;
  if (masks) gone |= RFLAGS_interrupt;
  setFlags(s, flags & ~gone);
}
