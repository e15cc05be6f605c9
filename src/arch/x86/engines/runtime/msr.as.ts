/** RDMSR, WRMSR, RDTSC and CPUID. Source: Intel SDM, volume 4, "Model-Specific Registers"; AMD APM, volume 2. */
import {
  AREAFORM_compacted,
  CR0_paging,
  CR4_osxsave,
  CR4_protectionKeys,
  DEBUGCONTROL_branchStep,
  DEBUGCONTROL_lastBranch,
  EFER_automaticRestriction,
  EFER_longModeActive,
  EFER_longModeEnable,
  EFER_noExecute,
  EFER_systemCall,
  EXIT_mmio,
  EXIT_rdmsr,
  EXIT_wrmsr,
  MSR_apicBase,
  MSR_cstar,
  MSR_debugControl,
  MSR_efer,
  MSR_kernelGsBase,
  MSR_lstar,
  MSR_microcode,
  MSR_miscEnable,
  MSR_mtrrDefaultType,
  MSR_mtrrFixed16,
  MSR_mtrrFixed4,
  MSR_mtrrFixed64,
  MSR_mtrrVariable,
  MSR_pat,
  MSR_star,
  MSR_syscallMask,
  MSR_sysenterCs,
  MSR_sysenterEip,
  MSR_sysenterEsp,
  MSR_tscAux,
  MSRNUMBER_apicBase,
  MSRNUMBER_cstar,
  MSRNUMBER_debugControl,
  MSRNUMBER_efer,
  MSRNUMBER_kernelGsBase,
  MSRNUMBER_lstar,
  MSRNUMBER_microcode,
  MSRNUMBER_miscEnable,
  MSRNUMBER_mtrrDefaultType,
  MSRNUMBER_mtrrFixed16,
  MSRNUMBER_mtrrFixed4,
  MSRNUMBER_mtrrFixed64,
  MSRNUMBER_mtrrVariable,
  MSRNUMBER_pat,
  MSRNUMBER_star,
  MSRNUMBER_syscallMask,
  MSRNUMBER_sysenterCs,
  MSRNUMBER_sysenterEip,
  MSRNUMBER_sysenterEsp,
  MSRNUMBER_tscAux,
  S_exitCode,
  S_fault,
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
import { RAX, RBX, RCX, RDX } from "./general.as";
import { mmioAccess, mmioData } from "../../../../engine/runtime/mmio.as";
import { raiseWith } from "../../interrupts/deliver.as";
import { cpuidEntry } from "./cpuid-entry.as";
import { areaBytes } from "./float/extended-state.as";
import { control0, control4, efer, isCanonical } from "../../mmu/translate.as";
import { rightsChanged } from "../../mmu/invalidate.as";
import { timeStamp } from "./time.as";
import { readTimeStampAllowed } from "./system.as";
import { isAmd } from "./vendor.as";

/** Of `msrExits` and of `msrRefused`. */
const FILTERED = 2;
const ALLOWED = 2;

const TIME_STAMP = 0x10;
const FS_BASE: u32 = 0xc0000100;
const GS_BASE: u32 = 0xc0000101;

/** Where a register that is kept as it is lies in `msrs`; -1: it is none of them. */
function placeOf(number: u64): i32 {
  switch (number) {
    case MSRNUMBER_apicBase:
      return MSR_apicBase;
    case MSRNUMBER_microcode:
      return MSR_microcode;
    case MSRNUMBER_debugControl:
      return MSR_debugControl;
    case MSRNUMBER_sysenterCs:
      return MSR_sysenterCs;
    case MSRNUMBER_sysenterEsp:
      return MSR_sysenterEsp;
    case MSRNUMBER_sysenterEip:
      return MSR_sysenterEip;
    case MSRNUMBER_miscEnable:
      return MSR_miscEnable;
    case MSRNUMBER_mtrrFixed64:
      return MSR_mtrrFixed64;
    case MSRNUMBER_pat:
      return MSR_pat;
    case MSRNUMBER_mtrrDefaultType:
      return MSR_mtrrDefaultType;
    case MSRNUMBER_efer:
      return MSR_efer;
    case MSRNUMBER_star:
      return MSR_star;
    case MSRNUMBER_lstar:
      return MSR_lstar;
    case MSRNUMBER_cstar:
      return MSR_cstar;
    case MSRNUMBER_syscallMask:
      return MSR_syscallMask;
    case MSRNUMBER_kernelGsBase:
      return MSR_kernelGsBase;
    case MSRNUMBER_tscAux:
      return MSR_tscAux;
  }
  if (number - MSRNUMBER_mtrrFixed16 < 2) return MSR_mtrrFixed16 + <i32>(number - MSRNUMBER_mtrrFixed16);
  if (number - MSRNUMBER_mtrrFixed4 < 8) return MSR_mtrrFixed4 + <i32>(number - MSRNUMBER_mtrrFixed4);
  if (number - MSRNUMBER_mtrrVariable < 16) return MSR_mtrrVariable + <i32>(number - MSRNUMBER_mtrrVariable);
  return -1;
}

/** Of those, whose values are addresses. */
function isAddress(number: u64): bool {
  return (
    number == MSRNUMBER_sysenterEsp ||
    number == MSRNUMBER_sysenterEip ||
    number == MSRNUMBER_lstar ||
    number == MSRNUMBER_cstar ||
    (number >= <u64>FS_BASE && number <= MSRNUMBER_kernelGsBase)
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

/** A value that a register does not take: #GP, but for what the user side says. */
function refuse(s: i32, number: u32, value: u64): void {
  elsewhere(s, number, true, value);
}

/** The local APIC's registers, which no filter is about. */
const APIC_FIRST: u32 = 0x800;

/** What the filter, if there is one, has not let through, or not yet: nothing is left to do. */
function isFiltered(s: i32, number: u32, write: bool, value: u64): bool {
  if (load<i32>(s, S_msrExits) != FILTERED || number - APIC_FIRST < 0x100) return false;
  if (!mmioAccess(s, number, 8, write, value)) {
    if (load<i32>(s, S_exitCode) == EXIT_mmio) store<i32>(s, write ? EXIT_wrmsr : EXIT_rdmsr, S_exitCode);
    return true;
  }
  const answer = load<i32>(s, S_msrRefused);
  store<i32>(s, 0, S_msrRefused);
  if (answer == ALLOWED) return false;
  if (answer) protection(s);
  else if (!write) putPair(s, mmioData);
  return true;
}

function putPair(s: i32, value: u64): void {
  store<u64>(s, value & 0xffffffff, RAX);
  store<u64>(s, value >> 32, RDX);
}

export function readMsr(s: i32): void {
  const number = <u32>load<u64>(s, RCX);
  if (isFiltered(s, number, false, 0)) return;
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
  if (isFiltered(s, number, true, value)) return;
  if (isAddress(number) && !isCanonical(value)) {
    refuse(s, number, value);
    return;
  }
  const place = placeOf(number);
  if (place == MSR_efer) {
    const old = efer(s);
    let writable: u64 = EFER_systemCall | EFER_longModeEnable | EFER_noExecute;
    if (isAmd(s)) writable |= EFER_automaticRestriction;
    // Long mode neither begins nor ends while there is paging.
    const paged = (control0(s) & CR0_paging) != 0;
    if (value & ~(writable | EFER_longModeActive) || (paged && (old ^ value) & EFER_longModeEnable)) {
      refuse(s, number, value);
      return;
    }
    store<u64>(s, (value & writable) | (old & EFER_longModeActive), S_msrs + 8 * MSR_efer);
    if ((old ^ value) & EFER_noExecute) rightsChanged(s);
    return;
  }
  if (place == MSR_pat && !areMemoryTypes(value)) {
    refuse(s, number, value);
    return;
  }
  if (place == MSR_syscallMask || place == MSR_tscAux) {
    if (place == MSR_tscAux && value >> 32) refuse(s, number, value);
    else store<u64>(s + S_msrs + 8 * place, value & 0xffffffff);
    return;
  }
  if (place == MSR_microcode) return;
  if (place == MSR_debugControl) {
    if (value & ~(DEBUGCONTROL_branchStep | DEBUGCONTROL_lastBranch)) refuse(s, number, value);
    else store<u64>(s + S_msrs + 8 * place, value & DEBUGCONTROL_branchStep);
    return;
  }
  // Writing it moves the local APIC: the kernel side's.
  if (place == MSR_apicBase && load<i32>(s, S_msrExits)) {
    elsewhere(s, number, true, value);
    return;
  }
  if (place >= 0) store<u64>(s + S_msrs + 8 * place, value);
  // It has KVM's clock with it, which is the kernel side's.
  else if (number == TIME_STAMP && !load<i32>(s, S_msrExits))
    store<u64>(s, load<u64>(s, S_tscOffset) + value - timeStamp(s), S_tscOffset);
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
    // OSXSAVE and OSPKE are CR4's.
    if (leaf == 1 && control4(s) & CR4_osxsave) c |= 0x8000000;
    if (leaf == 7 && index == 0 && control4(s) & CR4_protectionKeys) c |= 0x10;
    // How large an area is by now: in one form or the other.
    if (leaf == 0xd && (index == 0 || (index == 1 && a & AREAFORM_compacted)) && b != 0)
      b = areaBytes(load<u64>(s, S_xcr0), index == 1);
  }
  store<u64>(s, a, RAX);
  store<u64>(s, b, RBX);
  store<u64>(s, c, RCX);
  store<u64>(s, d, RDX);
}
