/** GFNI: bytes as elements of the field of 256 with the polynomial 0x11b. Source: Intel SDM, volume 2, "GF2P8MULB". */

/** Products, each byte's by itself. */
export function galoisProduct(a: v128, b: v128): v128 {
  let product = i8x16.splat(0);
  let multiple = a;
  let bits = b;
  for (let i = 0; i < 8; i++) {
    const wanted = i8x16.neg(v128.and(bits, i8x16.splat(1)));
    product = v128.xor(product, v128.and(multiple, wanted));
    const over = v128.and(i8x16.shr_s(multiple, 7), i8x16.splat(0x1b));
    multiple = v128.xor(i8x16.shl(multiple, 1), over);
    bits = i8x16.shr_u(bits, 1);
  }
  return product;
}

/** Inverses: the 254th powers, so that 0 has 0. */
export function galoisInverse(a: v128): v128 {
  let power = a;
  for (let i = 0; i < 6; i++) power = galoisProduct(galoisProduct(power, power), a);
  return galoisProduct(power, power);
}
