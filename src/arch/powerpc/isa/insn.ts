/**
 * How an instruction is declared: name, pattern, operands as the assembler writes them, semantics, in one place.
 *
 *   insn("add", "011111 rt:5 ra:5 rb:5 oe? 100001010 rc?", "rt, ra, rb", (m, { rt, ra, rb, oe, rc }) => { ... });
 *
 * A pattern is the 32 bits of the word, most significant first, as the manual prints them. Its tokens:
 *   0101        literal bits; a - among them (01-1) is one bit that is reserved or ignored
 *   rt:5        an operand field of 5 bits, an I32 (unsigned) to the body
 *   si:s16      a signed field, sign-extended
 *   d:w18@16    a signed field of more than 32 bits in all, an I64 to the body
 *   ds:s14*4    a field scaled by 4 (so also `d:s10*...`); the operand is the scaled value
 *   sh:5 sh:1@5 one operand in several pieces: each piece's bits stand at the bit given after @ (0 if none),
 *               counted from the operand's least significant bit. The sign of a split field is the last piece's.
 *   rc?         one bit that gives two instructions: a plain boolean to the body. A suffix of the mnemonic:
 *               oe? "o", rc? ".", lk? "l", aa? "a", in that order (lk before aa); any other flag adds nothing
 *   -:5 or -    bits that are reserved or ignored: any value decodes, the assembler writes 0
 *   |           stands between the prefix and the suffix of an instruction of two words. What is literal in the prefix tells
 *               which form it is, and is the same for all of a form
 *
 * Operand syntax is the assembler's: "rt, ds(ra)", "bf, l, ra, rb". How an operand is printed follows from its name:
 * rt ra rb rc rs -> r5; frt fra frb frc frs -> f5; vrt vra vrb vrc vrs -> v5; xt xa xb xc xs -> vs34;
 * at -> a5; bf bfa -> cr3; bi bt ba bb bc (a CR bit) -> 4*cr3+eq; anything else is a number; `target` (the scaled branch displacement) is printed as an address.
 */
import type { I32, I64, Machine } from "./machine.js";

type Token<T extends string> = T extends `-${string}`
  ? unknown
  : T extends `${infer Name}:w${string}`
    ? { readonly [K in Name]: I64 }
    : T extends `${infer Name}:${string}`
      ? { readonly [K in Name]: I32 }
      : T extends `${infer Name}?`
        ? { readonly [K in Name]: boolean }
        : unknown;

/** The operands of a pattern, by name: I32 and I64 fields and boolean flags. */
export type Operands<P extends string> = P extends `${infer Head} ${infer Rest}`
  ? Token<Head> & Operands<Rest>
  : Token<P>;

export interface InsnOptions {
  /** "supervisor": Privileged instruction Program interrupt in problem state. "hypervisor": always, a guest never has HV. */
  privileged?: "supervisor" | "hypervisor";
  /**
   * What must be enabled in the MSR, else its unavailable interrupt: FP, VEC, VSX.
   */
  facility?: "float" | "vector" | "vsx";
  /**
   * The VSR operand (0 to 63) that decides: for VSRs 0 to 31 `facility` must be enabled, for VSRs 32 to 63 (the VRs) VEC
   * instead. Most v3.0 additions to VSX and the moves between GPRs and VSRs are so.
   */
  vectorIfHigh?: string;
  /** Which registers it works on is known only when it runs, so it is never translated: lswx and stswx. */
  interpreted?: true;
  /** The version of the architecture that brought it, if levels.ts does not name it. */
  since?: "3.0" | "3.1";
  /** May be overlapped by more specific patterns, which then win: mtspr of any other register, reserved hints. */
  fallback?: true;
}

/** One declaration, before its flags are expanded. */
export interface InsnDefinition {
  readonly name: string;
  readonly pattern: string;
  readonly operands: string;
  readonly options: InsnOptions;
  readonly semantics: (m: Machine, operands: Record<string, I32 | I64 | boolean>) => void;
}

/** Declares an instruction. See the head of this file for the pattern's and the operands' language. */
export function insn<const P extends string>(
  name: string,
  pattern: P,
  operands: string,
  semantics: (m: Machine, operands: Operands<P>) => void,
): InsnDefinition;
export function insn<const P extends string>(
  name: string,
  pattern: P,
  operands: string,
  options: InsnOptions,
  semantics: (m: Machine, operands: Operands<P>) => void,
): InsnDefinition;
export function insn(
  name: string,
  pattern: string,
  operands: string,
  optionsOrSemantics: InsnOptions | InsnDefinition["semantics"],
  semantics?: InsnDefinition["semantics"],
): InsnDefinition {
  return semantics
    ? { name, pattern, operands, options: optionsOrSemantics as InsnOptions, semantics }
    : { name, pattern, operands, options: {}, semantics: optionsOrSemantics as InsnDefinition["semantics"] };
}
