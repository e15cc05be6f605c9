/** Reservations of every size, and atomic operations in storage. */
import { type Author, areaFields, type SelfTest } from "../author.js";
import { memoryMap } from "../guest.js";

const at = 0xc000000000000000n + BigInt(memoryMap.data + 0x50000);
const sizes = [
  { what: "byte", load: "lbarx", store: "stbcx.", plain: "stb", read: "lbz", mask: 0xffn },
  { what: "halfword", load: "lharx", store: "sthcx.", plain: "sth", read: "lhz", mask: 0xffffn },
  { what: "word", load: "lwarx", store: "stwcx.", plain: "stw", read: "lwz", mask: 0xffffffffn },
  { what: "doubleword", load: "ldarx", store: "stdcx.", plain: "std", read: "ld", mask: 0xffffffffffffffffn },
] as const;

/** CR0 into a register, without SO. */
const condition = (register: string) => `  mfcr ${register}\n  rlwinm ${register}, ${register}, 3, 29, 31`;

const reservation = (t: Author, { what, load, store, plain, read, mask }: (typeof sizes)[number]) => `
${t.load("r14", at)}
${t.load("r15", 0x8123456789abcdefn)}
  std r15, -8(r14)
  std r15, 0(r14)
  std r15, 8(r14)
  ${plain} r15, 0(r14)
  ${load} r16, 0, r14
  addi r17, r16, 1
  ${store} r17, 0, r14
${condition("r18")}
  ${read} r19, 0(r14)
  ${store} r17, 0, r14
${condition("r20")}
${t.check(`${what}: loaded`, "r16", 0x8123456789abcdefn & mask)}
${t.check(`${what}: the store was performed`, "r18", 1)}
${t.check(`${what}: stored`, "r19", 0x8123456789abcdf0n & mask)}
${t.check(`${what}: a second store has no reservation`, "r20", 0)}
  ld r15, -8(r14)
${t.check(`${what}: what lies before`, "r15", 0x8123456789abcdefn)}
  ${load} r16, 0, r14
  addi r17, r14, 256
  ${store} r16, 0, r17
${condition("r18")}
${t.check(`${what}: stored elsewhere`, "r18", 0)}`;

export const reservations: SelfTest = {
  name: "reservations",
  environment: "virtual",
  source: (t) => `
${sizes.map((size) => reservation(t, size)).join("\n")}
# 16 bytes: the even register is the more significant half.
${t.load("r14", at)}
${t.load("r16", 0x1111111111111111n)}
${t.load("r17", 0x2222222222222222n)}
  stq r16, 0(r14)
  lqarx r18, 0, r14
  addi r20, r18, 1
  addi r21, r19, 2
  stqcx. r20, 0, r14
${condition("r22")}
  lq r24, 0(r14)
${t.check("quadword: first half", "r18", 0x1111111111111111n)}
${t.check("quadword: second half", "r19", 0x2222222222222222n)}
${t.check("quadword: the store was performed", "r22", 1)}
${t.check("quadword: first half stored", "r24", 0x1111111111111112n)}
${t.check("quadword: second half stored", "r25", 0x2222222222222224n)}
# Misaligned.
  addi r15, r14, 2
${t.fault({ what: "misaligned lwarx", code: "  lwarx r16, 0, r15", vector: 0x600, dar: at + 2n })}
${t.fault({ what: "misaligned stdcx.", code: "  stdcx. r16, 0, r15", vector: 0x600, dar: at + 2n })}
${t.fault({ what: "misaligned lqarx", before: "  addi r15, r14, 8", code: "  lqarx r18, 0, r15", vector: 0x600, dar: at + 8n })}
# A reservation goes with SO in CR0.
  lis r15, -0x8000
  mtxer r15
  lwarx r16, 0, r14
  stwcx. r16, 0, r14
  mfcr r18
  rlwinm r18, r18, 4, 28, 31
  li r15, 0
  mtxer r15
${t.check("CR0 with SO", "r18", 3)}
`,
};

export const atomicOperations: SelfTest = {
  name: "atomic operations in storage",
  environment: "virtual",
  source: (t) => `
${t.load("r14", at)}
  li r15, 100
  std r15, 0(r14)
  std r15, 8(r14)
  li r17, 7
  ldat r16, r14, 0
  ld r18, 0(r14)
${t.check("fetch and add: before", "r16", 100)}
${t.check("fetch and add: after", "r18", 107)}
  li r17, -1
  ldat r16, r14, 7
  ld r18, 0(r14)
${t.check("fetch and signed minimum", "r18", -1)}
  std r15, 0(r14)
  li r17, 5
  lwat r16, r14, 8
  lwz r18, 0(r14)
${t.check("swap of a word", "r18", 5)}
  std r15, 0(r14)
  li r17, 3
  stdat r17, r14, 0
  ld r18, 0(r14)
${t.check("store add", "r18", 103)}
${t.checkArea("no interrupt", "COUNT", 0)}
  addi r14, r13, ${areaFields.SCRATCH}
`,
};
