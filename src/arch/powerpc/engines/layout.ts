/**
 * Where a vCPU's state lies in the VM's memory: declared once here; every offset is derived. The run-time library reads
 * the same numbers from `layout.generated.ts`, which the build writes from this table.
 *
 * All of it is plain data, so any thread that has the memory can run the vCPU, and a snapshot is a copy.
 * [V] its vCPU's thread only while it runs; [A] other threads touch it too, with Atomics.
 */
import { vmLayout } from "../../../kvm/layout.js";
import { type RegisterName, registers } from "../isa/registers.js";

type FieldType = "i32" | "i64" | "v128";
interface Field {
  readonly type: FieldType;
  readonly count: number;
  readonly offset: number;
}
const sizeOf = { i32: 4, i64: 8, v128: 16 } as const;

const declared = {
  // [V] Register files.
  /** VSR 0 to 63; each a 128-bit little-endian integer, so that doubleword 0 lies at +8. */
  vsr: ["v128", 64],
  gpr: ["i64", 32],
  /** CR fields 0 to 7 as 4-bit numbers. */
  cr: ["i32", 8],
  /** Current (next to execute) instruction address. */
  pc: ["i64", 1],
  // Named registers follow from isa/registers.ts.

  // [V] The engine's own.
  /** Set non-zero by a run-time routine that raised an interrupt instead of returning: the instruction is over. */
  fault: ["i32", 1],
  /** Why the engine returns to its caller: an ExitCode. */
  exitCode: ["i32", 1],
  /** Instructions left in this slice, times 8 (bytes of decoded code); may be negative by the length of a block. */
  budget: ["i32", 1],
  /** Nonzero: the next branch looks for requests and interrupts (context changed by the guest itself). */
  recheck: ["i32", 1],
  /** Instructions completed since the vCPU was created. */
  instructions: ["i64", 1],
  /** [V] Time base at which run() returns with ExitCode.none, for a caller that shares its thread; 0: never. */
  leaveAt: ["i64", 1],
  /** 1: the run-time library calls `env.sampled` at the end of each slice, for a translator that wants to know what is hot. */
  sampling: ["i32", 1],
  /** Ways out of regions until the next one that is a sample. */
  exitsToSample: ["i32", 1],
  /** Slices that are to be short, since another vCPU may be waiting. */
  shortSlices: ["i32", 1],
  /** What `budget` was when the running slice began. */
  sliceLength: ["i32", 1],
  /** Current soft-TLB table (address) and tag bits for data accesses in the present context. */
  tlb: ["i32", 1],
  asid: ["i64", 1],
  /** The same for instruction fetch. */
  fetchTlb: ["i32", 1],
  fetchAsid: ["i64", 1],
  /** Contexts (PID, privilege, keys; see mmu/context.as.ts) that have an asid: pairs of key and asid, 0 for none. */
  contexts: ["i64", 2 * 516],
  /** Part of every key in `contexts`: a new one forgets them all. */
  contextGeneration: ["i64", 1],
  /** How many asids of each soft-TLB table are in use. */
  tableNext: ["i32", 8],
  /** Bytes of generated code that the vCPU's translator keeps, a part of the process's budget (src/vac). */
  codeBytes: ["i32", 1],
  /** Position in the VM's list of vCPUs: the bit in codeOwners. Set by reset(). */
  vcpuIndex: ["i32", 1],
  /**
   * Address of the vCPU's code maps: one i32 per 4 KiB page below ramLimit (little-endian code), then again for big-endian:
   * the address of the page's code page, or 0.
   */
  codeMaps: ["i32", 1],
  /** Code map for instruction fetch in the present byte order. Derived from MSR. */
  codeMap: ["i32", 1],
  /** Which code page is taken for the next new page of code. */
  nextCodePage: ["i32", 1],
  /** Bytes of an access that is put together from two pages. */
  crossing: ["v128", 1],
  // Reservation.
  /** Host address of the reserved granule, or 0 for none. */
  reserveAddress: ["i32", 1],
  reserveSize: ["i32", 1],
  /** The value then loaded, as it lay in storage. */
  reserveValue: ["i64", 2],
  /** Decrementer: the time base at which it passes zero. */
  decExpiry: ["i64", 1],
  /** 1 while an expired decrementer has not been delivered or rewritten. */
  decPending: ["i32", 1],
  /** Added to the host's clock (in time base ticks) to give the time base. */
  tbOffset: ["i64", 1],
  /** Which interpreter table this vCPU uses: bit 0 MSR[LE], bit 1 MSR[SF]; bit 2: one instruction at a time, for MSR[SE] or MSR[BE]. Derived from MSR. */
  mode: ["i32", 1],
  /** MSR bits FP, VEC and VSX as a mask for a quick test: bit 0, 1, 2. Derived from MSR. */
  facilities: ["i32", 1],
  /** Vector of the interrupt last raised, for the trace. */
  lastInterrupt: ["i32", 1],
  /** 1: leave soon after every interrupt, so that it can be traced. */
  traceInterrupts: ["i32", 1],
  /** 1: `env.mmuEvent` is called for what happens in translation. */
  traceMmu: ["i32", 1],
  /** 1: the instruction of KVM_REG_PPC_DEBUG_INST leaves with ExitCode.debug instead of being illegal. */
  softwareBreakpoints: ["i32", 1],
  /** 1: sc with OSI's magic numbers leaves with ExitCode.osi (KVM_CAP_PPC_OSI). */
  osi: ["i32", 1],
  /** 1: CIABR or the user of KVM has a breakpoint; the latter's. */
  breaking: ["i32", 1],
  breakCount: ["i32", 1],
  breakAddress: ["i64", 16],
  /** 1: DAWR0 or the user of KVM watches data; the latter's addresses, and KVMPPC_DEBUG_WATCH_* of each. */
  watching: ["i32", 1],
  watchCount: ["i32", 1],
  watchAddress: ["i64", 16],
  watchKind: ["i32", 16],
  /** Where the instruction that step() ran stood, and its word; whoever steps sets -1 before, to know if any ran. */
  steppedAt: ["i64", 1],
  steppedWord: ["i32", 1],
  /** Its first storage access: 0 none, 1 a load, 2 a store; and the effective address. */
  steppedAccess: ["i32", 1],
  steppedAddress: ["i64", 1],
  /**
   * Address of the decoded entry of the branch last taken, noted by the interpreter instead of writing CFAR; 0: CFAR is up
   * to date, as always outside the engine.
   */
  branchEntry: ["i32", 1],
  /** The last page that could not be fetched or the entry looked up, for the interpreter: result of `fetch`. */
  fetchPage: ["i32", 1],

  // Exit record: what the KVM core reads when the engine returns. [V]
  exitAddress: ["i64", 1],
  exitData: ["i64", 2],
  exitSize: ["i32", 1],
  exitWrite: ["i32", 1],
  /** MMIO accesses of one instruction that user space has completed; the instruction is run again and consumes them. */
  mmioCompleted: ["i32", 1],
  mmioConsumed: ["i32", 1],
  /** Nonzero while the instruction that made an MMIO exit is run again. */
  mmioReplay: ["i32", 1],
  mmioValues: ["i64", 64],
  /** Three decimal floating-point numbers, digit by digit, while an instruction works on them: runtime/decimal/number.as.ts. */
  decimalNumbers: ["i64", 3 * 18],
  /** Segment look-aside buffer: 32 entries of RB and RS as slbmte wrote them; see mmu/slb.as.ts. */
  slb: ["i64", 64],
  /** Names what translations by segments depend on, in place of PID; +1 when any of it changes. */
  hashContext: ["i32", 1],
  /** Dirty ring: address (0 none), entries, entries filled, entries taken back [A]. See kvm/dirty-ring.ts. */
  dirtyRing: ["i32", 4],
  /** 1: leave after every instruction (guest debug). */
  singleStep: ["i32", 1],

  // [A] Written by other threads.
  /** Request bits, see Request. Nonzero makes the vCPU look at the next slice end. */
  requests: ["i32", 1],
  /** 1 while an interrupt controller asserts the external interrupt. */
  externalPending: ["i32", 1],
  /** Directed privileged doorbell pending. */
  doorbellPending: ["i32", 1],
  /** immediate_exit of kvm_run. */
  immediateExit: ["i32", 1],
  /** 0 outside the guest, 1 in guest code. Another thread that needs a request done waits for 0 or for the bit to clear. */
  inGuest: ["i32", 1],
  /** Wakes a halted vCPU (Atomics.wait). */
  wake: ["i32", 1],
  /** H_PROD. */
  prodded: ["i32", 1],
  /**
   * Translations to drop, for Request.dropPages: a bit for each set of the soft TLB (bits 16 to 25 of an effective address),
   * so that it cannot overflow; before it, a bit for each of its words that is not 0.
   */
  dropWords: ["i32", 1],
  dropSets: ["i32", 32],
  /** Mailbox of pages to drop from the instruction cache and the write TLB: a ring of 64 and its counters. */
  mailHead: ["i32", 1],
  mailTail: ["i32", 1],
  mail: ["i32", 64],

  // [V] Statistics.
  statTlbMiss: ["i64", 1],
  statDecode: ["i64", 1],
  statInterrupt: ["i64", 1],
  /** Instructions that ran translated, times 8 as in `budget`, and how often a region was entered. */
  statTranslated: ["i64", 1],
  statRegionRuns: ["i64", 1],
  statSlices: ["i64", 1],
  /** Accesses that found their page in the second level of the soft TLB, modulo 2^32. */
  smallHits: ["i32", 1],
} as const satisfies Record<string, readonly [FieldType, number]>;

export type StateField = keyof typeof declared | RegisterName;

function build(): { readonly fields: Readonly<Record<StateField, Field>>; readonly size: number } {
  const all: [string, FieldType, number][] = [];
  for (const [name, [type, count]] of Object.entries(declared)) all.push([name, type, count]);
  for (const [name, type] of Object.entries(registers)) all.push([name, type, 1]);
  // Widest first keeps every field aligned without padding; the register files come first within each.
  const order: FieldType[] = ["v128", "i64", "i32"];
  const fields: Record<string, Field> = {};
  let offset = 0;
  for (const type of order) {
    for (const [name, t, count] of all) {
      if (t !== type) continue;
      if (name in fields) throw new Error(`state field ${name} is declared twice`);
      fields[name] = { type, count, offset };
      offset += sizeOf[type] * count;
    }
  }
  return { fields: fields as Record<StateField, Field>, size: offset };
}

const built = build();
/** Type, count and byte offset of each field of the vCPU's state. */
export const state = built.fields;
/** Bytes of the register and bookkeeping part of a vCPU's state. */
export const stateSize = built.size;

/** Why the engine returned. */
export const ExitCode = {
  /** The slice is used up, or someone asked: nothing for the guest to notice. */
  none: 0,
  /** sc 1: r3 is the hypercall's number, pc stands behind the sc. */
  hypercall: 1,
  /** exitAddress, exitSize, exitWrite, exitData: an access outside memory; the instruction has not completed. */
  mmio: 2,
  /** A hot address, exitAddress (physical): the translator may make a region of it. */
  hot: 3,
  /** Single step or breakpoint. */
  debug: 4,
  /** The engine cannot go on: exitData says why. */
  internalError: 5,
  /** The guest asked to wait (H_CEDE is a hypercall; this is `wait` and stop states). */
  halted: 6,
  /** The dirty ring has only its reserve left; the instruction has not completed. */
  dirtyRingFull: 7,
  /** A machine check for the user side; pc stands at the instruction. */
  machineCheck: 8,
  /** An OSI call (KVM_CAP_PPC_OSI); pc stands behind the sc. */
  osi: 9,
  /** One of KVM's own hypercalls (pv.ts); pc stands behind the sc. */
  pvCall: 10,
} as const;

/** Bits of `requests`. */
export const Request = {
  /** Drop every soft-TLB entry. */
  flushTlb: 1,
  /** Read the mailbox: pages of code that were written. */
  mail: 2,
  /** Drop all decoded instructions (the mailbox overflowed). */
  flushCode: 4,
  /** An interrupt may have become pending. */
  interrupt: 8,
  /** Return to the caller of run(). */
  leave: 16,
  /** Registers were written from outside: renew what derives from them (mode, facilities, tlb, asid, fetch...). */
  context: 32,
  /** A System Reset interrupt is to be taken. */
  systemReset: 64,
  /** Drop the soft TLB's entries that `dropSets` names. */
  dropPages: 128,
} as const;

/**
 * Soft TLB: `tables` direct-mapped tables per vCPU, `entries` entries each, of 32 bytes:
 *   +0 read tag i64, +8 write tag i64, +16 execute tag i64, +24 addend i32 (host address - low 32 bits of the effective
 *   address), +28 physical page number (of the entry's page size) i32.
 * A tag is (effective address of the 64 KiB page) | asid, asid in bits 0 to 11, never 0; an empty tag is 0. An access is a
 * hit if ((ea + size - 1) & ~0xffff | asid) equals the tag, so one that crosses the page misses.
 */
export const tlb = {
  pageShift: 16,
  entries: 1024,
  entrySize: 32,
  tables: 8,
  readTag: 0,
  writeTag: 8,
  executeTag: 16,
  addend: 24,
  physicalPage: 28,
  asidBits: 12,
} as const;

/** Second level for pages below 64 KiB: 4 KiB entries of the same format, looked up by the slow path only. */
export const smallTlb = { pageShift: 12, entries: 2048, entrySize: 32 } as const;

/**
 * Decoded instructions, per vCPU: pages of 4 KiB of guest code, each instruction an 8-byte entry
 * (+0 handler number i32, 0 = not decoded yet; +4 instruction word in the order of the manual), then a sentinel entry
 * (handler 1, "next page"), then: +8200 physical page number of the code, |2^31 if big-endian; +8208 effective address
 * through which it was last entered, for CFAR.
 */
export const codePage = {
  shift: 12,
  instructions: 1024,
  entrySize: 8,
  size: 1024 * 8 + 24,
  pages: 3072,
  physical: 1024 * 8 + 8,
  /** i32: 1 once it was fetched through a page smaller than the soft TLB's large ones. */
  small: 1024 * 8 + 12,
  effective: 1024 * 8 + 16,
} as const;

/** Handler numbers with a fixed meaning. The decode table's ids are handler numbers; its 0 (no instruction) gives `illegal`. */
export const Handler = { undecoded: 0, nextPage: 1, region: 2, illegal: 3, first: 4 } as const;

/** Byte offsets from a vCPU's base of its parts, and the whole size. */
export const vcpuLayout = (() => {
  const align = (n: number, a: number) => Math.ceil(n / a) * a;
  const tlbAt = align(stateSize, 4096);
  const smallTlbAt = tlbAt + tlb.tables * tlb.entries * tlb.entrySize;
  const codeAt = smallTlbAt + smallTlb.entries * smallTlb.entrySize;
  const size = align(codeAt + codePage.pages * codePage.size, 65536);
  return { tlb: tlbAt, smallTlb: smallTlbAt, code: codeAt, size } as const;
})();

/**
 * What this architecture keeps in the VM's area (`vmLayout.arch` of src/kvm/layout.ts). Offsets are addresses.
 */
export const archLayout = {
  /** Guest physical memory that may hold code ends here (i64). */
  ramLimit: vmLayout.arch,
  /**
   * Address of one i32 per 64 KiB of guest physical memory below ramLimit: bit n set if vCPU n has decoded code of it
   * (bit 23 stands for vCPU 23 and all above); bits 24 to 31 count how often stores have hit such code. [A]
   */
  codeOwners: vmLayout.arch + 8,
  /** Threads a core (KVM_CAP_PPC_SMT): 0 or 1 for one, else 2, 4 or 8. [I] */
  smt: vmLayout.arch + 12,
  /** Bytes of one vCPU's two code maps; 0 until the VM first runs. */
  codeMapSize: vmLayout.arch + 16,
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
