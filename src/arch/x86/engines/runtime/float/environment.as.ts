/** The x87's environment and its state in memory: FNSTENV, FLDENV, FNSAVE, FRSTOR. Source: Intel SDM, volume 1, "Saving the x87 FPU's State". */
import {
  CR0_protection,
  FLOAT_exceptions,
  S_control,
  S_fault,
  S_floatControl,
  S_floatData,
  S_floatImage,
  S_floatInstruction,
  S_floatOpcode,
  S_floatRegister,
  S_floatStatus,
  S_floatTags,
} from "../layout.generated";
import { loadSlow, storeSlow } from "../../../../../engine/runtime/access.as";
import { denormal, take } from "./extended.as";
import { floatReady, floatThere } from "./facility.as";
import { FINITE, ZERO } from "./numbers.as";
import { initializeFloat, settle } from "./status.as";
import { register } from "./x87.as";

// What each register's two bits say.
const VALID = 0;
const NOTHING = 1;
const SPECIAL = 2;
const EMPTY = 3;

/** Tags of two bits, of the registers where they are. */
function fullTags(s: i32): i32 {
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    const at = s + S_floatRegister + 16 * i;
    const significand = load<u64>(at);
    let tag = VALID;
    if (!((load<i32>(s, S_floatTags) >> i) & 1)) tag = EMPTY;
    else {
      const kind = take(significand, load<u16>(at, 8));
      if (kind == ZERO) tag = NOTHING;
      else if (kind != FINITE || denormal) tag = SPECIAL;
    }
    tags |= tag << (2 * i);
  }
  return tags;
}

function isProtected(s: i32): bool {
  return (load<u64>(s, S_control) & CR0_protection) != 0;
}

/** Seven words of the operand size, for memory. */
function makeEnvironment(s: i32, bytes: i32): void {
  const image = s + S_floatImage;
  const instruction = <u32>load<u64>(s, S_floatInstruction);
  const data = <u32>load<u64>(s, S_floatData);
  const opcode = <u32>load<i32>(s, S_floatOpcode);
  // What the upper halves have where only the lower ones count.
  const above: u32 = 0xffff0000;
  store<u32>(image, above | load<i32>(s, S_floatControl));
  store<u32>(image, above | load<i32>(s, S_floatStatus), 4);
  store<u32>(image, above | fullTags(s), 8);
  if (isProtected(s)) {
    store<u32>(image, instruction, 12);
    store<u32>(image, opcode << 16, 16);
    store<u32>(image, data, 20);
    store<u32>(image, above, 24);
  } else {
    store<u32>(image, above | (instruction & 0xffff), 12);
    store<u32>(image, ((instruction >> 16) << 12) | opcode, 16);
    store<u32>(image, above | (data & 0xffff), 20);
    store<u32>(image, (data >> 16) << 12, 24);
  }
  if (bytes == 4) return;
  for (let i = 0; i < 7; i++) store<u16>(image + 28 + 2 * i, load<u16>(image + 4 * i));
}

/** Stores so many bytes from a place in the image on. False: a fault. */
function put(s: i32, from: i32, at: i64, bytes: i32, step: i32): bool {
  for (let i = 0; i < bytes; i += step) {
    const here = s + S_floatImage + from + i;
    storeSlow(s, at + i, step, step == 8 ? load<i64>(here) : <i64>load<u16>(here), 0);
    if (load<i32>(s, S_fault)) return false;
  }
  return true;
}

function putEnvironment(s: i32, at: i64, size: i32): bool {
  makeEnvironment(s, size >> 3);
  return size == 16 ? put(s, 28, at, 14, 2) : put(s, 0, at, 28, 2);
}

/** FNSTENV: exceptions are masked afterwards. The address, the operand size. */
export function saveEnvironment(s: i32, at: i64, size: i32): void {
  if (!floatThere(s) || !putEnvironment(s, at, size)) return;
  store<i32>(s, load<i32>(s, S_floatControl) | FLOAT_exceptions, S_floatControl);
  settle(s);
}

/** FNSAVE: the environment, the stack's registers, and then as FNINIT. */
export function saveFloatState(s: i32, at: i64, size: i32): void {
  if (!floatThere(s) || !putEnvironment(s, at, size)) return;
  const stack = at + (size == 16 ? 14 : 28);
  const image = s + S_floatImage;
  for (let i = 0; i < 8; i++) {
    v128.store(image + 64, v128.load(register(s, i)));
    if (!put(s, 64, stack + 10 * i, 8, 8) || !put(s, 72, stack + 10 * i + 8, 2, 2)) return;
  }
  initializeFloat(s);
}

/** Gets the environment's words into the image. False: a fault. */
function getEnvironment(s: i32, at: i64, size: i32): bool {
  const bytes = size >> 3;
  for (let i = 0; i < 7; i++) {
    const word = loadSlow(s, at + bytes * i, bytes, 0);
    if (load<i32>(s, S_fault)) return false;
    store<u32>(s + S_floatImage + 4 * i, <u32>word);
  }
  return true;
}

function setEnvironment(s: i32, size: i32): void {
  const image = s + S_floatImage;
  store<i32>(s, load<u16>(image), S_floatControl);
  store<i32>(s, load<u16>(image, 4), S_floatStatus);
  const tags = <i32>load<u16>(image, 8);
  let there = 0;
  for (let i = 0; i < 8; i++) if (((tags >> (2 * i)) & 3) != EMPTY) there |= 1 << i;
  store<i32>(s, there, S_floatTags);
  let instruction = load<u32>(image, 12);
  let data = load<u32>(image, 20);
  let opcode = load<u32>(image, 16);
  if (isProtected(s)) opcode = size == 16 ? 0 : opcode >> 16;
  else {
    instruction = (instruction & 0xffff) | ((opcode >> 12) << 16);
    data = (data & 0xffff) | ((load<u32>(image, 24) >> 12) << 16);
  }
  store<u64>(s, instruction, S_floatInstruction);
  store<u64>(s, data, S_floatData);
  store<i32>(s, opcode & 0x7ff, S_floatOpcode);
  settle(s);
}

/** FLDENV. */
export function loadEnvironment(s: i32, at: i64, size: i32): void {
  if (floatReady(s) && getEnvironment(s, at, size)) setEnvironment(s, size);
}

/** FRSTOR. */
export function restoreFloatState(s: i32, at: i64, size: i32): void {
  if (!floatReady(s) || !getEnvironment(s, at, size)) return;
  const stack = at + (size == 16 ? 14 : 28);
  const image = s + S_floatImage + 64;
  for (let i = 0; i < 8; i++) {
    const low = loadSlow(s, stack + 10 * i, 8, 0);
    if (load<i32>(s, S_fault)) return;
    const high = loadSlow(s, stack + 10 * i + 8, 2, 0);
    if (load<i32>(s, S_fault)) return;
    store<i64>(image + 16 * i, low);
    store<i64>(image + 16 * i, high, 8);
  }
  setEnvironment(s, size);
  for (let i = 0; i < 8; i++) v128.store(register(s, i), v128.load(image + 16 * i));
}
