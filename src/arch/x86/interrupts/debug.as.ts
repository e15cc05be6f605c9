/**
 * Debug registers: breakpoints before an instruction, which are faults; on data and ports, which are traps behind it; single
 * steps; and who is told, the guest or who uses KVM (KVM_SET_GUEST_DEBUG). What engines do for them is told in
 * engine/runtime/debug.as.ts. Source: Intel SDM, volume 3, "Debug, Branch Profile, TSC, and Intel Resource Director Technology
 * Features"; AMD APM, volume 2, "Software-Debug Resources".
 *
 * What has hit something on its way starts over alone, and only then notes it: behind an instruction that runs alone somebody looks.
 */
import {
  ACCESS_fetch,
  ACCESS_store,
  ARCH_ramLimit,
  CR4_debugging,
  DEBUGCONTROL_branchStep,
  DR6_detected,
  DR6_fixed,
  DR6_matched,
  DR6_step,
  DR7_detects,
  ENDING_decided,
  EXIT_debug,
  GUESTDBG_hardware,
  GUESTDBG_singleStep,
  GUESTDBG_software,
  MODE_alone,
  MSR_debugControl,
  RFLAGS_resume,
  RFLAGS_trap,
  S_breaking,
  S_control,
  S_debug,
  S_debugHits,
  S_debugPending,
  S_ending,
  S_exitAddress,
  S_exitCode,
  S_exitData,
  S_exitSize,
  S_fault,
  S_guestDebug,
  S_hostDebug,
  S_mode,
  S_msrs,
  S_pc,
  S_recheck,
  S_shadow,
  S_shadowAt,
  S_steppedAt,
  S_steppedWord,
  S_systemFlags,
  S_watching,
  SHADOW_begunByStack,
  SHADOW_leftByStack,
  VECTOR_breakpoint,
  VECTOR_debug,
} from "../engines/runtime/layout.generated";
import { dropOffset } from "../../../engine/runtime/code-pages.as";
import { dropPage } from "../../../engine/runtime/tlb.as";
import { isIntel } from "../engines/runtime/vendor.as";
import { is64 } from "../mmu/mode.as";
import { physical, translate } from "../mmu/translate.as";
import { byteAt } from "../mmu/stack-operand.as";
import { deliverFault, deliverTrap, deliverTrapAt, softwareInterrupt } from "./deliver.as";

/** What a breakpoint is on, as DR7 has it; accesses of both kinds. */
const EXECUTE = 0;
const WRITE = 1;
const PORT = 2;
const ACCESS = 3;

const DR6 = 6 * 8;
const DR7 = 7 * 8;
const PAGE: u64 = 0xfff;

/** Where DR0 to DR7 are that are looked at: the guest's, or those of who uses KVM. */
function registersInUse(s: i32): i32 {
  return s + (load<i32>(s, S_guestDebug) & GUESTDBG_hardware ? S_hostDebug : S_debug);
}

function isEnabled(control: u32, number: i32): bool {
  return ((control >> (2 * number)) & 3) != 0;
}

function kindOf(control: u32, number: i32): i32 {
  return <i32>(control >> (16 + 4 * number)) & 3;
}

/** How many bytes it is on: where that is an instruction, its first. */
function bytesOf(control: u32, number: i32): u64 {
  const length = (control >> (18 + 4 * number)) & 3;
  return kindOf(control, number) == EXECUTE ? 1 : length == 2 ? 8 : length + 1;
}

/**
 * DR7 or an address in use has been written: translations of the pages that are named go, so that who accesses one is looked at,
 * and who fetches from one comes by `guestEntersPage`. Systems write DR7 with every exception and in every switch between programs
 * of which one has a breakpoint.
 */
export function deriveDebug(s: i32): void {
  const registers = registersInUse(s);
  const control = load<u32>(registers, DR7);
  let breaks = false;
  let watches = false;
  for (let i = 0; i < 4; i++) {
    if (!isEnabled(control, i)) continue;
    const kind = kindOf(control, i);
    if (kind == EXECUTE) breaks = true;
    else watches = true;
    const address = load<u64>(registers + 8 * i);
    if (kind != PORT) dropPage(s, address & ~PAGE);
    // Regions over a large page go on from its other 4 KiB without a fetch.
    if (kind == EXECUTE && translate(s, address, ACCESS_fetch) == 0 && physical < load<u64>(ARCH_ramLimit)) {
      dropOffset(s, <i32>(physical >> 12), <i32>(address & PAGE));
    }
  }
  store<i32>(s, breaks, S_breaking);
  store<i32>(s, watches, S_watching);
}

/** Bits of DR6: which breakpoints of these kinds (a set of bits) are on any of these bytes. */
function matches(s: i32, at: u64, size: u64, kinds: i32): i32 {
  const registers = registersInUse(s);
  const control = load<u32>(registers, DR7);
  let found = 0;
  for (let i = 0; i < 4; i++) {
    if (!isEnabled(control, i) || !((kinds >> kindOf(control, i)) & 1)) continue;
    const bytes = bytesOf(control, i);
    const first = load<u64>(registers + 8 * i) & ~(bytes - 1);
    if (first - at < size || at - first < bytes) found |= 1 << i;
  }
  return found;
}

// Who is told.

function isUsers(s: i32): bool {
  return (load<i32>(s, S_guestDebug) & (GUESTDBG_singleStep | GUESTDBG_hardware)) != 0;
}

function leaveForUser(s: i32, vector: i32, causes: u64): void {
  store<u64>(s, load<u64>(s, S_pc), S_exitAddress);
  store<u64>(s, causes, S_exitData);
  store<i32>(s, vector, S_exitSize);
  store<i32>(s, EXIT_debug, S_exitCode);
}

/** Matches are of this exception alone; what else DR6 says stays until somebody clears it. */
function noteCauses(s: i32, causes: u64): void {
  store<u64>(s, (load<u64>(s, S_debug + DR6) & ~(<u64>DR6_matched)) | DR6_fixed | causes, S_debug + DR6);
}

function takePending(s: i32): u64 {
  const pending = load<u32>(s, S_debugPending);
  store<i32>(s, 0, S_debugPending);
  return <u64>pending;
}

/** Behind an instruction: traps for these causes, bits of DR6. */
export function trapFor(s: i32, causes: u64): void {
  if (!isUsers(s)) {
    noteCauses(s, causes);
    deliverTrap(s, VECTOR_debug);
    return;
  }
  // While it steps there is a step behind every instruction.
  leaveForUser(s, VECTOR_debug, load<i32>(s, S_guestDebug) & GUESTDBG_singleStep ? causes | DR6_step : causes);
}

/** A trap that waits is taken, before what comes from outside. */
export function trapForPending(s: i32): void {
  trapFor(s, takePending(s));
}

// Before an instruction.

/** Whether the instruction at pc is the one behind MOV SS or POP SS. */
function isBehindStackLoad(s: i32): bool {
  const shadow = load<i32>(s, S_shadow);
  if (shadow != SHADOW_begunByStack && shadow != SHADOW_leftByStack) return false;
  return load<u64>(s, S_shadowAt) == load<u64>(s, S_pc);
}

/** Whether there may be a breakpoint on instructions at this offset in a 4 KiB page, of whatever page it is. */
export function guestBreaksAt(s: i32, offset: i32): bool {
  const registers = registersInUse(s);
  const control = load<u32>(registers, DR7);
  for (let i = 0; i < 4; i++) {
    if (!isEnabled(control, i) || kindOf(control, i) != EXECUTE) continue;
    if (<i32>(load<u64>(registers + 8 * i) & PAGE) == offset) return true;
  }
  return false;
}

/** What was decoded where there are breakpoints now goes when their page, here a physical one, is first fetched from. */
export function guestEntersPage(s: i32, pc: u64, page: i32): void {
  const registers = registersInUse(s);
  const control = load<u32>(registers, DR7);
  for (let i = 0; i < 4; i++) {
    const address = load<u64>(registers + 8 * i);
    if (!isEnabled(control, i) || kindOf(control, i) != EXECUTE || (address ^ pc) & ~PAGE) continue;
    dropOffset(s, page, <i32>(address & PAGE));
  }
}

/** Before the instruction at pc is fetched. True: a breakpoint is on it, and somebody has been told. */
export function guestStopsHere(s: i32): bool {
  if (load<u64>(s, S_systemFlags) & RFLAGS_resume) return false;
  // Intel's processors lift no breakpoint there, AMD's do.
  if (isBehindStackLoad(s) && isIntel(s)) return false;
  const found = matches(s, load<u64>(s, S_pc), 1, 1 << EXECUTE);
  if (!found) return false;
  // The look costs what keeps a guest whose handler stops itself from going on for ever.
  store<i32>(s, 1, S_recheck);
  const causes = takePending(s) | <u64>found;
  if (isUsers(s)) leaveForUser(s, VECTOR_debug, causes);
  else {
    noteCauses(s, causes);
    deliverFault(s, VECTOR_debug, 0);
  }
  return true;
}

/** Before MOV to or from a debug register. True: it is detected (DR7.GD), and does not happen. */
export function isDetected(s: i32): bool {
  if (!(load<u32>(registersInUse(s), DR7) & DR7_detects)) return false;
  store<i32>(s, 1, S_fault);
  if (isUsers(s)) {
    leaveForUser(s, VECTOR_debug, DR6_detected);
    return true;
  }
  noteCauses(s, DR6_detected);
  // Unlike a breakpoint's fault, this one has RF pushed.
  store<u64>(s, load<u64>(s, S_systemFlags) | RFLAGS_resume, S_systemFlags);
  deliverFault(s, VECTOR_debug, 0);
  return true;
}

// In an instruction.

/** What was hit traps behind the instruction. True: it starts over, alone. */
function notes(s: i32, found: i32): bool {
  if (!found) return false;
  const mode = load<i32>(s, S_mode);
  if (!(mode & MODE_alone)) {
    store<i32>(s, mode | MODE_alone, S_mode);
    store<i32>(s, 1, S_fault);
    return true;
  }
  store<i32>(s, load<i32>(s, S_debugHits) | found, S_debugHits);
  return false;
}

/** Whether a breakpoint on data is on any of the bytes of this page. */
export function guestWatchesPage(s: i32, page: u64, mask: u64): bool {
  return matches(s, page, mask + 1, (1 << WRITE) | (1 << ACCESS)) != 0;
}

/** Before a data access that is about to happen. True: it does not, and the instruction starts over. */
export function guestWatches(s: i32, ea: u64, size: i32, access: i32): bool {
  return notes(s, matches(s, ea, size, access == ACCESS_store ? (1 << WRITE) | (1 << ACCESS) : 1 << ACCESS));
}

/** The same of an access to ports. */
export function guestWatchesPorts(s: i32, port: i32, bytes: i32): bool {
  if (!load<i32>(s, S_watching) || !(load<u64>(s, S_control + 32) & CR4_debugging)) return false;
  return notes(s, matches(s, port, bytes, 1 << PORT));
}

/** INT3: the user's debugger's, if it wants them. */
export function breakpointInterrupt(s: i32, next: i64): void {
  if (load<i32>(s, S_guestDebug) & GUESTDBG_software) leaveForUser(s, VECTOR_breakpoint, 0);
  else softwareInterrupt(s, VECTOR_breakpoint, next);
}

/** INT1, which takes with it what has waited for it. It asks no gate for its privilege. */
export function debugInterrupt(s: i32, next: i64): void {
  if (isUsers(s)) {
    leaveForUser(s, VECTOR_debug, 0);
    return;
  }
  noteCauses(s, takePending(s));
  deliverTrapAt(s, VECTOR_debug, next);
}

// Behind an instruction.

/** After it, the next one runs alone too. */
export function runsAlone(s: i32): bool {
  return (load<u64>(s, S_systemFlags) & (RFLAGS_trap | RFLAGS_resume)) != 0 || load<i32>(s, S_debugPending) != 0;
}

/** SYSCALL and SYSRET: TF as they leave it asks for a step behind them. */
export function stepByNewFlags(s: i32): void {
  store<i32>(s, load<i32>(s, S_ending) | ENDING_decided, S_ending);
  if (!(load<u64>(s, S_systemFlags) & RFLAGS_trap)) return;
  store<i32>(s, load<i32>(s, S_debugPending) | DR6_step, S_debugPending);
  store<i32>(s, 1, S_recheck);
}

/** The engine leaves with the instruction done; nothing else looks behind it. */
export function leavesDone(s: i32): void {
  const flags = load<u64>(s, S_systemFlags);
  store<u64>(s, flags & ~(<u64>RFLAGS_resume), S_systemFlags);
  if (!(flags & RFLAGS_trap) || load<i32>(s, S_guestDebug) & GUESTDBG_singleStep) return;
  store<i32>(s, load<i32>(s, S_debugPending) | DR6_step, S_debugPending);
}

/**
 * Whether the instruction at pc, which has just been left for itself, is one that does a part each time: a repeated string
 * instruction or a gather, and not a jump to itself.
 */
export function repeats(s: i32): bool {
  const pc = load<u64>(s, S_pc);
  for (let i = 0; i < 15; i++) {
    const byte = byteAt(s, pc + i);
    if (byte == 0xf2 || byte == 0xf3 || byte == 0xc4) return true;
    const isPrefix = (byte & 0xe7) == 0x26 || (byte >= 0x64 && byte <= 0x67) || byte == 0xf0;
    if (!isPrefix) return false;
  }
  return false;
}

/** Whether a single step ends with the instruction that ran alone: with IA32_DEBUGCTL.BTF only if it has gone elsewhere. */
export function isStep(s: i32, between: bool): bool {
  if (!(load<u64>(s, S_msrs + 8 * MSR_debugControl) & DEBUGCONTROL_branchStep)) return true;
  const next = load<u64>(s, S_steppedAt) + (load<i32>(s, S_steppedWord) & 15);
  return !between && load<u64>(s, S_pc) != (is64(s) ? next : next & 0xffffffff);
}
