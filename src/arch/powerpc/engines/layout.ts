/**
 * Where a POWER vCPU's state lies in the VM's memory: its registers here, what the engine keeps in engine/layout.ts; every
 * offset is derived. The run-time library reads the same numbers from `layout.generated.ts`, which the build writes.
 */
import {
  codePages,
  type EngineField,
  engineErrors,
  engineExits,
  engineFields,
  engineRequests,
  engineVm,
  engineVmEnd,
  type Fields,
  type FieldType,
  layOut,
  softTlb,
  vcpuParts,
} from "../../../engine/layout.js";
import { vmLayout } from "../../../kvm/layout.js";
import { rootSize } from "../isa/decoder.js";
import type { IsaLevel } from "../isa/levels.js";
import type { Trap } from "../isa/machine.js";
import { type RegisterName, registers } from "../isa/registers.js";

/** Versions of the architecture in the order of the decode table's roots: the first is the default. */
export const decodeRoots = ["3.0", "2.07", "3.1"] as const satisfies readonly IsaLevel[];
/** Words from the decode table's begin to where processors of this version begin. */
export const decodeRoot = (level: IsaLevel): number => decodeRoots.indexOf(level) * rootSize;

export { Handler, jumpCache, smallTlb } from "../../../engine/layout.js";

const powerFields = {
  // [V] Register files.
  /** VSR 0 to 63; each a 128-bit little-endian integer, so that doubleword 0 lies at +8. */
  vsr: ["v128", 64],
  gpr: ["i64", 32],
  /** CR fields 0 to 7 as 4-bit numbers. */
  cr: ["i32", 8],
  // Reservation.
  /** Host address of the reserved granule, or 0 for none. */
  reserveAddress: ["i32", 1],
  reserveSize: ["i32", 1],
  /** The value then loaded, as it lay in storage. */
  reserveValue: ["i64", 2],
  /** Decrementer: the time base at which it passes zero. */
  decExpiry: ["i64", 1],
  /** 1: the decrementer has 32 bits, not 56. Goes by the PVR. */
  smallDecrementer: ["i32", 1],
  /** 1 while an expired decrementer has not been delivered or rewritten. */
  decPending: ["i32", 1],
  /** Added to the host's clock (in time base ticks) to give the time base. */
  tbOffset: ["i64", 1],
  /** MSR bits FP, VEC and VSX as a mask for a quick test: bit 0, 1, 2. Derived from MSR. */
  facilities: ["i32", 1],
  /** 1: the instruction of KVM_REG_PPC_DEBUG_INST leaves with ExitCode.debug instead of being illegal. */
  softwareBreakpoints: ["i32", 1],
  /** Which place in `prefixed` is taken for the next prefixed instruction. */
  nextPrefixed: ["i32", 1],
  /** The second word of the instruction that step() ran, if it is prefixed: beside `steppedWord`. */
  steppedSuffix: ["i32", 1],
  /** 1: sc with OSI's magic numbers leaves with ExitCode.osi (KVM_CAP_PPC_OSI). */
  osi: ["i32", 1],
  /**
   * Address of the decoded entry of the branch last taken, noted by the interpreter instead of writing CFAR; 0: CFAR is up
   * to date, as always outside the engine.
   */
  branchEntry: ["i32", 1],
  /** Three decimal floating-point numbers, digit by digit, while an instruction works on them: runtime/decimal/number.as.ts. */
  decimalNumbers: ["i64", 3 * 18],
  /** Segment look-aside buffer: 32 entries of RB and RS as slbmte wrote them; see mmu/slb.as.ts. */
  slb: ["i64", 64],
  /** Names what translations by segments depend on, in place of PID; +1 when any of it changes. */
  hashContext: ["i32", 1],
  /** Directed privileged doorbell pending. */
  doorbellPending: ["i32", 1],
  /** H_PROD. */
  prodded: ["i32", 1],
} as const satisfies Fields;

export type StateField = keyof typeof powerFields | keyof typeof largeFields | EngineField | RegisterName;

const named = Object.fromEntries(
  Object.entries(registers).map(([name, type]): [string, readonly [FieldType, number]] => [name, [type, 1]]),
) as Record<RegisterName, readonly [FieldType, number]>;
/** Last, so that the offsets of the others stay short. */
const largeFields = {
  /** Where the words of prefixed instructions lie, four numbers each: runtime/prefixed.as.ts. */
  prefixed: ["i32", 4 * 4096],
} as const satisfies Fields;

const built = layOut({ ...powerFields, ...named, ...engineFields, ...largeFields });
/** Type, count and byte offset of each field of the vCPU's state. */
export const state: typeof built.fields = built.fields;
/** Bytes of the register and bookkeeping part of a vCPU's state. */
export const stateSize = built.size;

/** Why the engine returned. */
export const ExitCode = {
  ...engineExits,
  /** sc 1: r3 is the hypercall's number, pc stands behind the sc. */
  hypercall: 16,
  /** A machine check for the user side; pc stands at the instruction. */
  machineCheck: 17,
  /** An OSI call (KVM_CAP_PPC_OSI); pc stands behind the sc. */
  osi: 18,
  /** One of KVM's own hypercalls (pv.ts); pc stands behind the sc. */
  pvCall: 19,
} as const;

/** What the engine cannot go on from. */
export const InternalError = {
  ...engineErrors,
  /** Translation is on, and the guest is to use a hashed page table that it has not got. */
  noHpt: 16,
  /** A machine check with MSR[ME] = 0. */
  checkstop: 17,
} as const;

/** What `raise` is told, of what an instruction asks for. */
export const trapCode = { illegal: 0, privileged: 1, trap: 2, floatEnabled: 3 } as const satisfies Record<Trap, number>;

/** Bits of `requests`. */
export const Request = {
  ...engineRequests,
  /** A System Reset interrupt is to be taken. */
  systemReset: 64,
} as const;

/** Pages of 64 KiB, as the guests use; smaller ones always take the slow path. */
export const tlb = softTlb(16, 4096, 1024);
export const codePage = codePages({
  ...{ unit: 4, longest: 8, usual: 1, pages: 3072, patience: 8, kinds: 2 },
  ...{ spanShift: tlb.pageShift, reachShift: tlb.pageShift },
});
export const vcpuLayout = vcpuParts(stateSize, tlb, codePage);

/**
 * What this architecture keeps in the VM's area (`vmLayout.arch` of src/kvm/layout.ts). Offsets are addresses.
 */
export const archLayout = {
  ...engineVm,
  /** Threads a core (KVM_CAP_PPC_SMT): 0 or 1 for one, else 2, 4 or 8. [I] */
  smt: engineVmEnd,
  /** 1: radix translation, 0: hash. */
  radix: vmLayout.arch + 20,
  /** Process table: guest physical base i64, and size as PRTS (entries: 2^(12+PRTS) bytes) i32. Both 0: none yet. */
  processTableBase: vmLayout.arch + 24,
  processTableSize: vmLayout.arch + 32,
  /** H_SET_MODE: alternate interrupt location, 0, 2 or 3 (LPCR[AIL]). */
  ail: vmLayout.arch + 36,
  /** H_SET_MODE: interrupts are taken little-endian (LPCR[ILE]): 0 or 1. */
  interruptLittleEndian: vmLayout.arch + 40,
  /** Held while a 16-byte store conditional compares and stores. [A] */
  quadLock: vmLayout.arch + 44,
  /** 1: machine checks go to the user side (KVM_CAP_PPC_FWNMI). */
  fwnmi: vmLayout.arch + 48,
  /**
   * [A] Hashed page table (mmu/hpt.ts): its address, a multiple of 64 KiB, and in the low bits log2 of its bytes; 0 without
   * one. Behind it lies a bit for each entry that changed.
   */
  hpt: vmLayout.arch + 52,
  /** [A] */
  hptLock: vmLayout.arch + 56,
  /** [A] 1: sc in supervisor state with KVM's magic number in r0 leaves with ExitCode.pvCall (KVM_PPC_GET_PVINFO). */
  pvCalls: vmLayout.arch + 60,
} as const;
