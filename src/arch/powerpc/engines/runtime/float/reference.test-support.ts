/**
 * A second implementation of rounding, on integers of any size, as judge of the first: values are
 * (-1)^sign * (n + [0 < rest < 1 if sticky]) * 2^e, rounded as Power ISA v3.0B, Book I "Floating-Point Execution Models"
 * says. Finite operands only.
 */
export interface Exact {
  readonly negative: boolean;
  readonly n: bigint;
  readonly e: number;
  readonly sticky: boolean;
}

export interface Format {
  readonly precision: number;
  readonly maximum: number;
  /** What is added to the exponent on an enabled underflow, and subtracted on overflow. */
  readonly adjustment: number;
}
export const binary64: Format = { precision: 53, maximum: 1023, adjustment: 1536 };
export const binary32: Format = { precision: 24, maximum: 127, adjustment: 192 };

export const Bit = {
  FX: 1n << 31n,
  FEX: 1n << 30n,
  OX: 1n << 28n,
  UX: 1n << 27n,
  XX: 1n << 25n,
  FR: 1n << 18n,
  FI: 1n << 17n,
  FPRF: 0x1fn << 12n,
  OE: 1n << 6n,
  UE: 1n << 5n,
  XE: 1n << 3n,
} as const;

const length = (n: bigint): number => n.toString(2).length;

/** The value of a finite binary64. */
export function exactOf(bits: bigint): Exact {
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const n = exponent ? fraction | (1n << 52n) : fraction;
  return { negative: bits >> 63n === 1n, n, e: (exponent || 1) - 1075, sticky: false };
}

export function sum(a: Exact, b: Exact, mode: bigint): Exact {
  const e = Math.min(a.e, b.e);
  const at = (x: Exact) => (x.negative ? -1n : 1n) * (x.n << BigInt(x.e - e));
  const total = at(a) + at(b);
  if (total !== 0n) return { negative: total < 0n, n: total < 0n ? -total : total, e, sticky: false };
  return { negative: a.negative === b.negative ? a.negative : mode === 3n, n: 0n, e, sticky: false };
}
export function product(a: Exact, b: Exact): Exact {
  return { negative: a.negative !== b.negative, n: a.n * b.n, e: a.e + b.e, sticky: false };
}
export function quotient(a: Exact, b: Exact): Exact {
  const wide = a.n << 240n;
  return { negative: a.negative !== b.negative, n: wide / b.n, e: a.e - b.e - 240, sticky: wide % b.n !== 0n };
}
export function squareRoot(a: Exact): Exact {
  const odd = a.e & 1;
  const wide = a.n << BigInt(240 + odd);
  let root = 1n << BigInt((length(wide) + 1) >> 1);
  for (let next = (root + wide / root) >> 1n; next < root; next = (root + wide / root) >> 1n) root = next;
  return { negative: a.negative, n: root, e: (a.e - odd - 240) / 2, sticky: root * root !== wide };
}

/** Rounds to `format` (binary32 is held as binary64) and updates FPSCR, which must have no invalid operations pending. */
export function round(x: Exact, format: Format, fpscr: bigint): { bits: bigint; fpscr: bigint } {
  const mode = fpscr & 3n;
  const minimum = 1 - format.maximum;
  const sign = x.negative ? 1n << 63n : 0n;
  let raised = 0n;
  let status = 0n;
  let bits = sign;
  let denormal = false;
  if (x.n !== 0n) {
    let top = x.e + length(x.n) - 1;
    let shift = 0;
    const tiny = top < minimum;
    if (tiny && fpscr & Bit.UE) {
      shift = format.adjustment;
      raised |= Bit.UX;
    }
    top += shift;
    let last = (tiny && !shift ? minimum : top) - format.precision + 1;
    const drop = last - (x.e + shift);
    const kept = drop > 0 ? x.n >> BigInt(drop) : x.n << BigInt(-drop);
    const rest = drop > 0 ? x.n - (kept << BigInt(drop)) : 0n;
    const half = drop > 0 ? 1n << BigInt(drop - 1) : 1n;
    const inexact = rest !== 0n || x.sticky;
    const beyond = rest > half || (rest === half && x.sticky);
    let up = false;
    if (mode === 0n) up = beyond || (drop > 0 && rest === half && !x.sticky && (kept & 1n) === 1n);
    else if (inexact) up = mode === 2n ? !x.negative : mode === 3n && x.negative;
    let n = up ? kept + 1n : kept;
    if (inexact) {
      status = up ? Bit.FI | Bit.FR : Bit.FI;
      raised |= Bit.XX;
      if (tiny) raised |= Bit.UX;
    }
    if (length(n) > format.precision) {
      n >>= 1n;
      last++;
    }
    let e = last + format.precision - 1;
    if (e > format.maximum && !(tiny && shift)) {
      raised |= Bit.OX;
      if (fpscr & Bit.OE) e -= format.adjustment;
      else {
        raised |= Bit.XX;
        const infinite = mode === 0n || (mode === 2n && !x.negative) || (mode === 3n && x.negative);
        status = infinite ? Bit.FI | Bit.FR : Bit.FI;
        e = format.maximum;
        n = infinite ? -1n : (1n << BigInt(format.precision)) - 1n;
      }
    }
    if (n === -1n) bits |= 0x7ffn << 52n;
    else if (n !== 0n) {
      // As binary64, in which every binary32 is normal.
      const length64 = length(n);
      const e64 = e - format.precision + length64;
      denormal = length64 < format.precision;
      const biased = (((e64 + 1023) % 2048) + 2048) % 2048;
      if (format === binary64 && denormal) bits |= n;
      else bits |= (BigInt(biased) << 52n) | ((n << BigInt(53 - length64)) & 0xfffffffffffffn);
    }
  }
  const magnitude = bits & ((1n << 63n) - 1n);
  const negative = bits >> 63n === 1n;
  const fprf =
    magnitude === 0n
      ? negative
        ? 0x12n
        : 0x02n
      : magnitude === 0x7ffn << 52n
        ? negative
          ? 0x09n
          : 0x05n
        : denormal
          ? negative
            ? 0x18n
            : 0x14n
          : negative
            ? 0x08n
            : 0x04n;
  let after = (fpscr & ~(Bit.FR | Bit.FI | Bit.FPRF)) | status | (fprf << 12n) | raised;
  if (raised & ~fpscr) after |= Bit.FX;
  after &= ~Bit.FEX;
  if ((after >> 22n) & after & 0xf8n) after |= Bit.FEX;
  return { bits, fpscr: after };
}
