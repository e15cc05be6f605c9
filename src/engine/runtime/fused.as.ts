/**
 * Products and sums of doubles by the host's arithmetic, rounded once to the nearest. Source: Boldo and Melquiond, "Emulation of
 * FMA and Correctly Rounded Sums: Proved Algorithms Using Rounding to Odd".
 */

const FRACTION: u64 = 0x000fffffffffffff;
const ONE_BIT: u64 = 0x0010000000000000;

/** True for exponents that keep products and their errors far from the ends of the range. */
// @ts-ignore: decorator
@inline
export function moderate(bits: u64): bool {
  return ((bits >> 52) & 0x7ff) - 624 < 800;
}

/** What `fused` lost, by its sign; 0: nothing. */
export let fusedError: f64 = 0;

/** a * b + addend, of numbers that are `moderate`; the addend may be 0. Its sign if it is 0 is not to be relied on. */
// @ts-ignore: decorator
@inline
export function fused(a: u64, b: u64, addend: f64): f64 {
  const high = reinterpret<f64>(a) * reinterpret<f64>(b);
  const bits = reinterpret<u64>(high);
  const ea = (a >> 52) & 0x7ff;
  const eb = (b >> 52) & 0x7ff;
  // The product as high + low, exactly: what the integers' product has that the rounded one has not.
  const product = ((a & FRACTION) | ONE_BIT) * ((b & FRACTION) | ONE_BIT);
  const rest = <i64>(product - (((bits & FRACTION) | ONE_BIT) << (((bits >> 52) & 0x7ff) - ea - eb + 1075)));
  const scale = reinterpret<f64>((ea + eb + (1023 - 2150)) << 52);
  const magnitude = <f64>rest * scale;
  const low = <i64>bits < 0 ? -magnitude : magnitude;
  // Three sums without error, the last two terms joined by rounding to odd.
  const u = addend + low;
  let t = u - addend;
  const ue = addend - (u - t) + (low - t);
  const h = high + u;
  t = h - high;
  const he = high - (h - t) + (u - t);
  let v = he + ue;
  t = v - he;
  const ve = he - (v - t) + (ue - t);
  if (ve != 0) {
    const vb = reinterpret<u64>(v);
    if ((vb & 1) == 0) v = reinterpret<f64>(ve > 0 == v > 0 ? vb + 1 : vb - 1);
  }
  const r = h + v;
  t = r - h;
  const re = h - (r - t) + (v - t);
  fusedError = re != 0 ? re : ve;
  return r;
}
