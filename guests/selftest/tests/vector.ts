/** Vectors: some of each kind of VMX and VSX instruction. */
import type { Author, SelfTest } from "../author.js";
import { bits } from "./float.js";

/** Loads both doublewords of a VSR. */
const put = (t: Author, vsr: number, high: bigint, low: bigint) =>
  `${t.load("r14", high)}\n${t.load("r15", low)}\n  mtvsrdd vs${vsr}, r14, r15`;
const see = (t: Author, what: string, vsr: number, high: bigint, low: bigint) => `
  mfvsrd r16, vs${vsr}
  mfvsrld r17, vs${vsr}
${t.check(`${what}, doubleword 0`, "r16", high)}
${t.check(`${what}, doubleword 1`, "r17", low)}`;

const counting = 0x0001020304050607n;
const countingOn = 0x08090a0b0c0d0e0fn;

export const vectors: SelfTest = {
  name: "vectors",
  environment: "real",
  source: (t) => `
${put(t, 32, counting, countingOn)}
${put(t, 33, 0xfffefdfcfbfaf9f8n, 0x8000000000000001n)}
  vaddubm v2, v0, v1
${see(t, "vaddubm", 34, 0xffffffffffffffffn, 0x88090a0b0c0d0e10n)}
  vxor v3, v3, v3
  mtvscr v3
  vaddubs v2, v1, v1
${see(t, "vaddubs", 34, 0xffffffffffffffffn, 0xff00000000000002n)}
  mfvscr v3
${see(t, "VSCR[SAT]", 35, 0n, 1n)}
  vspltisb v4, 3
  vrlb v2, v0, v4
${see(t, "vrlb", 34, 0x0008101820283038n, 0x4048505860687078n)}
  vsldoi v2, v0, v1, 5
${see(t, "vsldoi", 34, 0x05060708090a0b0cn, 0x0d0e0ffffefdfcfbn)}
  vcmpequb. v2, v0, v0
  mfcr r18
  vcmpequb. v2, v0, v1
  mfcr r19
  rlwinm r18, r18, 28, 28, 31
  rlwinm r19, r19, 28, 28, 31
${t.check("all equal: CR6", "r18", 8)}
${t.check("none equal: CR6", "r19", 2)}
${put(t, 36, 0x1f0e001000010203n, 0x100f1f0000000000n)}
  vperm v2, v0, v1, v4
${see(t, "vperm", 34, 0x010e00ff00010203n, 0xff0f010000000000n)}
  vmuluwm v2, v0, v0
${see(t, "vmuluwm", 34, (((0x00010203n * 0x00010203n) & 0xffffffffn) << 32n) | ((0x04050607n * 0x04050607n) & 0xffffffffn), (((0x08090a0bn * 0x08090a0bn) & 0xffffffffn) << 32n) | ((0x0c0d0e0fn * 0x0c0d0e0fn) & 0xffffffffn))}
  vclzd v2, v0
${see(t, "vclzd", 34, 15n, 4n)}
  vpopcntd v2, v0
${see(t, "vpopcntd", 34, 12n, 20n)}
  xxmrghw vs2, vs32, vs33
${see(t, "xxmrghw", 2, 0x00010203fffefdfcn, 0x04050607fbfaf9f8n)}
  xxpermdi vs2, vs32, vs33, 2
${see(t, "xxpermdi", 2, countingOn, 0xfffefdfcfbfaf9f8n)}
  xxspltib vs2, 0x5a
${see(t, "xxspltib", 2, 0x5a5a5a5a5a5a5a5an, 0x5a5a5a5a5a5a5a5an)}
  xxsel vs3, vs32, vs33, vs2
${see(t, "xxsel", 3, (counting & ~0x5a5a5a5a5a5a5a5an) | (0xfffefdfcfbfaf9f8n & 0x5a5a5a5a5a5a5a5an), (countingOn & ~0x5a5a5a5a5a5a5a5an & 0xffffffffffffffffn) | (0x8000000000000001n & 0x5a5a5a5a5a5a5a5an))}
${put(t, 6, bits(1.5), bits(-3))}
${put(t, 7, bits(2), bits(0.25))}
  xvadddp vs8, vs6, vs7
${see(t, "xvadddp", 8, bits(3.5), bits(-2.75))}
  xvmaddadp vs8, vs6, vs7
${see(t, "xvmaddadp", 8, bits(6.5), bits(-3.5))}
  xvcvdpsxds vs8, vs8
${see(t, "xvcvdpsxds", 8, 6n, 0xfffffffffffffffdn)}
  xvcmpgtdp. vs8, vs7, vs6
  mfcr r18
  rlwinm r18, r18, 28, 28, 31
${t.check("xvcmpgtdp.: CR6", "r18", 8)}
${put(t, 38, 0x3fff000000000000n, 0n)}
  xsaddqp v7, v6, v6
${see(t, "quad precision: 1 + 1", 39, 0x4000000000000000n, 0n)}
# Storage.
  addi r20, r13, 256
  li r21, 16
  stxv vs32, 0(r20)
  lbz r16, 0(r20)
${t.check("stxv: first byte", "r16", t.littleEndian ? 0x0f : 0x00)}
  stvx v1, r20, r21
  lvx v2, r20, r21
${see(t, "stvx and lvx", 34, 0xfffefdfcfbfaf9f8n, 0x8000000000000001n)}
  addi r22, r20, 3
  lxvd2x vs2, 0, r22
  stxvd2x vs2, r20, r21
  li r16, 3
  ldx r16, r20, r16
  mfvsrd r17, vs2
  sub r16, r16, r17
${t.check("lxvd2x, misaligned", "r16", 0)}
  ldx r16, r20, r21
  mfvsrd r17, vs2
  sub r16, r16, r17
${t.check("stxvd2x", "r16", 0)}
  lvx v2, 0, r22
${see(t, "lvx ignores the low bits", 34, counting, countingOn)}
  li r17, 5
  sldi r17, r17, 56
  lxvl vs2, r20, r17
  mfvsrd r16, vs2
  mfvsrld r18, vs2
${t.check("lxvl of 5 bytes, doubleword 0", "r16", t.littleEndian ? 0n : 0x0001020304000000n)}
${t.check("lxvl of 5 bytes, doubleword 1", "r18", t.littleEndian ? 0x0b0c0d0e0fn : 0n)}
`,
};
