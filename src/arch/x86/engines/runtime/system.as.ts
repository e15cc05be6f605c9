/** System instructions of 64-bit mode but for what loads segments and transfers control. Source: Intel SDM, volumes 2 and 3. */
import {
  CR0_alignmentMask,
  CR0_cacheDisable,
  CR0_emulation,
  CR0_extension,
  CR0_monitor,
  CR0_notWriteThrough,
  CR0_numericError,
  CR0_paging,
  CR0_protection,
  CR0_taskSwitched,
  CR0_writeProtect,
  CR4_debugging,
  CR4_fsgsbase,
  CR4_osxsave,
  CR4_pcid,
  CR4_physicalAddress,
  CR4_protectionKeys,
  CR4_timeStampDisable,
  CR4_userInstructions,
  DR6_fixed,
  DR6_writable,
  DR7_fixed,
  DR7_writable,
  EFER_longModeActive,
  EFER_longModeEnable,
  EXIT_hypercall,
  EXIT_taskPriority,
  FEATURE_pku,
  FEATURE_xsave,
  FSW_summary,
  RFLAGS_alignment,
  RFLAGS_interrupt,
  RFLAGS_ioPrivilege,
  S_control,
  S_cpl,
  S_debug,
  S_exitCode,
  S_fault,
  S_features,
  S_floatStatus,
  S_gdtBase,
  S_gdtLimit,
  S_idtBase,
  S_idtLimit,
  S_interruptRequest,
  S_msrs,
  S_priorityExits,
  S_recheck,
  S_segmentAccess,
  S_segmentBase,
  S_systemFlags,
  S_taskPriority,
  SEGMENT_cs,
  MSR_efer,
  VECTOR_deviceNotAvailable,
  VECTOR_floatError,
  VECTOR_generalProtection,
  VECTOR_invalidOpcode,
} from "./layout.generated";
import { loadSlow, storeSlow } from "../../../../engine/runtime/access.as";
import { deriveDebug, isDetected, leavesDone } from "../../interrupts/debug.as";
import { raiseWith } from "../../interrupts/deliver.as";
import { deriveFloat } from "./float/blocked.as";
import { setFlags } from "../../interrupts/flags.as";
import { shade } from "../../interrupts/load-segment.as";
import { flagsFrom, lookForInterrupts } from "../../interrupts/transfer.as";
import { derive, dropProcessContext } from "../../mmu/context.as";
import { dropAddress, dropAll, rightsChanged, setControl3 } from "../../mmu/invalidate.as";
import { hasPlainSegments, is64, isLongMode, isVirtual8086 } from "../../mmu/mode.as";
import { control0, control4, efer, isCanonical, pointersAreRight } from "../../mmu/translate.as";
import { LONG } from "../../interrupts/segments.as";

function protection(s: i32): void {
  raiseWith(s, VECTOR_generalProtection, 0);
}

/** Level 0 only. */
export function privileged(s: i32): void {
  if (load<i32>(s, S_cpl) != 0) protection(s);
}

/** Of instructions that are none at other levels. */
export function levelZeroOnly(s: i32): void {
  if (load<i32>(s, S_cpl) != 0) raiseWith(s, VECTOR_invalidOpcode, 0);
}

export function ioLevel(s: i32): i32 {
  return <i32>(load<u64>(s, S_systemFlags) & RFLAGS_ioPrivilege) >> 12;
}

// Flags.

export function clearInterruptFlag(s: i32): void {
  if (load<i32>(s, S_cpl) > ioLevel(s)) protection(s);
  else store<u64>(s, load<u64>(s, S_systemFlags) & ~(<u64>RFLAGS_interrupt), S_systemFlags);
}

export function setInterruptFlag(s: i32, next: i64): void {
  if (load<i32>(s, S_cpl) > ioLevel(s)) {
    protection(s);
    return;
  }
  const flags = load<u64>(s, S_systemFlags);
  if (flags & RFLAGS_interrupt) return;
  store<u64>(s, flags | RFLAGS_interrupt, S_systemFlags);
  shade(s, next);
  lookForInterrupts(s);
}

/** CLAC (0) and STAC (1), which are no instructions but at level 0. */
export function setAccessFlag(s: i32, set: i32): void {
  levelZeroOnly(s);
  if (load<i32>(s, S_fault)) return;
  const flags = load<u64>(s, S_systemFlags) & ~(<u64>RFLAGS_alignment);
  store<u64>(s, set ? flags | RFLAGS_alignment : flags, S_systemFlags);
  derive(s);
}

/** SGDT, SIDT, SLDT, STR and SMSW of outer levels, which CR4.UMIP keeps from them. */
export function tablesShown(s: i32): void {
  if (load<i32>(s, S_cpl) != 0 && control4(s) & CR4_userInstructions) protection(s);
}

/** In virtual-8086 mode: PUSHF, POPF, INT and IRET are there at the I/O privilege level of 3 alone. */
export function flagsAllowed(s: i32): void {
  if (isVirtual8086(s) && ioLevel(s) < 3) protection(s);
}

/** Of what real mode and virtual-8086 mode lack. */
export function protectedMode(s: i32): void {
  if (hasPlainSegments(s)) raiseWith(s, VECTOR_invalidOpcode, 0);
}

export function popFlags(s: i32, image: i64, size: i32): void {
  const before = load<u64>(s, S_systemFlags);
  // RF is cleared.
  setFlags(s, flagsFrom(s, image, size, load<i32>(s, S_cpl)) & ~0x10000);
  derive(s);
  if (!(before & RFLAGS_interrupt)) lookForInterrupts(s);
}

// Control registers.

/** Whether there is a control register of this number, and level 0 asks for it. */
function controlAllowed(s: i32, number: i32): bool {
  if (number == 0 || (number >= 2 && number <= 4) || number == 8) {
    privileged(s);
    return load<i32>(s, S_fault) == 0;
  }
  raiseWith(s, VECTOR_invalidOpcode, 0);
  return false;
}

export function machineStatus(s: i32): i64 {
  return load<i64>(s, S_control);
}

export function readControl(s: i32, number: i32): i64 {
  if (!controlAllowed(s, number)) return 0;
  if (number == 8) return load<i64>(s, S_taskPriority);
  return load<i64>(s + S_control + 8 * number);
}

const CR0_ALL: u64 =
  CR0_protection |
  CR0_monitor |
  CR0_emulation |
  CR0_taskSwitched |
  CR0_extension |
  CR0_numericError |
  CR0_writeProtect |
  CR0_alignmentMask |
  CR0_notWriteThrough |
  CR0_cacheDisable |
  CR0_paging;
/** Bits of CR4 that there are: what CPUID may offer. */
const CR4_ALL: u64 = 0x3f0fff;

function knownControl4(s: i32): u64 {
  const features = load<u64>(s, S_features);
  const keys: u64 = (features >> FEATURE_pku) & 1 ? CR4_protectionKeys : 0;
  const states: u64 = (features >> FEATURE_xsave) & 1 ? 0 : CR4_osxsave;
  return (CR4_ALL | keys) & ~states;
}

function setControl0(s: i32, value: u64): void {
  const old = control0(s);
  const wanted = (value & CR0_ALL) | CR0_extension;
  if (
    value >> 32 ||
    (wanted & CR0_notWriteThrough && !(wanted & CR0_cacheDisable)) ||
    (wanted & CR0_paging && !(wanted & CR0_protection))
  ) {
    protection(s);
    return;
  }
  if ((old ^ wanted) & CR0_paging && !pagingChanges(s, (wanted & CR0_paging) != 0)) {
    protection(s);
    return;
  }
  store<u64>(s, wanted, S_control);
  derive(s);
  if ((old ^ wanted) & (CR0_writeProtect | CR0_protection | CR0_paging)) rightsChanged(s);
}

/** Long mode begins and ends with paging. False: it may not begin or end here. */
function pagingChanges(s: i32, on: bool): bool {
  const old = efer(s);
  const pae = (control4(s) & CR4_physicalAddress) != 0;
  if (!on) {
    if (is64(s) || control4(s) & CR4_pcid) return false;
    store<u64>(s, old & ~(<u64>EFER_longModeActive), S_msrs + 8 * MSR_efer);
    return true;
  }
  if (!(old & EFER_longModeEnable)) return !pae || pointersAreRight(s, load<u64>(s, S_control + 24));
  // A code segment of 64 bits would be one at once.
  if (!pae || load<i32>(s, S_segmentAccess + 4 * SEGMENT_cs) & LONG) return false;
  store<u64>(s, old | EFER_longModeActive, S_msrs + 8 * MSR_efer);
  return true;
}

function setControl4(s: i32, value: u64): void {
  const old = control4(s);
  const begins = !(old & CR4_pcid) && (value & CR4_pcid) != 0;
  const long = isLongMode(s);
  const wrong = begins && (!long || (load<u64>(s, S_control + 24) & 0xfff) != 0);
  if (value & ~knownControl4(s) || (long && !(value & CR4_physicalAddress)) || wrong) {
    protection(s);
    return;
  }
  store<u64>(s, value, S_control + 32);
  deriveFloat(s);
  if (old != value) rightsChanged(s);
}

export function writeControl(s: i32, number: i32, value: i64): void {
  if (!controlAllowed(s, number)) return;
  switch (number) {
    case 0:
      setControl0(s, value);
      break;
    case 2:
      store<i64>(s, value, S_control + 16);
      break;
    case 3: {
      const kept: u64 = control4(s) & CR4_pcid ? 0x8000000000000000 : 0;
      const tables = !isLongMode(s) && control4(s) & CR4_physicalAddress && control0(s) & CR0_paging;
      if (value & 0xffffff0000000000 & ~kept || (tables && !pointersAreRight(s, value))) protection(s);
      else setControl3(s, value);
      break;
    }
    case 4:
      setControl4(s, value);
      break;
    case 8:
      if (value & ~15) protection(s);
      else {
        // What was held back by the priority is asked for once more.
        if (value < load<i64>(s, S_taskPriority)) {
          atomic.store<i32>(s + S_interruptRequest, 1);
          lookForInterrupts(s);
          if (load<i32>(s, S_priorityExits)) {
            leavesDone(s);
            store<i32>(s, EXIT_taskPriority, S_exitCode);
            store<i32>(s, 1, S_recheck);
          }
        }
        store<i64>(s, value, S_taskPriority);
      }
  }
}

export function clearTaskSwitched(s: i32): void {
  store<u64>(s, control0(s) & ~(<u64>CR0_taskSwitched), S_control);
  deriveFloat(s);
}

/** LMSW sets PE and never clears it. */
export function loadMachineStatus(s: i32, value: i64): void {
  setControl0(s, (control0(s) & ~0xe) | (value & 0xf));
}

/** The number of a debug register, or -1 after a fault: there is none, or level 0 does not ask, or DR7.GD. DR4 and DR5 are DR6 and DR7. */
function debugRegister(s: i32, number: i32): i32 {
  const which = number == 4 || number == 5 ? number + 2 : number;
  if (which > 7 || (which != number && control4(s) & CR4_debugging)) raiseWith(s, VECTOR_invalidOpcode, 0);
  else privileged(s);
  return load<i32>(s, S_fault) || isDetected(s) ? -1 : which;
}

export function readDebug(s: i32, number: i32): i64 {
  const which = debugRegister(s, number);
  if (which < 0) return 0;
  return load<i64>(s + S_debug + 8 * which);
}

export function writeDebug(s: i32, number: i32, value: i64): void {
  const which = debugRegister(s, number);
  if (which < 0) return;
  if (which >= 6) {
    if (<u64>value >> 32) {
      protection(s);
      return;
    }
    const fixed: u64 = which == 6 ? DR6_fixed : DR7_fixed;
    const writable: u64 = which == 6 ? DR6_writable : DR7_writable;
    store<u64>(s + S_debug + 8 * which, fixed | (value & writable));
  } else store<i64>(s + S_debug + 8 * which, value);
  if (which != 6) deriveDebug(s);
}

// Tables.

/** LGDT (0), LIDT (1). A base has 64 bits in 64-bit mode, else 32, of which an operand size of 16 takes 24. */
export function loadTable(s: i32, which: i32, address: i64, size: i32): void {
  const limit = <i32>loadSlow(s, address, 2, 0);
  if (load<i32>(s, S_fault)) return;
  let base = loadSlow(s, address + 2, is64(s) ? 8 : 4, 0);
  if (load<i32>(s, S_fault)) return;
  if (!is64(s) && size == 16) base &= 0xffffff;
  if (!isCanonical(base)) {
    protection(s);
    return;
  }
  store<i64>(s + (which ? S_idtBase : S_gdtBase), base);
  store<i32>(s + (which ? S_idtLimit : S_gdtLimit), limit);
}

export function storeTable(s: i32, which: i32, address: i64): void {
  storeSlow(s, address, 2, <i64>load<i32>(s + (which ? S_idtLimit : S_gdtLimit)), 0);
  if (!load<i32>(s, S_fault))
    storeSlow(s, address + 2, is64(s) ? 8 : 4, load<i64>(s + (which ? S_idtBase : S_gdtBase)), 0);
}

// Translations.

export function invalidatePage(s: i32, address: i64): void {
  if (isCanonical(address)) dropAddress(s, address);
}

export function invalidateContext(s: i32, type: i64, address: i64): void {
  const pcid = loadSlow(s, address, 8, 0);
  if (load<i32>(s, S_fault)) return;
  const linear = loadSlow(s, address + 8, 8, 0);
  if (load<i32>(s, S_fault)) return;
  const outside = !(control4(s) & CR4_pcid) && pcid != 0;
  if (<u64>type > 3 || (type < 2 && (<u64>pcid > 0xfff || outside)) || (type == 0 && !isCanonical(linear))) {
    protection(s);
    return;
  }
  if (type == 0) dropAddress(s, linear);
  else if (type == 1) dropProcessContext(s, <i32>pcid);
  else dropAll(s);
}

// Bases of FS and GS.

export function readBase(s: i32, segment: i32): i64 {
  if (!(control4(s) & CR4_fsgsbase)) raiseWith(s, VECTOR_invalidOpcode, 0);
  return load<i64>(s + 8 * segment, S_segmentBase);
}

export function writeBase(s: i32, segment: i32, value: i64): void {
  if (!(control4(s) & CR4_fsgsbase)) raiseWith(s, VECTOR_invalidOpcode, 0);
  else if (!isCanonical(value)) protection(s);
  else store<i64>(s + S_segmentBase + 8 * segment, value);
}

// Others.

export function readTimeStampAllowed(s: i32): void {
  if (control4(s) & CR4_timeStampDisable && load<i32>(s, S_cpl) != 0) protection(s);
}

/** FWAIT: no exception of the x87 waits. */
export function waitFloat(s: i32): void {
  if ((control0(s) & (CR0_taskSwitched | CR0_monitor)) == (CR0_taskSwitched | CR0_monitor)) {
    raiseWith(s, VECTOR_deviceNotAvailable, 0);
  } else if (load<i32>(s, S_floatStatus) & FSW_summary) raiseWith(s, VECTOR_floatError, 0);
}

export function hypercall(s: i32): void {
  leavesDone(s);
  store<i32>(s, EXIT_hypercall, S_exitCode);
}

/** The kind of an access of a probe: whether a byte can be stored. */
export function probeLoad(s: i32, address: i64): void {
  loadSlow(s, address, 1, 0);
}
