/** Images of the state of x87 and SSE in memory: FXSAVE, FXRSTOR. Source: Intel SDM, volume 2, FXSAVE. */
import {
  MXCSR_writable,
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
import { loadBlock, storeBlock } from "../../../../../engine/runtime/access.as";
import { raiseWith } from "../../../interrupts/deliver.as";
import { is64 } from "../../../mmu/mode.as";
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
export const MXCSR_AT = 24;
export const STACK_AT = 32;
export const STACK_SIZE = 128;
export const XMM_AT = 160;

function aligned(s: i32, address: i64): bool {
  if (!(address & 15)) return true;
  raiseWith(s, VECTOR_generalProtection, 0);
  return false;
}

/** Where the image ends: code that is not of 64 bits has eight registers of XMM, and leaves the others' places alone. */
function end(s: i32): i32 {
  return XMM_AT + (is64(s) ? 256 : 128);
}

/** The x87's part of an image; `wide`: addresses have 64 bits. */
export function makeFloat(s: i32, image: i32, wide: bool): void {
  memory.fill(image, 0, MXCSR_AT);
  store<u16>(image, load<i32>(s, S_floatControl), FCW);
  store<u16>(image, load<i32>(s, S_floatStatus), FSW);
  store<u8>(image, load<i32>(s, S_floatTags), FTW);
  store<u16>(image, load<i32>(s, S_floatOpcode), FOP);
  if (wide) {
    store<u64>(image, load<u64>(s, S_floatInstruction), FIP);
    store<u64>(image, load<u64>(s, S_floatData), FDP);
  } else {
    store<u32>(image, load<u32>(s, S_floatInstruction), FIP);
    store<u32>(image, load<u32>(s, S_floatData), FDP);
  }
  for (let i = 0; i < 8; i++) {
    const at = register(s, i);
    v128.store(image + STACK_AT + 16 * i, v128.load(at));
    store<u32>(image + STACK_AT + 16 * i + 8, load<u16>(at, 8));
    store<u32>(image + STACK_AT + 16 * i + 12, 0);
  }
}

/** Takes over the x87's part of an image. */
export function takeFloat(s: i32, image: i32, wide: bool): void {
  store<i32>(s, load<u16>(image, FCW), S_floatControl);
  store<i32>(s, load<u16>(image, FSW), S_floatStatus);
  store<i32>(s, load<u8>(image, FTW), S_floatTags);
  store<i32>(s, load<u16>(image, FOP) & 0x7ff, S_floatOpcode);
  store<u64>(s, wide ? load<u64>(image, FIP) : <u64>load<u32>(image, FIP), S_floatInstruction);
  store<u64>(s, wide ? load<u64>(image, FDP) : <u64>load<u32>(image, FDP), S_floatData);
  for (let i = 0; i < 8; i++) {
    const at = register(s, i);
    store<u64>(at, load<u64>(image + STACK_AT + 16 * i));
    store<u64>(at, load<u16>(image + STACK_AT + 16 * i, 8), 8);
  }
  settle(s);
}

export function saveFloat(s: i32, address: i64, size: i32): void {
  if (!floatThere(s) || !aligned(s, address)) return;
  const image = s + S_floatImage;
  makeFloat(s, image, size == 64);
  store<u32>(image, load<u32>(s, S_mxcsr), MXCSR_AT);
  store<u32>(image, MXCSR_writable, MXCSR_AT + 4);
  memory.copy(image + XMM_AT, s + S_vector, 256);
  storeBlock(s, address, end(s), image);
}

export function restoreFloat(s: i32, address: i64, size: i32): void {
  if (!floatThere(s) || !aligned(s, address)) return;
  const image = s + S_floatImage;
  if (!loadBlock(s, address, end(s), image)) return;
  const mxcsr = load<u32>(image, MXCSR_AT);
  if (mxcsr & ~MXCSR_writable) {
    raiseWith(s, VECTOR_generalProtection, 0);
    return;
  }
  store<u32>(s, mxcsr, S_mxcsr);
  takeFloat(s, image, size == 64);
  memory.copy(s + S_vector, image + XMM_AT, end(s) - XMM_AT);
}

export function loadMxcsr(s: i32, value: i64): void {
  if (<u32>value & ~MXCSR_writable) raiseWith(s, VECTOR_generalProtection, 0);
  else store<u32>(s, <u32>value, S_mxcsr);
}

export function mxcsr(s: i32): i64 {
  return <i64>load<u32>(s, S_mxcsr);
}
