/** Byte sequences for the tests of x86's decoder: of a declared form, and of anything. */
import { type Form, SizeRule } from "../../src/arch/x86/isa/encoding.js";
import { vectorIndexKinds, vvvvKinds } from "../../src/arch/x86/isa/operand.js";
import type { CodeSize } from "../../src/arch/x86/isa/registers.js";
import type { Random } from "../differential/random.js";

const legacy = [0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x3e, 0x26, 0x36, 0x64, 0x65] as const;
const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;
const bytes = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.below(256));

/** Bytes that begin with an instruction of this form, its operands, prefixes that do nothing and what follows it drawn. */
export function ofForm(
  random: Random,
  { map, opcode, fixed, modrm, registerInOpcode, sizeRule, operands }: Form,
  codeSize: CodeSize,
): number[] {
  const out: number[] = [];
  const vex = map >= 4;
  const w = fixed.w ?? random.below(2);
  const gathers = operands.some(({ kind }) => vectorIndexKinds.includes(kind));
  const sizes = fixed.prefix === undefined || fixed.prefix > 1;
  if (!vex) {
    if (sizes && sizeRule !== SizeRule.byte && random.below(4) === 0) out.push(0x66);
    if (random.below(8) === 0) out.push(0x67);
    if (random.below(8) === 0) out.push(pick(random, [0x64, 0x65]));
    if (fixed.prefix) out.push([0, 0x66, 0xf3, 0xf2][fixed.prefix] as number);
    if (codeSize === 64 && (fixed.w === 1 || random.below(2))) {
      const b = fixed.b === 0 ? 0 : random.below(2);
      out.push(0x40 | (w << 3) | (random.below(4) << 1) | b);
    }
    out.push(...([[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map] as number[]));
  } else {
    // Gathers have no addresses of 16 bits.
    if (gathers ? codeSize === 16 || (codeSize === 64 && random.below(8) === 0) : random.below(8) === 0) out.push(0x67);
    if (random.below(8) === 0) out.push(pick(random, [0x64, 0x65]));
    const v = operands.some(({ kind }) => vvvvKinds.includes(kind)) ? random.below(16) : 15;
    const last = ((fixed.l ?? random.below(2)) << 2) | (fixed.prefix ?? 0) | (codeSize === 64 ? v << 3 : (8 | v) << 3);
    const inverted = codeSize === 64 ? random.below(8) << 5 : 7 << 5;
    out.push(0xc4, inverted | (map & 3), (w << 7) | last);
  }
  out.push(registerInOpcode ? opcode | (fixed.b === 0 ? 0 : random.below(8)) : opcode);
  if (modrm) {
    const mod = fixed.register === 1 ? 3 : fixed.register === 0 ? random.below(3) : random.below(4);
    const rm = gathers ? 4 : (fixed.rm ?? random.below(8));
    out.push((mod << 6) | ((fixed.reg ?? random.below(8)) << 3) | rm);
  }
  return [...out, ...bytes(random, 15)].slice(0, 24);
}

/** Any bytes, with more prefixes and more of the larger maps than chance has. */
export function anything(random: Random, codeSize: CodeSize): number[] {
  const out: number[] = [];
  while (random.below(3) === 0) out.push(pick(random, legacy));
  if (random.below(12) === 0) out.push(0xf0);
  if (codeSize === 64 && random.below(2) === 0) out.push(0x40 + random.below(16));
  const kind = random.below(10);
  if (kind < 4) out.push(0x0f);
  if (kind === 0) out.push(pick(random, [0x38, 0x3a]));
  return [...out, ...bytes(random, 15)].slice(0, 24);
}
