/**
 * How an instruction is declared: its name and every encoding that it has, as the manual prints them, in one place.
 *
 *   insn("add", ["00|01 /r  dst:rm, src:r", "04|05  dst:a, src:i", "83 /0  dst:rm, src:i8"], { lock: true });
 *
 * An encoding is its opcode, two spaces, its operands. The opcode's tokens (Intel SDM, volume 2, "Interpreting the Instruction
 * Reference Pages"; AMD APM, volume 3, "Notation"):
 *   NP 66 F3 F2    before another byte, a mandatory prefix; NP: none of the three. Without one of these, 66 is the operand
 *                  size and F2 and F3 do nothing, unless another encoding of the same opcode asks for them
 *   0F 38          bytes; the last of them is the opcode, but for one that follows it: that is the whole ModRM byte (0F 01 F8)
 *   00|01          one bit that gives the byte form and the full-size form; the latter has 16, 32 and 64 bits
 *   50+r           the register's number is in the opcode
 *   70+cc          the condition's: 16 instructions, their names with the condition's suffix
 *   /r             a ModRM byte with a register operand;  /0 to /7: with a part of the opcode in its place
 *   W0 W1          REX.W (or VEX.W) must be so;  b0: REX.B clear
 *   VEX.L0.66.0F38  a VEX prefix: length 0 or 1 (LIG: either, which says nothing; L: two encodings), the mandatory prefix it
 *                  stands for, the map
 *   i64 o64        invalid in, only in 64-bit mode;  d64: 64 bits by default there;  f64: always (Intel's opcode maps)
 *   o16 …          full size is so wide whatever the prefixes say
 *   y              full size is 32 or 64 by W, never 16;  n: 64 in 64-bit mode and 32 elsewhere;  port: 16 or 32
 *
 * A body computes with the operands by name (machine.ts).
 *
 * A vector's operands have sizes of their own, whatever prefixes say.
 *
 * Operands are `name:type`, the types in operand.ts; every encoding of an instruction has the same names. Two spaces more, and
 * what CPUID must say for this encoding, if that is another feature than the instruction's; of VEX.L the one for each length.
 */
import type { Facts, Operand, X86Machine } from "./machine.js";

type Name<T extends string> = T extends `${infer N}:${string}` ? N : never;
type Names<S extends string> = S extends `${infer Head} ${infer Rest}` ? Name<Head> | Names<Rest> : Name<S>;

/** What a mnemonic becomes by the size of its operands, or of its addresses. */
export interface NamesBySize {
  readonly by: "operand" | "address";
  readonly 8?: string;
  readonly 16?: string;
  readonly 32?: string;
  readonly 64?: string;
}

/** Processors have it or not, and CPUID says which: its feature, by Intel's names. */
export type Feature =
  | "adx"
  | "aes"
  | "avx"
  | "avx2"
  | "bmi1"
  | "bmi2"
  | "clflushopt"
  | "clwb"
  | "clzero"
  | "cx16"
  | "f16c"
  | "fma"
  | "fsgsbase"
  | "fxsr"
  | "gfni"
  | "invpcid"
  | "lzcnt"
  | "mmx"
  | "movbe"
  | "pclmulqdq"
  | "pku"
  | "popcnt"
  | "rdpid"
  | "rdrand"
  | "rdseed"
  | "rdtscp"
  | "smap"
  | "sha"
  | "sse"
  | "sse2"
  | "sse3"
  | "sse4.1"
  | "sse4.2"
  | "ssse3"
  | "svm"
  | "vaes"
  | "vmx"
  | "vpclmulqdq"
  | "wbnoinvd"
  | "xsave"
  | "xsavec"
  | "xsaveopt"
  | "xsaves";

/** What the system may keep from programs; its first instruction finds out. */
export type Facility = "sse" | "mmx" | "avx";

/**
 * Flags that the manual leaves undefined, by their first letters (o s z a p c). The engines leave them in the same way as each
 * other; processors differ, and comparisons leave them out.
 */
export interface UndefinedFlags {
  readonly always?: string;
  /** Where `count`, as it counts, is more than 1; is at least the operand's size; and then the result is undefined too. */
  readonly beyondOne?: string;
  readonly beyondSize?: string;
}

export interface InsnOptions {
  readonly undefinedFlags?: UndefinedFlags;
  /** LOCK is allowed where the destination, the first operand, is memory; or is there whether it is written or not. */
  readonly lock?: true | "always";
  /** F2 and F3 repeat it; "compares": and end it by ZF. */
  readonly repeat?: "counts" | "compares";
  /** What CPUID must say: without it, it is no instruction. */
  readonly feature?: Feature;
  /** Without its feature its prefix does nothing: the bytes are the instruction that they are without it. */
  readonly elsePlain?: true;
  /** CPL 0 only. */
  readonly cpl0?: true;
  /** What the system may keep from programs, by CR0, CR4 and XCR0, where its operands do not say it. */
  readonly facility?: Facility;
  /** Memory of 128 bits may lie anywhere; else it is aligned, or #GP. */
  readonly unaligned?: true;
  readonly names?: NamesBySize;
  /** Its operands are there for the decoder and not written. */
  readonly hidden?: true;
}

/** The operands of encodings, by name. */
export type Operands<E extends readonly string[]> = { readonly [N in Names<E[number]>]: Operand };

/** What an instruction does. It runs when an engine is built or a region made: no `if` looks at a guest's value. */
export type Semantics = (m: X86Machine, operands: Readonly<Record<string, Operand>>, facts: Facts) => void;

/** One declaration. */
export interface InsnDefinition {
  readonly name: string;
  readonly encodings: readonly string[];
  readonly options: InsnOptions;
  readonly semantics: Semantics;
}

/** Declares an instruction; see the head of this file. */
export function insn<const E extends readonly string[]>(
  name: string,
  encodings: E,
  options: InsnOptions,
  semantics: (m: X86Machine, operands: Operands<E>, facts: Facts) => void,
): InsnDefinition {
  return { name, encodings, options, semantics: semantics as Semantics };
}
