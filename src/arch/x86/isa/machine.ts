/** What instructions' bodies are written against: the operations of any instruction set, and x86's registers and flags. */
import type { AccessSize, Operations } from "../../../semantics/operations.js";
import type { I32, I64, V128 } from "../../../semantics/values.js";
import type { HelperArguments, HelperName, HelperResult } from "./helpers.js";
import type { CodeSize, Size } from "./registers.js";

/** An operand of an instruction: a register, memory, or a number. */
export interface Operand {
  /** Bits. */
  readonly size: Size;
  readonly memory: boolean;
  /** Bits of the instruction's addresses. */
  readonly addressSize: CodeSize;
  /** Zero-extended, of vectors the low 64 bits at most; immediates are sign-extended to the instruction's operand size first. May fault. */
  read(): I64;
  /** The number of what it is, of control, debug and segment registers. */
  readonly number: () => I32;
  /** The low `size` bits. A register of 32 bits clears the upper half, one of 8 or 16 keeps what is beside it, as a vector does. May fault. */
  write(value: I64): void;
  /** A vector register, or memory of up to 128 bits with zeros above; of memory that a vector indexes, that vector. May fault. */
  vector(): V128;
  /** Bits 128 to 255 of what has 256. May fault. */
  upper(): V128;
  /**
   * A vector register; memory, as many bits as it has. May fault. `upper`: bits 128 to 255; without it these are 0 afterwards if
   * the instruction is VEX's, and as before if not.
   */
  setVector(value: V128, upper?: V128): void;
  /** Where memory is, without its segment's base, cut to the address size. */
  offset(): I64;
  /** The same with the base: what `m.load` and `m.store` take. Outside 64-bit mode it may fault, by what is asked of it. */
  address(asked?: Asked): I64;
  /** Of memory that a vector's elements index: where the one is that this index names. Outside 64-bit mode it may fault. */
  element(index: I64): I64;
  /** A far pointer, in the instruction or in memory. May fault. */
  far(): FarPointer;
}

export interface FarPointer {
  readonly offset: I64;
  readonly selector: I64;
}

/** What is asked of memory at an operand's address. */
export interface Asked {
  /** That so many bytes are in its segment; else as many as the operand has. */
  readonly bytes?: number;
  /** That it can be written. */
  readonly write?: boolean;
  /** So much more than the operand says, where RSP is the base; always. */
  readonly moved?: number;
  readonly further?: I64;
}

/** Places of a stack, from where a register points. */
export interface Stack {
  /** What `m.load` and `m.store` take, so many bytes above where the register points. Outside 64-bit mode it may fault. */
  address(offset: number, bytes: number, write: boolean): I64;
  /** What the register is, and RSP becomes, when the stack's top is so far above; `m.setStack` takes it. */
  moved(by: number, more?: I64): I64;
}

/** Memory that is being read and written. */
export interface Update {
  readonly old: I64;
  write(value: I64): void;
}

/** What is known of an instruction when its body is recorded: plain values. */
export interface Facts {
  /** The operand size, bits. */
  readonly size: Size;
  /** 64, or 32 for all other code: what differs there is found out when it runs. */
  readonly codeSize: CodeSize;
  /** Operands' addresses are whole addresses, which nothing checks: 64-bit code, and code of 32 bits in flat segments. */
  readonly unsegmented: boolean;
  /** 0 to 15, of instructions that have one of the sixteen. */
  readonly condition: number;
  /** 0, 0xf2 or 0xf3, of instructions that repeat. */
  readonly repeat: number;
}

/**
 * The arithmetic flags, each as a value from which it is one operation away (docs/decisions/0013):
 *   zero      ZF is set where it is 0
 *   sign      SF is its sign; PF is set where its low byte has an even number of bits set
 *   overflow  OF is its sign
 *   carry     CF: 0 or 1
 *   adjust    AF is its bit 4
 */
export interface FlagValues {
  readonly zero: I64;
  readonly sign: I64;
  readonly overflow: I64;
  readonly carry: I32;
  readonly adjust: I32;
}
export type FlagName = keyof FlagValues;

export type Shift = "shl" | "shr" | "sar";

/** What the flags come from: an operation without carry or borrow, of operands zero-extended from `size` bits. */
export interface FlagSource {
  readonly operation: "sum" | "difference" | "logic" | Shift;
  readonly size: Size;
  /** The operands; of and, or, xor, test the result; of a shift the value and the count, which is not 0. */
  readonly a: I64;
  readonly b: I64;
  /** The result, which may have more bits, if it is there already. */
  readonly result?: I64;
}

/** Exceptions, by vector. */
export const Vector = {
  divideError: 0,
  debug: 1,
  nonMaskable: 2,
  breakpoint: 3,
  overflow: 4,
  boundRange: 5,
  invalidOpcode: 6,
  deviceNotAvailable: 7,
  doubleFault: 8,
  invalidTss: 10,
  segmentNotPresent: 11,
  stackFault: 12,
  generalProtection: 13,
  pageFault: 14,
  floatError: 16,
  alignmentCheck: 17,
  machineCheck: 18,
  simdError: 19,
} as const;

/** Bits of CR4 that bodies ask for. */
export type Control4Bit = "timeStampDisable" | "fsgsbase" | "protectionKeys";

export interface X86Machine extends Operations {
  /** A general register whose number the body knows, zero-extended from `size` bits. */
  register(number: number, size: Size): I64;
  setRegister(number: number, size: Size, value: I64): void;
  /**
   * 256 bits beside the registers, for what comes together piece by piece of accesses that may fault: it is what it was last
   * set to in this instruction.
   */
  piecemeal(upper: boolean): V128;
  setPiecemeal(upper: boolean, value: V128): void;
  /** Bits 128 to 255 of a vector register become 0, or all of it. */
  clearVector(number: number, whole: boolean): void;
  flag<N extends FlagName>(name: N): FlagValues[N];
  setFlags(values: Partial<FlagValues>): void;
  /** All of them become what an operation leaves: at once, or when somebody looks. */
  deriveFlags(source: FlagSource): void;
  /** What the flags come from, if that is known when this is recorded. */
  flagSource(): FlagSource | undefined;
  /** RFLAGS but for the arithmetic flags. */
  systemFlags(): I64;
  setSystemFlags(value: I64): void;
  /** Address of the next instruction, as this one's (`cia`) in its segment. */
  next(): I64;
  /** A near jump's place, of so many bits, is in the code segment; else a fault. */
  checkTarget(target: I64, size: Size): void;
  /** In virtual-8086 mode: the I/O privilege level lets PUSHF, POPF, INT and IRET be; else a fault. */
  flagsAllowed(): void;
  /** The instruction starts over. */
  again(): void;
  /** The stack, from where RSP points, or another register does. */
  stack(register?: number): Stack;
  setStack(top: I64): void;
  /**
   * An operand in memory that is read and then written: looked up once, as what is written. With LOCK, or if it is always so,
   * nobody writes there in between: otherwise the instruction starts over, so that nothing may be written before it.
   */
  update(address: I64, bytes: AccessSize, always?: boolean): Update;
  /** Whether other processors are kept out of what several accesses do: with LOCK, and where it costs nothing. */
  keepsOthersOut(): I32;
  /** CPL. */
  level(): I32;
  /** Whether CR4 has a bit: 1 or 0. */
  control4(bit: Control4Bit): I32;
  /** The base of FS or GS, in 64-bit mode. */
  base(segment: number): I64;
  /** `value` is canonical. */
  setBase(segment: number, value: I64): void;
  /** Exchanges the base of GS with IA32_KERNEL_GS_BASE. */
  swapGs(): void;
  /** PKRU. */
  keys(): I64;
  /** Whether an interrupt could be taken, were they allowed. */
  interruptWaits(): I32;
  /**
   * What an instruction does, `whole`; and what is the same under this condition, which a region does itself. Nothing may be
   * written before it, and nothing behind it.
   */
  shortcut(condition: I32, quick: () => void, whole: () => void): void;
  /** The next instruction is in the shadow of this one. */
  shade(): void;
  /**
   * Calls a routine of the run-time library. A region makes the call only if the routine knows none of what regions hold in locals
   * (its effect is "state" or "pure"), or leads from a program to the system or back; else the body runs in the interpreter alone.
   */
  call<N extends HelperName>(name: N, ...args: HelperArguments<N>): HelperResult<N>;
  /** `quick` where the condition holds, else what the routine gives. */
  callUnless<N extends HelperName>(
    condition: I32,
    quick: HelperResult<N>,
    name: N,
    ...args: HelperArguments<N>
  ): HelperResult<N>;
  /** Whether MXCSR rounds to nearest, and has noted before that a result was inexact, which is masked. */
  plainFloat(): I32;
  /** After a call of one of the routines of SSE's arithmetic: the exception that it found and that is not masked. */
  checkFloat(): void;
  /** A fault of this instruction, with an error code of 0 if the exception has one: nothing of it happens. */
  raise(vector: number): void;
}

/** Bits of RFLAGS. */
export const Flag = {
  carry: 0,
  parity: 2,
  adjust: 4,
  zero: 6,
  sign: 7,
  interrupt: 9,
  direction: 10,
  overflow: 11,
} as const;
export const rax = 0;
export const rcx = 1;
export const rdx = 2;
export const rbx = 3;
export const rsp = 4;
export const rbp = 5;
export const rsi = 6;
export const rdi = 7;
/** AH, as a register of 8 bits. */
export const highAccumulator = 16;
