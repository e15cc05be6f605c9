/**
 * XSAVE and its kin: components of the state in memory. Source: Intel SDM, volume 1, "Managing State Using the XSAVE Feature
 * Set".
 *
 * A component is in use if it is not what it begins as, whatever was done before; so what is written follows from the state
 * alone. XSAVEOPT and XSAVES write what is in use though it may be what the area has (the modified optimisation is a
 * processor's to make or not).
 */
import {
  AREA_compaction,
  AREA_extended,
  AREA_header,
  AREA_reserved,
  AREAPLACE_keys,
  AREASIZE_avx,
  AREASIZE_keys,
  COMPONENT_avx,
  COMPONENT_keys,
  COMPONENT_sse,
  COMPONENT_x87,
  CR0_taskSwitched,
  CR4_osxsave,
  FCW_initial,
  FCW_reserved,
  FEATURE_xsavec,
  MXCSR_initial,
  MXCSR_writable,
  S_cpl,
  S_cpuidCount,
  S_fault,
  S_features,
  S_floatControl,
  S_floatData,
  S_floatImage,
  S_floatInstruction,
  S_floatOpcode,
  S_floatRegister,
  S_floatStatus,
  S_floatTags,
  S_mxcsr,
  S_pkru,
  S_vector,
  S_vectorHigh,
  S_xcr0,
  SAVE_compacted,
  SAVE_whole,
  VECTOR_deviceNotAvailable,
  VECTOR_generalProtection,
  VECTOR_invalidOpcode,
} from "../layout.generated";
import { RAX, RDX } from "../general.as";
import { loadBlock, loadSlow, probeStore, storeBlock } from "../../../../../engine/runtime/access.as";
import { raiseWith } from "../../../interrupts/deliver.as";
import { is64 } from "../../../mmu/mode.as";
import { setKeys } from "../../../mmu/protection-keys.as";
import { control0, control4 } from "../../../mmu/translate.as";
import { cpuidEntry } from "../cpuid-entry.as";
import { deriveFloat } from "./blocked.as";
import { makeFloat, MXCSR_AT, STACK_AT, STACK_SIZE, takeFloat, XMM_AT } from "./image.as";
import { initializeState } from "./status.as";

const COMPACTED: u64 = 0x8000000000000000;
/** PKRU on its way: where the image has it, whatever the area's form. */
const KEYS_AT = AREA_extended + AREASIZE_avx;

function protection(s: i32): bool {
  raiseWith(s, VECTOR_generalProtection, 0);
  return false;
}

/** There is XCR0 for who asks. */
function isThere(s: i32): bool {
  if (control4(s) & CR4_osxsave) return true;
  raiseWith(s, VECTOR_invalidOpcode, 0);
  return false;
}

/** Before the operand is looked at. */
export function extendedReady(s: i32): void {
  if (isThere(s) && control0(s) & CR0_taskSwitched) raiseWith(s, VECTOR_deviceNotAvailable, 0);
}

/** Registers of vectors that code of this mode has. */
function vectorCount(s: i32): i32 {
  return is64(s) ? 16 : 8;
}

function hasBits(at: i32, count: i32): bool {
  let all = v128.load(at);
  for (let i = 1; i < count; i++) all = v128.or(all, v128.load(at + 16 * i));
  return v128.any_true(all);
}

function floatInUse(s: i32): bool {
  const words = load<i32>(s, S_floatStatus) | load<i32>(s, S_floatTags) | load<i32>(s, S_floatOpcode);
  if (words != 0 || (load<i32>(s, S_floatControl) & ~FCW_reserved) != (FCW_initial & ~FCW_reserved)) return true;
  if ((load<u64>(s, S_floatInstruction) | load<u64>(s, S_floatData)) != 0) return true;
  return hasBits(s + S_floatRegister, 8);
}

/** Components that are not as they begin. MXCSR is no part of SSE's for that. */
function inUse(s: i32): u64 {
  let used: u64 = 0;
  const count = vectorCount(s);
  if (floatInUse(s)) used |= COMPONENT_x87;
  if (hasBits(s + S_vector, count)) used |= COMPONENT_sse;
  if (hasBits(s + S_vectorHigh, count)) used |= COMPONENT_avx;
  if (load<u32>(s, S_pkru) != 0) used |= COMPONENT_keys;
  return used;
}

/** EDX:EAX, of what there is. */
function requested(s: i32): u64 {
  const low = load<u64>(s, RAX) & 0xffffffff;
  return (low | (load<u64>(s, RDX) << 32)) & load<u64>(s, S_xcr0);
}

function aligned(s: i32, address: i64): bool {
  return address & 63 ? protection(s) : true;
}

/** Where PKRU is in an area; `components` are those that a compacted one has places for. */
function keysPlace(components: u64, compacted: bool): i32 {
  if (!compacted) return AREAPLACE_keys;
  return components & COMPONENT_avx ? AREA_extended + AREASIZE_avx : AREA_extended;
}

/** Writes an area, of which `kind` says how: `SaveKind`. */
export function saveExtended(s: i32, address: i64, size: i32, kind: i32): void {
  if (!aligned(s, address)) return;
  const wanted = requested(s);
  const used = inUse(s);
  const compacted = kind == SAVE_compacted;
  let parts = kind == SAVE_whole ? wanted : wanted & used;
  const mxcsr = load<i32>(s, S_mxcsr);
  if (compacted && mxcsr != MXCSR_initial) parts |= wanted & COMPONENT_sse;
  const withMxcsr = (compacted ? parts & COMPONENT_sse : wanted & (COMPONENT_sse | COMPONENT_avx)) != 0;

  const image = s + S_floatImage;
  if (!compacted) {
    const old = loadSlow(s, address + AREA_header, 8, 0);
    if (load<i32>(s, S_fault)) return;
    store<u64>(image, (old & ~wanted) | (used & wanted), AREA_header);
  } else {
    store<u64>(image, parts, AREA_header);
    store<u64>(image, wanted | COMPACTED, AREA_compaction);
  }
  const end = parts & COMPONENT_avx ? AREA_extended + AREASIZE_avx : compacted ? AREA_reserved : AREA_compaction;
  if (!probeStore(s, address, end)) return;
  const keys = address + keysPlace(wanted, compacted);
  if (parts & COMPONENT_keys && !probeStore(s, keys, AREASIZE_keys)) return;

  const withFloat = (parts & COMPONENT_x87) != 0;
  if (withMxcsr) {
    store<i32>(image, mxcsr, MXCSR_AT);
    store<i32>(image, MXCSR_writable, MXCSR_AT + 4);
  }
  if (withFloat) {
    makeFloat(s, image, size == 64);
    const first = withMxcsr ? STACK_AT : MXCSR_AT;
    if (!storeBlock(s, address, first, image)) return;
    if (!storeBlock(s, address + STACK_AT, STACK_SIZE, image + STACK_AT)) return;
  } else if (withMxcsr && !storeBlock(s, address + MXCSR_AT, 8, image + MXCSR_AT)) return;
  const bytes = 16 * vectorCount(s);
  if (parts & COMPONENT_sse && !storeBlock(s, address + XMM_AT, bytes, s + S_vector)) return;
  if (parts & COMPONENT_avx && !storeBlock(s, address + AREA_extended, bytes, s + S_vectorHigh)) return;
  if (parts & COMPONENT_keys) {
    store<u64>(image, <u64>load<u32>(s, S_pkru), KEYS_AT);
    if (!storeBlock(s, keys, AREASIZE_keys, image + KEYS_AT)) return;
  }
  storeBlock(s, address + AREA_header, compacted ? 16 : 8, image + AREA_header);
}

/** Whether an area's header, in the image, is one; `compacted`: it must be of that form. */
function isHeader(s: i32, image: i32, compacted: i32): bool {
  const has = load<u64>(image, AREA_header);
  const form = load<u64>(image, AREA_compaction);
  const there = load<u64>(s, S_xcr0);
  if (!(form & COMPACTED)) return !compacted && (form | load<u64>(image, AREA_reserved)) == 0 && !(has & ~there);
  if (!((load<u64>(s, S_features) >> FEATURE_xsavec) & 1)) return false;
  let reserved: u64 = 0;
  for (let at = AREA_reserved; at < AREA_extended; at += 8) reserved |= load<u64>(image + at);
  return reserved == 0 && !(form & ~(there | COMPACTED)) && !(has & ~form);
}

/** Takes over an area; `compacted`: no other form is one. */
export function restoreExtended(s: i32, address: i64, size: i32, compacted: i32): void {
  if (!aligned(s, address)) return;
  const image = s + S_floatImage;
  if (!loadBlock(s, address + AREA_header, AREA_extended - AREA_header, image + AREA_header)) return;
  if (!isHeader(s, image, compacted)) {
    protection(s);
    return;
  }
  const wanted = requested(s);
  const parts = wanted & load<u64>(image, AREA_header);
  const initial = wanted & ~parts;
  const compact = (load<u64>(image, AREA_compaction) & COMPACTED) != 0;
  const bytes = 16 * vectorCount(s);
  // MXCSR goes with SSE's registers where the area is compacted, else with either kind, whether that is in the area or not.
  const withMxcsr = (compact ? parts & COMPONENT_sse : wanted & (COMPONENT_sse | COMPONENT_avx)) != 0;
  if (parts & COMPONENT_x87) {
    if (!loadBlock(s, address, MXCSR_AT, image)) return;
    if (!loadBlock(s, address + STACK_AT, STACK_SIZE, image + STACK_AT)) return;
  }
  if (withMxcsr && !loadBlock(s, address + MXCSR_AT, 4, image + MXCSR_AT)) return;
  if (parts & COMPONENT_sse && !loadBlock(s, address + XMM_AT, bytes, image + XMM_AT)) return;
  if (parts & COMPONENT_avx && !loadBlock(s, address + AREA_extended, bytes, image + AREA_extended)) return;
  const keys = address + keysPlace(load<u64>(image, AREA_compaction), compact);
  if (parts & COMPONENT_keys && !loadBlock(s, keys, AREASIZE_keys, image + KEYS_AT)) return;
  if (withMxcsr && load<u32>(image, MXCSR_AT) & ~MXCSR_writable) {
    protection(s);
    return;
  }

  // Nothing fails from here on.
  if (withMxcsr) store<u32>(s, load<u32>(image, MXCSR_AT), S_mxcsr);
  else if (compact && initial & COMPONENT_sse) store<u32>(s, MXCSR_initial, S_mxcsr);
  if (parts & COMPONENT_x87) takeFloat(s, image, size == 64);
  else if (initial & COMPONENT_x87) initializeState(s);
  if (parts & COMPONENT_sse) memory.copy(s + S_vector, image + XMM_AT, bytes);
  else if (initial & COMPONENT_sse) memory.fill(s + S_vector, 0, bytes);
  if (parts & COMPONENT_avx) memory.copy(s + S_vectorHigh, image + AREA_extended, bytes);
  else if (initial & COMPONENT_avx) memory.fill(s + S_vectorHigh, 0, bytes);
  // Of its eight bytes four are PKRU, the others nothing; CR4.PKE is not asked for.
  if (parts & COMPONENT_keys) setKeys(s, load<u32>(image, KEYS_AT));
  else if (initial & COMPONENT_keys) setKeys(s, 0);
}

/** XCR0 may be no more than this: CPUID says it, of a processor without CPUID all. */
export function componentsOffered(s: i32): u64 {
  const all: u64 = COMPONENT_x87 | COMPONENT_sse | COMPONENT_avx | COMPONENT_keys;
  if (load<i32>(s, S_cpuidCount) == 0) return all;
  const entry = cpuidEntry(s, 0xd, 0);
  return entry == 0 ? 0 : all & (<u64>load<u32>(entry, 12) | ((<u64>load<u32>(entry, 24)) << 32));
}

/** Bytes of an area with these components, one behind the other or not. */
export function areaBytes(components: u64, compacted: bool): i32 {
  if (components & COMPONENT_keys) return keysPlace(components, compacted) + AREASIZE_keys;
  return components & COMPONENT_avx ? AREA_extended + AREASIZE_avx : AREA_extended;
}

/** XCR0 (0), and of it what is in use (1): here MXCSR counts, as processors have it. */
export function readExtendedControl(s: i32, number: i64): i64 {
  if (!isThere(s)) return 0;
  const components = load<u64>(s, S_xcr0);
  if (number == 0) return components;
  if (number == 1 && (load<u64>(s, S_features) >> FEATURE_xsavec) & 1) {
    const sse: u64 = load<i32>(s, S_mxcsr) != MXCSR_initial ? COMPONENT_sse : 0;
    return components & (inUse(s) | sse);
  }
  protection(s);
  return 0;
}

/** The x87's is always there, AVX's with SSE's alone. */
export function writeExtendedControl(s: i32, number: i64, value: i64): void {
  if (!isThere(s)) return;
  const lacksSse = (value & (COMPONENT_sse | COMPONENT_avx)) == COMPONENT_avx;
  if (
    load<i32>(s, S_cpl) != 0 ||
    number != 0 ||
    !(value & COMPONENT_x87) ||
    lacksSse ||
    value & ~componentsOffered(s)
  ) {
    protection(s);
    return;
  }
  store<i64>(s, value, S_xcr0);
  deriveFloat(s);
}
