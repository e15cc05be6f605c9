/** What a vCPU keeps in the VM's memory: x86's registers beside the engine's fields. */
import {
  codePages,
  engineErrors,
  engineExits,
  engineFields,
  engineRequests,
  engineVm,
  engineVmEnd,
  layOut,
  softTlb,
  vcpuParts,
} from "../../../engine/layout.js";
import { longest } from "../isa/decoder.js";

/** Entries of CPUID that a vCPU can have: seven words each, as struct kvm_cpuid_entry2 has them. */
export const cpuidEntries = 128;

const built = layOut({
  /** XMM0 to XMM15. */
  vector: ["v128", 16],
  /** Bits 128 to 255 of YMM0 to YMM15. */
  vectorHigh: ["v128", 16],
  /** The x87's eight registers where they are, not as its stack has them: significand, then sign and exponent. */
  floatRegister: ["v128", 8],
  mxcsr: ["i32", 1],
  /** FCW; FSW, with the top of the stack in it; a bit for each register that is not empty. */
  floatControl: ["i32", 1],
  floatStatus: ["i32", 1],
  floatTags: ["i32", 1],
  /** Of the last x87 instruction that was no control: its address, its operand's, its opcode's eleven bits. */
  floatInstruction: ["i64", 1],
  floatData: ["i64", 1],
  floatOpcode: ["i32", 1],
  /** What a masked load brings together. */
  piecemeal: ["v128", 2],
  /** 1 + the vector that SSE's, AVX's, x87's and MMX's instructions raise now; 0: they may run. Derived from CR0, CR4, XCR0. */
  sseBlocked: ["i32", 1],
  avxBlocked: ["i32", 1],
  floatBlocked: ["i32", 1],
  mmxBlocked: ["i32", 1],
  /** 1 + the vector of an exception of SSE that is not masked, of the operation just done. */
  sseFault: ["i32", 1],
  /** An image of the float state on its way: an area of XSAVE's. */
  floatImage: ["v128", 64],
  /** RAX to R15; then one that is always 0: an address without a base or an index has it. */
  general: ["i64", 17],
  // The arithmetic flags, each as a value: isa/machine.ts.
  zero: ["i64", 1],
  sign: ["i64", 1],
  overflow: ["i64", 1],
  carry: ["i32", 1],
  adjust: ["i32", 1],
  /** What they come from instead, while a region runs: late-flags.ts. 0 outside. */
  flagSource: ["i32", 1],
  /** RFLAGS but for those. */
  systemFlags: ["i64", 1],
  // Segments: ES, CS, SS, DS, FS, GS; one that is always 0: no segment; LDTR and TR.
  segmentBase: ["i64", 9],
  segmentLimit: ["i32", 9],
  /** As bits 8 to 23 of a descriptor's upper half have them, from bit 0. */
  segmentAccess: ["i32", 9],
  selector: ["i32", 9],
  /** The privilege level that code runs at. */
  cpl: ["i32", 1],
  gdtBase: ["i64", 1],
  gdtLimit: ["i32", 1],
  idtBase: ["i64", 1],
  idtLimit: ["i32", 1],
  /** CR0, none, CR2, CR3, CR4; the TPR is `taskPriority`. */
  control: ["i64", 5],
  taskPriority: ["i64", 1],
  xcr0: ["i64", 1],
  /** PKRU; and the keys, each at the first of its bits there, of which translations may be in the soft TLB. */
  pkru: ["i32", 1],
  keysSeen: ["i32", 1],
  /** DR0 to DR7; and those of who uses KVM, which count instead while `guestDebug` has KVM_GUESTDBG_USE_HW_BP. */
  debug: ["i64", 8],
  hostDebug: ["i64", 8],
  /** `control` of KVM_SET_GUEST_DEBUG, 0 without KVM_GUESTDBG_ENABLE. */
  guestDebug: ["i32", 1],
  /**
   * Bits of DR6: what the instruction that runs alone has hit, and what traps later, behind a shadow of the stack's or before the
   * next instruction.
   */
  debugHits: ["i32", 1],
  debugPending: ["i32", 1],
  /** What that instruction says of its own end: `Ending`. */
  ending: ["i32", 1],
  /** Registers that RDMSR and WRMSR name, by their place in `msrPlaces`. */
  msrs: ["i64", 48],
  /** What is added to the host's clock to get the time-stamp counter. */
  tscOffset: ["i64", 1],
  /** Features that decide which instructions there are: bits by `featureBits`. */
  features: ["i64", 1],
  cpuidCount: ["i32", 1],
  cpuid: ["i32", 7 * cpuidEntries],
  /**
   * 1: an access to a register that is not in `msrs` leaves, for the kernel side or the user side; 0: it is #GP; 2: a filter is
   * asked about each access before it is made. And what it is answered by beside `mmioValues`: 1, that there is no such
   * register, or that it does not take the value; 2, that the filter has nothing against it.
   */
  msrExits: ["i32", 1],
  msrRefused: ["i32", 1],
  /** Address of the one instruction before which no interrupt is taken, and whether there is one (`Shadow`). */
  shadowAt: ["i64", 1],
  shadow: ["i32", 1],
  /** 1 + the vector of an external interrupt that waits. [A] */
  interruptPending: ["i32", 1],
  /** 1: an interrupt controller has something; as soon as it may be taken, the engine leaves to ask which (`interrupt`). [A] */
  interruptRequest: ["i32", 1],
  /** NMIs that wait, and whether one is being handled. */
  nmiPending: ["i32", 1],
  nmiBlocked: ["i32", 1],
  /**
   * 1 + the vector of an exception that the user side has put in, `Given.tripleFault` for the end; its error code; whether it
   * has a payload, and that: what becomes CR2, or is added to DR6.
   */
  exceptionPending: ["i32", 1],
  exceptionError: ["i32", 1],
  exceptionPayloadValid: ["i32", 1],
  exceptionPayload: ["i64", 1],
  /** 1: a lower task priority leaves, for who has the local APIC. */
  priorityExits: ["i32", 1],
  /** What a fault of the system's own accesses left: 1 + the vector, the error code. */
  nestedFault: ["i32", 1],
  nestedError: ["i32", 1],
  /** Which 2 MiB a large page has been found in, so that more than one page of the soft TLB is to be dropped (large-pages.as.ts). */
  largePages: ["i64", 2048],
  /**
   * Addresses of the soft TLB's entries with translations of supervisors' that a write to CR3 takes away, and how many there are:
   * one more than have room if that is not known.
   */
  localEntries: ["i32", 256],
  localCount: ["i32", 1],
  /** 1 GiB that a large page has been found in, as a set of bits, those of the system's half of the addresses above the users'. */
  hugePages: ["i64", 1],
  /** Operands' records in use, and the address of a store that goes through `crossing`. */
  recordCount: ["i32", 1],
  updateAddress: ["i64", 1],
  ...engineFields,
  /**
   * Of the exit `io`: how many elements it is for; their bytes, where it is for more than one. Of those that were read, how many
   * have not been stored yet, from which on, and of which port (times 8, and the bytes of an element).
   */
  ioCount: ["i32", 1],
  ioAhead: ["i32", 1],
  ioFrom: ["i32", 1],
  ioPort: ["i32", 1],
  ioBuffer: ["i32", 1024],
});

export const state = built.fields;
export const tlb = softTlb(12, 16384, 4096);
/** Kinds of code: 64-bit, 32 bits, 16 bits, 32 bits in flat segments. */
export const CodeKind = { long: 0, bits32: 1, bits16: 2, flat: 3 } as const;
/**
 * Modes of the engine: 64-bit code; code that looks at its segments each time; code of 32 bits where CS, SS, DS and ES begin at 0
 * and end at 4 GiB, so that nothing of them has to be looked at.
 */
export const CodeMode = { long: 0, general: 1, flat: 2 } as const;
export const codePage = codePages({
  ...{ unit: 1, longest, usual: 4, pages: 4096, laterPages: 2048, patience: 0, kinds: 4 },
  // A large page has 2 MiB or more.
  ...{ spanShift: 16, reachShift: 21 },
});

/**
 * Records of operands (operands.ts): each stands once, found by a hash of what is in it. A kernel's boot has some 40,000, a
 * compiler some 200,000. When `full` of them are there, all decoded code is dropped and they begin anew, soon, so that there must be
 * room for a page more.
 */
export const recordPool = { entries: 524288, full: 393216, size: 32, hashed: 524288 } as const;
/** Bytes of the records, and of the table of their numbers by hash. */
const own = recordPool.entries * recordPool.size + 4 * recordPool.hashed;
export const vcpu = vcpuParts(built.size, tlb, codePage, own);

/** Number of the general register that is always 0, of the segment that is none, and of the two that only the system has. */
export const noRegister = 16;
export const noSegment = 6;
export const Segment = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5, none: 6, ldtr: 7, tr: 8 } as const;

/** Bits of a segment's access that decide whether it is data that is there, can be written and does not expand down; and how. */
export const flatData = { mask: 0x9e, is: 0x92 } as const;

/** Why the engine returned. */
export const ExitCode = {
  ...engineExits,
  /** HLT: nothing is to be done until an interrupt comes. */
  halt: 16,
  /** exitAddress (the port), exitData, exitSize, exitWrite: the instruction has not completed. */
  io: 17,
  /** exitAddress (the register's number), exitData. */
  rdmsr: 18,
  wrmsr: 19,
  /** A fault while a double fault was being delivered. */
  shutdown: 20,
  /** VMCALL or VMMCALL. */
  hypercall: 21,
  /** An interrupt can be taken, and `interruptRequest` says that a controller has one. */
  interrupt: 22,
  /** The task's priority has become lower, and `priorityExits`. */
  taskPriority: 23,
} as const;
export const Request = {
  ...engineRequests,
  /** Debug registers were written from outside. */
  debug: 256,
} as const;
export const InternalError = {
  ...engineErrors,
  /** Code where no memory is. */
  codeOutside: 16,
} as const;

/**
 * STI, MOV SS and POP SS keep interrupts from the next instruction: the shadow has begun; that instruction is the one. The two
 * that load the stack's segment keep the traps of debug registers and of a single step, too.
 */
export const Shadow = { left: 1, begun: 2, begunByStack: 3, leftByStack: 4 } as const;

/** Bits: RF is for the next instruction; TF as the instruction has left it decides about a single step, and has. */
export const Ending = { resumes: 1, decided: 2 } as const;

/** Of `exceptionPending`: what is no exception. */
export const Given = { tripleFault: 0x100 } as const;

/** What it keeps of a VM. */
export const archLayout = { ...engineVm, end: engineVmEnd } as const;
