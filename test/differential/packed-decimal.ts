/** Decimal integers in vector registers, as the lists of exceptions need them. Source: Power ISA v3.0B, Book I "Decimal Integer Instructions". */
import type { Correction, ExceptionContext } from "./exception.js";
import { offsets } from "./record.js";

/** The register of an operand before the case, as one number. */
function before({ operand, initial }: ExceptionContext, name: string): bigint {
  const [high, low] = initial.vsr(operand(name) + 32);
  return (high << 64n) | low;
}

const nibbles = (value: bigint): number[] =>
  Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(4 * i)) & 15n));

const validSigned = (value: bigint): boolean => {
  const [sign, ...digits] = nibbles(value);
  return (sign as number) > 9 && digits.every((digit) => digit < 10);
};

/** Whether an operand that should be packed decimal is none. The other formats QEMU judges. */
export function invalidPacked(context: ExceptionContext): boolean {
  const { mnemonic } = context;
  if (/^bcdu/.test(mnemonic)) return nibbles(before(context, "vrb")).some((digit) => digit > 9);
  if (/^bcdcf/.test(mnemonic)) return false;
  const operands = /^bcd(add|sub|cpsgn)/.test(mnemonic) ? ["vra", "vrb"] : ["vrb"];
  return !operands.every((name) => validSigned(before(context, name)));
}

const [LT, GT, EQ, SO] = [8n, 4n, 2n, 1n];
const cr6 = ({ expected }: ExceptionContext): bigint => (expected.get(offsets.cr) >> 4n) & 15n;

function withCr6(context: ExceptionContext, right: bigint): Correction {
  const wrong = context.expected.get(offsets.cr);
  return { register: "cr", wrong, right: (wrong & ~0xf0n) | (right << 4n) };
}

/** Invalidity that QEMU has overlooked. */
export function invalidity(context: ExceptionContext): readonly Correction[] {
  return invalidPacked(context) ? [withCr6(context, SO)] : [];
}

/** A zero sum is equal to zero and nothing else, and positive. */
export function zeroSum(context: ExceptionContext): readonly Correction[] {
  if ((cr6(context) & EQ) === 0n) return [];
  const positive = context.operand("ps") ? 0xfn : 0xcn;
  return [withCr6(context, EQ), { register: `vs${context.operand("vrt") + 32}.1`, wrong: 0xdn, right: positive }];
}

/** The source of a shift or a truncation, not its result, is compared with zero; and of zero no digits are lost. */
export function orderOfSource(context: ExceptionContext): readonly Correction[] {
  if (invalidPacked(context)) return [];
  const source = before(context, "vrb");
  const unsigned = /^bcdu/.test(context.mnemonic);
  const code = source & 15n;
  const zero = (unsigned ? source : source >> 4n) === 0n;
  const order = zero ? EQ : !unsigned && (code === 0xbn || code === 0xdn) ? LT : GT;
  return [withCr6(context, order | (zero ? 0n : cr6(context) & SO))];
}
