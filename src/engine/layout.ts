/**
 * What the engine keeps of a vCPU in the VM's memory, for any architecture, and what may differ between architectures as
 * parameters. An architecture's own layout file adds its registers and exports all of it; the run-time library reads the
 * same numbers from `layout.generated.ts`, which the build writes (numbers.ts).
 *
 * All of it is plain data, so any thread that has the memory can run the vCPU, and a snapshot is a copy.
 * [V] its vCPU's thread only while it runs; [A] other threads touch it too, with Atomics.
 */

import { dirtyRing, vmLayout } from "../kvm/layout.js";

export type FieldType = "i32" | "i64" | "f64" | "v128";
export interface Field {
  readonly type: FieldType;
  readonly count: number;
  /** Bytes from the state's address. */
  readonly offset: number;
}
/** Fields as they are declared: a type, and how many of it. */
export type Fields = Readonly<Record<string, readonly [FieldType, number]>>;
const sizeOf = { i32: 4, i64: 8, f64: 8, v128: 16 } as const;

/** A table of the soft TLB has no more entries for data, and at least 1024. */
const tlbLimit = 16384;
/** Bytes of `jumpPages`; no more than entries of a table of the soft TLB, so that a set of those belongs to one. */
const jumpPages = 1024;

/** The fields that the engine itself works with. [V] where nothing else is said. */
export const engineFields = {
  /** Current (next to execute) instruction address. */
  pc: ["i64", 1],
  /**
   * Which of the interpreter's cores this vCPU uses, and above these bits, one: an instruction at a time, for what the
   * architecture does after each. Derived from registers.
   */
  mode: ["i32", 1],
  /** Words from the decode tables' begin to the root that this vCPU's instructions are decoded from. */
  decodeRoot: ["i32", 1],
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
  /** What an entry of the jump cache must have been filled in to count: fetchAsid, the kind of code, jumpGeneration. */
  jumpContext: ["i32", 1],
  /** Changes when an entry of the jump cache may have become wrong; a multiple of `jumpCache.generation`. */
  jumpGeneration: ["i32", 1],
  /** A byte for all pages of the soft TLB with the same low bits: 1 if the jump cache may hold an address in one of them. */
  jumpPages: ["i64", jumpPages / 8],
  /** Contexts that translations belong to that have an asid: pairs of key and asid, 0 for none. */
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
   * Address of the vCPU's code maps: one i32 per 4 KiB page below ramLimit, the address of the page's code page or 0; then
   * again for code of each other kind.
   */
  codeMaps: ["i32", 1],
  /**
   * Address of a map of the soft TLB's pages below ramLimit, one i32 for each: the entry through which it may be stored to, 0, or -1 if
   * there may be several. 0: there is no such map.
   */
  writers: ["i32", 1],
  /** Code map for instruction fetch in the present kind of code. Derived from registers. */
  codeMap: ["i32", 1],
  /** Which code page is taken for the next new page of code. */
  nextCodePage: ["i32", 1],
  /** So many code pages, from the first on, have been taken since the vCPU was made: the others hold nothing. */
  codePagesTaken: ["i32", 1],
  /** Bytes of an access that is put together from two pages. */
  crossing: ["v128", 1],
  /** Vector of the interrupt last raised, for the trace. */
  lastInterrupt: ["i32", 1],
  /** 1: leave soon after every interrupt, so that it can be traced. */
  traceInterrupts: ["i32", 1],
  /** 1: `env.mmuEvent` is called for what happens in translation. */
  traceMmu: ["i32", 1],
  /** 1: a register of the guest or the user of KVM has a breakpoint; the latter's. */
  breaking: ["i32", 1],
  breakCount: ["i32", 1],
  breakAddress: ["i64", 16],
  /** 1: a register of the guest or the user of KVM watches data; the latter's addresses, and which accesses of each. */
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
  /** Its dirty ring, in the words that kvm/layout.ts declares. */
  dirtyRing: ["i32", dirtyRing.size / 4],
  /** 1: leave after every instruction (guest debug). */
  singleStep: ["i32", 1],

  // [A] Written by other threads.
  /** Request bits, see Request. Nonzero makes the vCPU look at the next slice end. */
  requests: ["i32", 1],
  /** 1 while an interrupt controller asserts the external interrupt. */
  externalPending: ["i32", 1],
  /** immediate_exit of kvm_run. */
  immediateExit: ["i32", 1],
  /** 0 outside the guest, 1 in guest code. Another thread that needs a request done waits for 0 or for the bit to clear. */
  inGuest: ["i32", 1],
  /** Wakes a halted vCPU (Atomics.wait). */
  wake: ["i32", 1],
  /**
   * Translations to drop, for Request.dropPages: a bit for each place in a table of the soft TLB, so that it cannot overflow;
   * before it, a bit for each 32nd part of it that is not 0.
   */
  dropWords: ["i32", 1],
  dropSets: ["i32", tlbLimit / 32],
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
} as const satisfies Fields;

export type EngineField = keyof typeof engineFields;

/** Gives each field its place. The size is that of all of them, bytes. */
export function layOut<F extends Fields>(
  declared: F,
): { readonly fields: Readonly<Record<keyof F & string, Field>>; readonly size: number } {
  // Widest first keeps every field aligned without padding.
  const order: readonly FieldType[] = ["v128", "i64", "f64", "i32"];
  const fields: Record<string, Field> = {};
  let offset = 0;
  for (const type of order) {
    for (const [name, [t, count]] of Object.entries(declared)) {
      if (t !== type) continue;
      fields[name] = { type, count, offset };
      offset += sizeOf[type] * count;
    }
  }
  return { fields: fields as Record<keyof F & string, Field>, size: offset };
}

/** Why the engine returned, of what any architecture has; it adds its own reasons from 16 on. */
export const engineExits = {
  /** The slice is used up, or someone asked: nothing for the guest to notice. */
  none: 0,
  /** exitAddress, exitSize, exitWrite, exitData: an access outside memory; the instruction has not completed. */
  mmio: 1,
  /** Single step or breakpoint. */
  debug: 2,
  /** The engine cannot go on: exitData says why. */
  internalError: 3,
  /** The dirty ring has only its reserve left; the instruction has not completed. */
  dirtyRingFull: 4,
} as const;

/** Bits of `requests`, of what any architecture has; bit 6 and those from 8 on are for its own. */
export const engineRequests = {
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
  /** Drop the soft TLB's entries that `dropSets` names. */
  dropPages: 128,
} as const;

/** What an access is. */
export const Access = { load: 0, store: 1, fetch: 2 } as const;

/** What a page allows: 1 << the access. */
export const Right = { read: 1 << Access.load, write: 1 << Access.store, execute: 1 << Access.fetch } as const;

/** Kinds of what `env.mmuEvent` tells, with its other arguments. */
export const MmuEvent = {
  /** Effective address, guest physical address; access; rights and, from bit 8, log2 of the page's bytes. */
  refill: 0,
  /** Effective address, 0; access; the architecture's cause. */
  fault: 1,
  /** An instruction that drops translations: the architecture's. */
  invalidate: 2,
  /** Translations were dropped because another vCPU asked for it. 0, 0; 1: all. */
  flush: 3,
  /** Always told: a store to a tracked page has been done. Guest physical address, 0; bytes. */
  trackedWrite: 4,
} as const;

/** What the engine cannot go on from (`exitData` with ExitCode.internalError), on any architecture; it adds its own from 16 on. */
export const engineErrors = {
  /** One instruction makes more accesses outside memory than `mmioValues` holds. */
  tooMuchMmio: 1,
} as const;

/** Bits of `codeOwners`: the last of vCPUs', which stands for all from that on; the page's stores are told (trackedWrite). */
export const ownerBits = { last: 22, tracked: 1 << 23 } as const;

/** What the engine keeps of a VM, at the beginning of the architecture's part; that adds its own from `engineVmEnd` on. */
export const engineVm = {
  /** Guest physical memory that may hold code ends here (i64). */
  ramLimit: vmLayout.arch,
  /**
   * Address of one i32 per page of the soft TLB of guest physical memory below ramLimit: bit n set if vCPU n has decoded code of
   * it, as far as `ownerBits` has bits for them; bits 24 to 31 count how often stores have hit such code. [A]
   */
  codeOwners: vmLayout.arch + 8,
  /** Bytes of one vCPU's code maps; 0 until the VM first runs. */
  codeMapSize: vmLayout.arch + 12,
} as const;
export const engineVmEnd = vmLayout.arch + 16;

const asidBits = 12;

/**
 * Soft TLB: `tables` direct-mapped tables per vCPU, of `entries` entries for data, behind which are `fetchEntries` for code: were they
 * the same, a page of a function's and one that it accesses could take each other's place with each access. 32 bytes each:
 *   +0 read tag i64, +8 write tag i64, +16 execute tag i64, +24 addend i32 (host address - low 32 bits of the effective
 *   address), +28 physical page number (of the entry's page size) i32.
 * A tag is (effective address of the page) | asid, asid in bits 0 to 11, never 0; an empty tag is 0. An access is a hit if
 * ((ea + size - 1) & ~(page size - 1) | asid) equals the tag, so one that crosses the page misses.
 *
 * @param pageShift log2 of the bytes of its pages; smaller pages of a guest always take the slow path.
 */
export const softTlb = (pageShift: number, entries: 4096 | 16384, fetchEntries: 1024 | 4096) =>
  ({
    pageShift,
    entries,
    fetchEntries,
    entrySize: 32,
    /** Where a table's entries for code begin, and its size. */
    fetch: 32 * entries,
    tableSize: 32 * (entries + fetchEntries),
    tables: 8,
    readTag: 0,
    writeTag: 8,
    executeTag: 16,
    addend: 24,
    physicalPage: 28,
    asidBits,
  }) as const;

/** Second level for pages below 64 KiB: 4 KiB entries of the same format, looked up by the slow path only. */
export const smallTlb = { pageShift: 12, entries: 2048, entrySize: 32 } as const;

/**
 * Jump cache, per vCPU: which region begins at an address, as look-ups by the soft TLB and the code map have found it.
 * Direct-mapped: +0 effective address i64, +8 jumpContext i32, +12 the decoded entry's word i32.
 */
export const jumpCache = {
  entries: 4096,
  entrySize: 16,
  context: 8,
  word: 12,
  /** Of jumpContext, above an asid: the kind of code, times this. */
  kind: 1 << asidBits,
  generation: 4 << asidBits,
} as const;

/** The first so many vCPUs of a VM have room for `pages` code pages, others for `laterPages`: all are in a memory of 4 GiB. */
export const roomyVcpus = 4;

/**
 * Decoded instructions, per vCPU: pages of 4 KiB of guest code, an 8-byte entry for each place where an instruction may
 * begin (+0 handler number i32, 0 = not decoded yet; +4 what the handler is told of the instruction, a word), then sentinel
 * entries (handler 1, "next page") as far as an instruction may reach over the page's end, then: the physical page number
 * of the code i32, with its kind in the upper two bits; whether it is small; and the effective address through which
 * it was last entered i64.
 *
 * @param unit distance in bytes between places where instructions may begin: 4 where all are words, 1.
 * @param longest bytes of the longest instruction.
 * @param usual units of a usual instruction: slices are as many instructions long on every processor.
 * @param pages how many pages of code a vCPU has.
 * @param patience stores to a page that have all its code dropped before the page is watched (runtime/code-pages.as.ts).
 * @param kinds of code, up to 4, of which the same bytes are other instructions: each has a map and pages of its own.
 * @param spanShift log2 of the bytes that one region can lie in, if one page of the guest's has them all; at most 16.
 * @param reachShift log2 of the bytes in which regions call each other without a look-up, if one page of the guest's has them all:
 *     of a smaller one, regions stay inside 4 KiB. No less than `spanShift`.
 */
export function codePages({
  unit,
  longest,
  usual,
  pages,
  laterPages = pages,
  patience,
  kinds,
  spanShift,
  reachShift,
}: {
  unit: number;
  longest: number;
  usual: number;
  pages: number;
  laterPages?: number;
  patience: number;
  kinds: 1 | 2 | 3 | 4;
  spanShift: number;
  reachShift: number;
}) {
  const shift = 12;
  const entrySize = 8;
  const instructions = (1 << shift) / unit;
  const end = (instructions + longest / unit) * entrySize;
  return {
    shift,
    unit,
    longest,
    usual,
    patience,
    kinds,
    spanShift,
    reachShift,
    /** log2 of what the kind is multiplied with in the word at `physical`. */
    kindShift: 30,
    /** Entries of a page. */
    instructions,
    entrySize,
    /** log2 of the distance between entries over that between instructions. */
    scale: Math.log2(entrySize / unit),
    size: end + 16,
    pages,
    laterPages,
    roomyVcpus,
    physical: end,
    /** i32: 1 once it was fetched through a page smaller than `reachShift` says. */
    small: end + 4,
    effective: end + 8,
  } as const;
}

/** Handler numbers with a fixed meaning. The decode table's ids are handler numbers; its 0 (no instruction) gives `illegal`. */
export const Handler = { undecoded: 0, nextPage: 1, region: 2, illegal: 3, first: 4 } as const;

/**
 * Byte offsets from a vCPU's base of its parts, and the whole size, of one of the first and of a later one. `ownSize`: bytes of what
 * the architecture alone has.
 */
export function vcpuParts(
  stateSize: number,
  tlb: ReturnType<typeof softTlb>,
  codePage: ReturnType<typeof codePages>,
  ownSize = 0,
): Readonly<Record<"tlb" | "smallTlb" | "jumpCache" | "code" | "own" | "size" | "laterSize", number>> {
  const align = (n: number, a: number) => Math.ceil(n / a) * a;
  const tlbAt = align(stateSize, 4096);
  const smallTlbAt = tlbAt + tlb.tables * tlb.tableSize;
  const jumpCacheAt = smallTlbAt + smallTlb.entries * smallTlb.entrySize;
  const own = align(jumpCacheAt + jumpCache.entries * jumpCache.entrySize, 64);
  const code = align(own + ownSize, 64);
  const sizeWith = (pages: number) => align(code + pages * codePage.size, 65536);
  const parts = { tlb: tlbAt, smallTlb: smallTlbAt, jumpCache: jumpCacheAt, code, own };
  return { ...parts, size: sizeWith(codePage.pages), laterSize: sizeWith(codePage.laterPages) };
}

/** Code pages that a vCPU has room for, by its number among those of its VM. */
export const codePagesOf = ({ pages, laterPages }: ReturnType<typeof codePages>, index: number): number =>
  index < roomyVcpus ? pages : laterPages;

/** Bytes of a vCPU's parts, by its number among those of its VM. */
export const vcpuSizeOf =
  ({ size, laterSize }: ReturnType<typeof vcpuParts>) =>
  (index: number): number =>
    index < roomyVcpus ? size : laterSize;

/** The layout as the engine reads it: whatever registers an architecture adds, these are there. */
export interface EngineLayout {
  readonly state: Readonly<Record<EngineField, Field>>;
  readonly tlb: ReturnType<typeof softTlb>;
  readonly codePage: ReturnType<typeof codePages>;
  /** Where the vCPU's other parts are. */
  readonly vcpu: ReturnType<typeof vcpuParts>;
}
