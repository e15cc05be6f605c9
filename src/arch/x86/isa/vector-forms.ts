/** What instructions of vectors have in common: MMX's, SSE's and AVX's forms of one operation, in halves of 128 bits. */
import type { I32, V128 } from "../../../semantics/values.js";
import type { Quick } from "./float-quick.js";
import { type Feature, type InsnDefinition, type InsnOptions, insn } from "./insn.js";
import type { Operand, X86Machine } from "./machine.js";
import { SsePart } from "./sse-operation.js";

/**
 * What is made of two operands of 128 bits; of MMX's, 64 bits with anything above them (`bytes` 8), of which as many count. The
 * halves of 256 bits are made each by itself, as the manual has it ("lanes").
 */
export type Binary = (m: X86Machine, a: V128, b: V128, bytes: 8 | 16) => V128;
export type Unary = (m: X86Machine, a: V128, bytes: 8 | 16) => V128;

type Named = Readonly<Record<string, Operand>>;
const operand = (o: Named, name: string): Operand => o[name] as Operand;

const bytesOf = ({ size }: Operand): 8 | 16 => (size === 64 ? 8 : 16);

/** Writes what is made of both operands, `dst` and `src` or `a` and `b`. */
export function combine(make: Binary): (m: X86Machine, operands: unknown) => void {
  return (m, operands) => {
    const o = operands as Named;
    const dst = operand(o, "dst");
    const first = o["a"] ?? dst;
    const second = o["b"] ?? operand(o, "src");
    const b = second.vector();
    const upper = dst.size === 256 && second.size === 256 ? make(m, first.upper(), second.upper(), 16) : undefined;
    dst.setVector(make(m, first.vector(), b, bytesOf(dst)), upper);
  };
}

/** The same of one operand. */
export function each(make: Unary): (m: X86Machine, operands: unknown) => void {
  return (m, operands) => {
    const o = operands as Named;
    const dst = operand(o, "dst");
    const src = operand(o, "src");
    const value = src.vector();
    const upper = dst.size === 256 ? make(m, src.upper(), 16) : undefined;
    dst.setVector(make(m, value, bytesOf(dst)), upper);
  };
}

/**
 * Writes what is made of each half by itself, of both before either is written; `of` gives an operand's half, `upper` says which
 * it is.
 */
export function inHalves(dst: Operand, make: (of: (operand: Operand) => V128, upper: boolean) => V128): void {
  const low = make((operand) => operand.vector(), false);
  dst.setVector(low, dst.size === 256 ? make((operand) => operand.upper(), true) : undefined);
}

export interface VectorForms {
  /** SSE's feature. */
  readonly feature: Feature;
  /** That of MMX's form, if there is one. */
  readonly mmx?: Feature;
  /** Features of AVX's forms of 128 and of 256 bits. */
  readonly avx?: string;
  /** AVX has no form of 256 bits. */
  readonly only128?: boolean;
  readonly options?: InsnOptions;
}

/** SSE's instruction with MMX's form, and AVX's, whose operands are these. */
function packedForms(
  name: string,
  opcode: string,
  operands: string,
  body: (m: X86Machine, operands: unknown) => void,
  { feature, mmx, avx = "avx/avx2", only128, options }: VectorForms,
): InsnDefinition[] {
  const map = opcode.slice(0, -3).replace(" ", "");
  const old = [`66 ${opcode} /r  dst:x, src:xm`, ...(mmx ? [`NP ${opcode} /r  dst:q, src:qm  ${mmx}`] : [])];
  return [
    insn(name, old as ["66 0F 00 /r  dst:x, src:xm"], { ...options, feature }, body),
    insn(
      `v${name}`,
      [`VEX.L${only128 ? "0" : ""}.66.${map} ${opcode.slice(-2)} /r  ${operands}  ${avx}`] as [string],
      { ...options, unaligned: true },
      body,
    ),
  ];
}

/** `opcode`: map and opcode, as "0F 38 00"; all but MMX's have the prefix 66. */
export function packed(name: string, opcode: string, make: Binary, forms: VectorForms): InsnDefinition[] {
  return packedForms(name, opcode, "dst:x, a:xv, b:xm", combine(make), forms);
}

/** The same of one operand. */
export function packedUnary(name: string, opcode: string, make: Unary, forms: VectorForms): InsnDefinition[] {
  return packedForms(name, opcode, "dst:x, src:xm", each(make), forms);
}

/** The four forms of an operation on floating point: mandatory prefix, suffix, lanes of doubles, the first lane only. */
export const shapes = [
  { prefix: "NP", suffix: "ps", double: 0, scalar: 0, src: "xm" },
  { prefix: "66", suffix: "pd", double: 1, scalar: 0, src: "xm" },
  { prefix: "F3", suffix: "ss", double: 0, scalar: 1, src: "xm32" },
  { prefix: "F2", suffix: "sd", double: 1, scalar: 1, src: "xm64" },
] as const;

/** What a routine of the run-time library makes of 128 bits, which part of the operation this is; its exceptions are looked at behind it. */
export type FloatMake = (m: X86Machine, a: V128, b: V128, part: I32, quick?: Quick<V128>) => V128;

/** What the host makes of each half's operands, and whether that is right of all of them. */
export type QuickMake = (m: X86Machine, halves: readonly (readonly [V128, V128])[]) => readonly Quick<V128>[];
type Combined = (m: X86Machine, operands: unknown) => void;

/**
 * As `combine`, for arithmetic: exceptions of all lanes together keep the destination, and memory is read first. What `quick` gives
 * is for `make` to take.
 */
export function floatCombine(make: FloatMake, scalar: 0 | 1, quick?: QuickMake): Combined {
  return (m, operands) => {
    const { dst, a = dst, src } = operands as { dst: Operand; a?: Operand; src: Operand };
    const wide = dst.size === 256 && !scalar;
    const b = src.vector();
    const upperB = wide ? src.upper() : undefined;
    const halves: (readonly [V128, V128])[] = [[a.vector(), b]];
    if (upperB) halves.push([a.upper(), upperB]);
    const parts = wide ? [SsePart.first, SsePart.second] : [scalar];
    const quicks = quick?.(m, halves);
    const made = halves.map(([x, y], half) => make(m, x, y, m.i32.const(parts[half] as number), quicks?.[half]));
    const [low, upper] = made as [V128, V128?];
    m.checkFloat();
    dst.setVector(low, upper);
  };
}
