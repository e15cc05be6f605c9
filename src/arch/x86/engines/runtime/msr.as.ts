/** RDMSR, WRMSR, RDTSC and CPUID. Source: Intel SDM, volume 4, "Model-Specific Registers"; AMD APM, volume 2. */
import {
  AREAFORM_compacted,
  CR0_paging,
  CR4_osxsave,
  EFER_longModeActive,
  EFER_longModeEnable,
  EFER_noExecute,
  EFER_systemCall,
  EXIT_mmio,
  EXIT_rdmsr,
  EXIT_wrmsr,
  MSR_apicBase,
  MSR_cstar,
  MSR_efer,
  MSR_kernelGsBase,
  MSR_lstar,
  MSR_microcode,
  MSR_miscEnable,
  MSR_mtrrDefaultType,
  MSR_mtrrFixed,
  MSR_mtrrVariable,
  MSR_pat,
  MSR_star,
  MSR_syscallMask,
  MSR_sysenterCs,
  MSR_sysenterEip,
  MSR_sysenterEsp,
  MSR_tscAux,
  S_control,
  S_exitCode,
  S_fault,
  S_general,
  S_msrExits,
  S_msrRefused,
  S_msrs,
  S_segmentBase,
  S_tscOffset,
  S_xcr0,
  SEGMENT_fs,
  SEGMENT_gs,
  VECTOR_generalProtection,
} from "./layout.generated";
import { mmioAccess, mmioData } from "../../../../engine/runtime/mmio.as";
import { raiseWith } from "../../interrupts/deliver.as";
import { cpuidEntry } from "./cpuid-entry.as";
import { areaBytes } from "./float/extended-state.as";
import { control0, efer, isCanonical } from "../../mmu/translate.as";
import { rightsChanged } from "../../mmu/invalidate.as";
import { timeStamp } from "./time.as";
import { readTimeStampAllowed } from "./system.as";

const RAX = S_general;
const RCX = S_general + 8;
const RDX = S_general + 16;
const RBX = S_general + 24;

const TIME_STAMP = 0x10;
const FS_BASE: u32 = 0xc0000100;
const GS_BASE: u32 = 0xc0000101;

/** Where a register that is kept as it is lies in `msrs`; -1: it is none of them. */
function placeOf(number: u32): i32 {
  switch (number) {
    case 0x1b:
      return MSR_apicBase;
    case 0x8b:
      return MSR_microcode;
    case 0x174:
      return MSR_sysenterCs;
    case 0x175:
      return MSR_sysenterEsp;
    case 0x176:
      return MSR_sysenterEip;
    case 0x1a0:
      return MSR_miscEnable;
    case 0x250:
      return MSR_mtrrFixed;
    case 0x258:
    case 0x259:
      return MSR_mtrrFixed + 1 + <i32>(number - 0x258);
    case 0x277:
      return MSR_pat;
    case 0x2ff:
      return MSR_mtrrDefaultType;
    case 0xc0000080:
      return MSR_efer;
    case 0xc0000081:
      return MSR_star;
    case 0xc0000082:
      return MSR_lstar;
    case 0xc0000083:
      return MSR_cstar;
    case 0xc0000084:
      return MSR_syscallMask;
    case 0xc0000102:
      return MSR_kernelGsBase;
    case 0xc0000103:
      return MSR_tscAux;
  }
  if (number >= 0x268 && number <= 0x26f) return MSR_mtrrFixed + 3 + <i32>(number - 0x268);
  if (number >= 0x200 && number <= 0x20f) return MSR_mtrrVariable + <i32>(number - 0x200);
  return -1;
}

/** Of those, whose values are addresses. */
function isAddress(number: u32): bool {
  return (
    number == 0x175 ||
    number == 0x176 ||
    number == 0xc0000082 ||
    number == 0xc0000083 ||
    (number >= FS_BASE && number <= 0xc0000102)
  );
}

/** Of PAT, whose eight bytes are memory types: 0, 1, 4, 5, 6, 7. */
function areMemoryTypes(value: u64): bool {
  for (let i = 0; i < 8; i++) {
    const type = <i32>(value >> (8 * i)) & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}

function protection(s: i32): void {
  raiseWith(s, VECTOR_generalProtection, 0);
}

/** A register that there is none of here: the user side's, if it wants them. The answer to the exit is in `mmioData`. */
function elsewhere(s: i32, number: u32, write: bool, value: u64): bool {
  if (!load<i32>(s, S_msrExits)) {
    protection(s);
    return false;
  }
  if (mmioAccess(s, number, 8, write, value)) {
    if (!load<i32>(s, S_msrRefused)) return true;
    store<i32>(s, 0, S_msrRefused);
    protection(s);
    return false;
  }
  if (load<i32>(s, S_exitCode) == EXIT_mmio) store<i32>(s, write ? EXIT_wrmsr : EXIT_rdmsr, S_exitCode);
  return false;
}

function putPair(s: i32, value: u64): void {
  store<u64>(s, value & 0xffffffff, RAX);
  store<u64>(s, value >> 32, RDX);
}

export function readMsr(s: i32): void {
  const number = <u32>load<u64>(s, RCX);
  const place = placeOf(number);
  let value: u64 = 0;
  if (place >= 0) value = load<u64>(s + S_msrs + 8 * place);
  else if (number == TIME_STAMP) value = timeStamp(s);
  else if (number == FS_BASE) value = load<u64>(s, S_segmentBase + 8 * SEGMENT_fs);
  else if (number == GS_BASE) value = load<u64>(s, S_segmentBase + 8 * SEGMENT_gs);
  // Eight variable ranges, no SMRR.
  else if (number == 0xfe) value = 0x508;
  else if (elsewhere(s, number, false, 0)) value = mmioData;
  else return;
  putPair(s, value);
}

export function writeMsr(s: i32): void {
  const number = <u32>load<u64>(s, RCX);
  const value = (load<u64>(s, RAX) & 0xffffffff) | (load<u64>(s, RDX) << 32);
  if (isAddress(number) && !isCanonical(value)) {
    protection(s);
    return;
  }
  const place = placeOf(number);
  if (place == MSR_efer) {
    const old = efer(s);
    const writable: u64 = EFER_systemCall | EFER_longModeEnable | EFER_noExecute;
    // Long mode neither begins nor ends while there is paging.
    const paged = (control0(s) & CR0_paging) != 0;
    if (value & ~(writable | EFER_longModeActive) || (paged && (old ^ value) & EFER_longModeEnable)) {
      protection(s);
      return;
    }
    store<u64>(s, (value & writable) | (old & EFER_longModeActive), S_msrs + 8 * MSR_efer);
    if ((old ^ value) & EFER_noExecute) rightsChanged(s);
    return;
  }
  if (place == MSR_pat && !areMemoryTypes(value)) {
    protection(s);
    return;
  }
  if (place == MSR_syscallMask || place == MSR_tscAux) {
    if (place == MSR_tscAux && value >> 32) protection(s);
    else store<u64>(s + S_msrs + 8 * place, value & 0xffffffff);
    return;
  }
  if (place == MSR_microcode) return;
  // Writing it moves the local APIC: the kernel side's.
  if (place == MSR_apicBase && load<i32>(s, S_msrExits)) {
    elsewhere(s, number, true, value);
    return;
  }
  if (place >= 0) store<u64>(s + S_msrs + 8 * place, value);
  else if (number == TIME_STAMP) store<u64>(s, load<u64>(s, S_tscOffset) + value - timeStamp(s), S_tscOffset);
  else if (number == FS_BASE) store<u64>(s, value, S_segmentBase + 8 * SEGMENT_fs);
  else if (number == GS_BASE) store<u64>(s, value, S_segmentBase + 8 * SEGMENT_gs);
  else elsewhere(s, number, true, value);
}

/** RDTSC (0) and RDTSCP (1). */
export function readTimeStamp(s: i32, aux: i32): void {
  readTimeStampAllowed(s);
  if (load<i32>(s, S_fault)) return;
  putPair(s, timeStamp(s));
  if (aux) store<u64>(s, load<u64>(s, S_msrs + 8 * MSR_tscAux) & 0xffffffff, RCX);
}

export function processorNumber(s: i32): i64 {
  return load<i64>(s, S_msrs + 8 * MSR_tscAux);
}

/** CPUID as who uses KVM has set it. Past the end, the highest basic leaf answers on Intel's processors, none on AMD's. */
export function identify(s: i32): void {
  const leaf = <u32>load<u64>(s, RAX);
  const index = <u32>load<u64>(s, RCX);
  let entry = cpuidEntry(s, leaf, index);
  const first = cpuidEntry(s, 0, 0);
  if (entry == 0 && first != 0 && load<u32>(first, 16) == 0x756e6547) {
    const limit = load<u32>(first, 12);
    const extended = cpuidEntry(s, 0x80000000, 0);
    const beyond = leaf >= 0x80000000 ? extended == 0 || leaf > load<u32>(extended, 12) : leaf > limit;
    if (beyond && leaf >> 16 != 0x4000) entry = cpuidEntry(s, limit, index);
  }
  let b: u64 = 0;
  let c: u64 = 0;
  let d: u64 = 0;
  let a: u64 = 0;
  if (entry != 0) {
    a = load<u32>(entry, 12);
    b = load<u32>(entry, 16);
    c = load<u32>(entry, 20);
    d = load<u32>(entry, 24);
    // OSXSAVE is CR4's.
    if (leaf == 1 && load<u64>(s, S_control + 32) & CR4_osxsave) c |= 0x8000000;
    // How large an area is by now: in one form or the other.
    if (leaf == 0xd && (index == 0 || (index == 1 && a & AREAFORM_compacted)) && b != 0)
      b = areaBytes(load<u64>(s, S_xcr0));
  }
  store<u64>(s, a, RAX);
  store<u64>(s, b, RBX);
  store<u64>(s, c, RCX);
  store<u64>(s, d, RDX);
}
