/** Fixed point: what programs lean on most, and what is easily got wrong. */
import type { SelfTest } from "../author.js";

export const fixedPoint: SelfTest = {
  name: "fixed point",
  environment: "real",
  source: (t) => {
    const a = 0xfedcba9876543210n;
    const b = 0x0123456789abcdefn;
    const one = (what: string, code: string, expected: bigint) => `
${t.load("r14", a)}
${t.load("r15", b)}
${code}
${t.check(what, "r16", BigInt.asUintN(64, expected))}`;
    const signed = BigInt.asIntN(64, a);
    const word = (value: bigint) => BigInt.asIntN(32, value);
    return `
${one("mulld", "  mulld r16, r14, r15", a * b)}
${one("mulhd", "  mulhd r16, r14, r15", (signed * b) >> 64n)}
${one("mulhdu", "  mulhdu r16, r14, r15", (a * b) >> 64n)}
${one("mullw", "  mullw r16, r14, r15", word(a) * word(b))}
${one("divd", "  li r17, -7\n  divd r16, r15, r17", b / -7n)}
${one("divdu", "  divdu r16, r14, r15", a / b)}
${one("divwu", "  divwu r16, r15, r14", (b & 0xffffffffn) / (a & 0xffffffffn))}
${one("modsd", "  li r17, 1000\n  modsd r16, r14, r17", signed % 1000n)}
${one("maddld", "  maddld r16, r14, r15, r14", a * b + a)}
${one("rldicl", "  rldicl r16, r14, 20, 12", ((a << 20n) | (a >> 44n)) & 0xfffffffffffffn)}
${one("rldimi", "  mr r16, r15\n  rldimi r16, r14, 16, 24", (b & 0xffffff000000ffffn) | ((a << 16n) & 0x000000ffffff0000n))}
${one("rlwimi", "  mr r16, r15\n  rlwimi r16, r14, 8, 8, 23", (b & 0xffffffffff0000ffn) | (((a << 8n) | ((a >> 24n) & 0xffn)) & 0xffff00n))}
${one("sraw", "  li r17, 35\n  sraw r16, r14, r17", 0n)}
${one("srad", "  li r17, 4\n  srad r16, r14, r17", signed >> 4n)}
${one("sld by 64", "  li r17, 64\n  sld r16, r14, r17", 0n)}
${one("cntlzd", "  cntlzd r16, r15", 7n)}
${one("cnttzd", "  cnttzd r16, r14", 4n)}
${one("popcntd", "  popcntd r16, r14", 32n)}
${one("cmpb", "  cmpb r16, r14, r14", -1n)}
${one("bpermd", "  li r17, -1\n  li r18, 0\n  bpermd r16, r18, r17", 0xffn)}
${one("addc, adde", "  addc r16, r14, r14\n  adde r16, r15, r15", 2n * b + 1n)}
${one("subfc, subfe", "  subfc r16, r14, r15\n  subfe r16, r15, r14", a - b - 1n)}
${one("extsw", "  extsw r16, r14", word(a))}
${one("isel", "  cmpld r14, r15\n  isel r16, r14, r15, 1", a)}
${one("setb", "  cmpd r14, r15\n  setb r16, cr0", -1n)}
${one("addpcis", "  bl fixedHere\nfixedHere:\n  mflr r17\n  addpcis r16, 0\n  sub r16, r16, r17", 8n)}
# CR logic, XER[OV] and [SO].
  li r14, 0
  mtxer r14
  li r14, -1
  srdi r14, r14, 1
  li r15, 1
  addo. r16, r14, r15
  mfcr r17
  rlwinm r17, r17, 4, 28, 31
  mfxer r18
  srwi r18, r18, 29
${t.check("addo.: CR0", "r17", 9)}
${t.check("addo.: SO, OV, CA", "r18", 6)}
  addo r16, r15, r15
  mfxer r18
  srwi r18, r18, 29
${t.check("SO stays", "r18", 4)}
  li r14, 5
  li r15, 0
  divdo r16, r14, r15
  mfxer r18
  srwi r18, r18, 29
${t.check("division by zero: SO, OV", "r18", 6)}
  crset 4
  crclr 5
  crnand 6, 4, 5
  crxor 7, 4, 6
  mfocrf r17, 0x40
  rlwinm r17, r17, 8, 28, 31
${t.check("CR logic", "r17", 10)}
# Branches: CTR, LR, TAR, conditions.
  li r14, 5
  mtctr r14
  li r15, 0
  cmpwi cr3, r15, 0
1:
  addi r15, r15, 1
  bdnzt 14, 1b
${t.check("bdnzt", "r15", 5)}
${t.load("r14", "fixedTar")}
  mtspr 815, r14
  li r15, 0
  bctarl 20, 0, 0
fixedBack:
  li r15, 1
fixedTar:
  mflr r16
${t.check("bctarl skips", "r15", 0)}
${t.check("bctarl: LR", "r16", "fixedBack")}
`;
  },
};
