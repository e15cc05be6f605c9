/**
 * AES, SHA-2, polynomial multiplication.
 * Source: Power ISA v3.0B, Book I "Vector Cryptographic Instructions" (AES, SHA-256 and SHA-512 sigma functions, binary
 * polynomial multiplication, permute and exclusive-or).
 */
import { insn } from "../insn.js";
import { va, vx } from "../vector-forms.js";
import { splat } from "../vector-lanes.js";

const vector = { facility: "vector" } as const;

export const vsbox = insn("vsbox", "000100 vrt:5 vra:5 -:5 10111001000", "vrt, vra", vector, (m, o) =>
  m.setVr(o.vrt, m.call("aesSubBytes", m.vr(o.vra))),
);

export const vshasigmaw = insn(
  "vshasigmaw",
  "000100 vrt:5 vra:5 st:1 six:4 11010000010",
  "vrt, vra, st, six",
  vector,
  (m, o) => m.setVr(o.vrt, m.call("sha256Sigma", m.vr(o.vra), o.st, o.six)),
);

export const vshasigmad = insn(
  "vshasigmad",
  "000100 vrt:5 vra:5 st:1 six:4 11011000010",
  "vrt, vra, st, six",
  vector,
  (m, o) => m.setVr(o.vrt, m.call("sha512Sigma", m.vr(o.vra), o.st, o.six)),
);

export const vpermxor = va("vpermxor", 45, (m, a, b, c) => {
  // Byte numbers count from the left: lane 15 - n is n with its four bits turned.
  const { i8x16, v128 } = m;
  const turned = v128.not(c);
  const fromA = i8x16.shrU(turned, m.i32.const(4));
  const fromB = v128.and(turned, splat(m, 8, 15));
  return v128.xor(i8x16.swizzle(a, fromA), i8x16.swizzle(b, fromB));
});

export const vectorCryptoInstructions = [
  vx("vcipher", 1288, (m, a, b) => m.v128.xor(m.call("aesRound", a), b)),
  vx("vcipherlast", 1289, (m, a, b) => m.v128.xor(m.call("aesLastRound", a), b)),
  vx("vncipher", 1352, (m, a, b) => m.call("aesInverseMixColumns", m.v128.xor(m.call("aesInverseLastRound", a), b))),
  vx("vncipherlast", 1353, (m, a, b) => m.v128.xor(m.call("aesInverseLastRound", a), b)),
  vsbox,
  vshasigmaw,
  vshasigmad,
  vpermxor,
  vx("vpmsumb", 1032, (m, a, b) => m.call("polynomialSumBytes", a, b)),
  vx("vpmsumh", 1096, (m, a, b) => m.call("polynomialSumHalfwords", a, b)),
  vx("vpmsumw", 1160, (m, a, b) => m.call("polynomialSumWords", a, b)),
  vx("vpmsumd", 1224, (m, a, b) => m.call("polynomialSumDoublewords", a, b)),
];
