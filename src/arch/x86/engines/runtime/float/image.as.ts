/** Images of the state of x87 and SSE in memory: FXSAVE, FXRSTOR. Source: Intel SDM, volume 2, FXSAVE. */
import {
  MXCSR_writable,
  S_fault,
  S_floatControl,
  S_floatData,
  S_floatImage,
  S_floatInstruction,
  S_floatOpcode,
  S_floatStatus,
  S_floatTags,
  S_mxcsr,
  S_vector,
  VECTOR_generalProtection,
} from "../layout.generated";
import { loadSlow, storeSlow } from "../../../../../engine/runtime/access.as";
import { raiseWith } from "../../../interrupts/deliver.as";
import { floatThere } from "./facility.as";
import { settle } from "./status.as";
import { register } from "./x87.as";

// Of the image, bytes.
const FCW = 0;
const FSW = 2;
const FTW = 4;
const FOP = 6;
const FIP = 8;
const FDP = 16;
const MXCSR = 24;
const MASK = 28;
const STACK = 32;
const XMM = 160;
const END = 416;

function aligned(s: i32, address: i64): bool {
  if (!(address & 15)) return true;
  raiseWith(s, VECTOR_generalProtection, 0);
  return false;
}

/** Registers of XMM that there are in code of this size. */
export function saveFloat(s: i32, address: i64, size: i32): void {
  if (!floatThere(s) || !aligned(s, address)) return;
  const image = s + S_floatImage;
  memory.fill(image, 0, END);
  store<u16>(image, load<i32>(s, S_floatControl), FCW);
  store<u16>(image, load<i32>(s, S_floatStatus), FSW);
  store<u8>(image, load<i32>(s, S_floatTags), FTW);
  store<u16>(image, load<i32>(s, S_floatOpcode), FOP);
  const wide = size == 64;
  if (wide) {
    store<u64>(image, load<u64>(s, S_floatInstruction), FIP);
    store<u64>(image, load<u64>(s, S_floatData), FDP);
  } else {
    store<u32>(image, load<u32>(s, S_floatInstruction), FIP);
    store<u32>(image, load<u32>(s, S_floatData), FDP);
  }
  store<u32>(image, load<u32>(s, S_mxcsr), MXCSR);
  store<u32>(image, MXCSR_writable, MASK);
  for (let i = 0; i < 8; i++) {
    const at = register(s, i);
    v128.store(image + STACK + 16 * i, v128.load(at));
    store<u32>(image + STACK + 16 * i + 8, load<u16>(at, 8));
    store<u32>(image + STACK + 16 * i + 12, 0);
  }
  memory.copy(image + XMM, s + S_vector, 256);
  for (let at = 0; at < END; at += 8) {
    storeSlow(s, address + at, 8, load<i64>(image + at), 0);
    if (load<i32>(s, S_fault)) return;
  }
}

export function restoreFloat(s: i32, address: i64, size: i32): void {
  if (!floatThere(s) || !aligned(s, address)) return;
  const image = s + S_floatImage;
  for (let at = 0; at < END; at += 8) {
    const word = loadSlow(s, address + at, 8, 0);
    if (load<i32>(s, S_fault)) return;
    store<i64>(image + at, word);
  }
  const mxcsr = load<u32>(image, MXCSR);
  if (mxcsr & ~MXCSR_writable) {
    raiseWith(s, VECTOR_generalProtection, 0);
    return;
  }
  store<u32>(s, mxcsr, S_mxcsr);
  store<i32>(s, load<u16>(image, FCW), S_floatControl);
  store<i32>(s, load<u16>(image, FSW), S_floatStatus);
  store<i32>(s, load<u8>(image, FTW), S_floatTags);
  store<i32>(s, load<u16>(image, FOP) & 0x7ff, S_floatOpcode);
  const wide = size == 64;
  store<u64>(s, wide ? load<u64>(image, FIP) : <u64>load<u32>(image, FIP), S_floatInstruction);
  store<u64>(s, wide ? load<u64>(image, FDP) : <u64>load<u32>(image, FDP), S_floatData);
  for (let i = 0; i < 8; i++) {
    const at = register(s, i);
    store<u64>(at, load<u64>(image + STACK + 16 * i));
    store<u64>(at, load<u16>(image + STACK + 16 * i, 8), 8);
  }
  settle(s);
  memory.copy(s + S_vector, image + XMM, 256);
}

export function loadMxcsr(s: i32, value: i64): void {
  if (<u32>value & ~MXCSR_writable) raiseWith(s, VECTOR_generalProtection, 0);
  else store<u32>(s, <u32>value, S_mxcsr);
}

export function mxcsr(s: i32): i64 {
  return <i64>load<u32>(s, S_mxcsr);
}
