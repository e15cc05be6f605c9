/** Accesses of every width at every alignment, within a page and over its end, in pages of 4 KiB and of 64 KiB. */
import { type Author, areaFields, type SelfTest } from "../author.js";
import { memoryMap, PTE } from "../guest.js";

const small = 0x10000000;
const medium = 0x10200000;
const data = memoryMap.data;
const table = (n: number) => memoryMap.tables + 0x1000 * n;
const page = PTE.valid | PTE.leaf | PTE.write | PTE.referenced | PTE.changed;

/** Stores to r14 + i, loads back, compares with the bytes: for i from r14 to r15, errors are counted in r20. */
const sweep = (what: string, from: number, store: string, load: string, width: number) => `
# ${what}
  li r16, ${from}
1:
  add r17, r14, r16
  addi r21, r21, 0x1235
  mulld r21, r21, r22
  ${store}
  ${load}
  clrldi r24, r21, ${64 - 8 * width}
  cmpld r23, r24
  beq 2f
  addi r20, r20, 1
2:
# The same byte by byte, the most significant first.
  li r23, 0
  li r25, ${width}
  mtctr r25
  mr r25, r17
3:
  lbz r26, 0(r25)
  BYTE
  addi r25, r25, 1
  bdnz 3b
  cmpld r23, r24
  beq 4f
  addi r20, r20, 1
4:
  addi r16, r16, 1
  cmpwi r16, ${16}
  blt 1b`;

const accesses = (t: Author, at: string) => {
  const byte = t.littleEndian ? "  rldicl r23, r23, 56, 0" : "  sldi r23, r23, 8\n  or r23, r23, r26";
  const order = (text: string, width: number) =>
    text
      .replace("  BYTE", t.littleEndian ? `${byte}\n  sldi r26, r26, 56\n  or r23, r23, r26` : byte)
      .replace("  bdnz 3b", `  bdnz 3b${t.littleEndian && width < 8 ? `\n  srdi r23, r23, ${64 - 8 * width}` : ""}`);
  return `
${t.load("r14", at)}
${[
  order(sweep("halfword", -16, "sth r21, 0(r17)", "lhz r23, 0(r17)", 2), 2),
  order(sweep("word", -16, "stw r21, 0(r17)", "lwz r23, 0(r17)", 4), 4),
  order(sweep("doubleword", -16, "std r21, 0(r17)", "ld r23, 0(r17)", 8), 8),
  order(sweep("double", -16, "mtvsrd vs1, r21\n  stfd f1, 0(r17)", "lfd f2, 0(r17)\n  mfvsrd r23, vs2", 8), 8),
  order(
    sweep("vector element", -16, "mtvsrd vs1, r21\n  stxsdx vs1, 0, r17", "lxsdx vs2, 0, r17\n  mfvsrd r23, vs2", 8),
    8,
  ),
].join("\n")}
# 16 bytes at once.
  li r16, -16
5:
  add r17, r14, r16
  addi r21, r21, 0x1235
  mulld r21, r21, r22
  not r24, r21
  mtvsrdd vs34, r21, r24
  stxv vs34, 0(r17)
  lxv vs35, 0(r17)
  mfvsrd r23, vs35
  mfvsrld r25, vs35
  cmpld r23, r21
  bne 6f
  cmpld r25, r24
  bne 6f
  ld r23, ${t.littleEndian ? 8 : 0}(r17)
  cmpld r23, r21
  beq 7f
6:
  addi r20, r20, 1
7:
  addi r16, r16, 1
  cmpwi r16, 16
  blt 5b`;
};

export const alignment: SelfTest = {
  name: "misaligned, over pages' ends",
  environment: "virtual",
  source: (t) => {
    const set = (value: bigint, address: number) => `${t.load("r3", value)}\n${t.load("r4", address)}\n  bl setEntry`;
    const places = [
      ["within a page", small + 0x800],
      ["over the end of 4K", small + 0x1000],
      ["over the end of 64K", medium + 0x10000],
      ["from 4K to 64K", medium],
    ] as const;
    return `
${set(PTE.valid | BigInt(table(4)) | 9n, table(3) + 8 * (small >> 21))}
${set(PTE.valid | BigInt(table(5)) | 5n, table(3) + 8 * (medium >> 21))}
# Pages that follow each other lie apart.
${set(page | BigInt(data + 0x3000), table(4))}
${set(page | BigInt(data + 0x7000), table(4) + 8)}
${set(page | BigInt(data + 0x1000), table(4) + 8 * 511)}
${set(page | BigInt(data + 0x30000), table(5))}
${set(page | BigInt(data + 0x10000), table(5) + 8)}
  li r21, 1
${t.load("r22", 6364136223846793005n)}
${places
  .map(([what, address]) => `  li r20, 0\n${accesses(t, `${address}`)}\n${t.check(`wrong accesses ${what}`, "r20", 0)}`)
  .join("\n")}
${t.load("r14", small + 0xff0)}
# Several registers, several bytes.
  li r28, 1
  li r29, 2
  li r30, 3
  li r31, 4
${
  t.littleEndian
    ? ""
    : `  stmw r28, 8(r14)
  lmw r28, 8(r14)
  ld r16, 8(r14)
${t.check("stmw over the end of a page, first part", "r16", 0x100000002n)}
  ld r16, 16(r14)
${t.check("stmw over the end of a page, second part", "r16", 0x300000004n)}
  lswi r28, r14, 20
${t.check("lswi over the end of a page", "r30", 1)}`
}
  addi r15, r14, 0x10
  dcbz 0, r15
  ld r16, 0(r15)
${t.check("dcbz", "r16", 0)}
  addi r14, r13, ${areaFields.SCRATCH}
${t.checkArea("no interrupt", "COUNT", 0)}
`;
  },
};
