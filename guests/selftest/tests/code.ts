/** Code that is written while it runs: with the instructions that the architecture wants, and without. */
import { assembleWord } from "../../../src/arch/powerpc/isa/assembler.js";
import type { Author, SelfTest } from "../author.js";
import { userAlias } from "../author.js";
import { memoryMap } from "../guest.js";

const real = 0x1d0000;
const kernel = 0xc000000000000000n + BigInt(real);
const alias = userAlias + BigInt(real);
const word = (text: string) => BigInt(assembleWord(text));
const synchronize = "  dcbst 0, r14\n  sync\n  icbi 0, r14\n  isync";

/** Puts `li r20, n; blr` at the address in r14 + offset. */
const write = (t: Author, n: number, offset = 0) => `
${t.load("r15", word(`li r20, ${n}`))}
  stw r15, ${offset}(r14)
${t.load("r15", word("blr"))}
  stw r15, ${offset + 4}(r14)`;
const call = "  mtctr r14\n  bctrl";

export const changingCode: SelfTest = {
  name: "code that changes",
  environment: "virtual",
  source: (t) => `
${t.load("r14", kernel)}
${write(t, 1)}
${synchronize}
${call}
${t.check("first", "r20", 1)}
${write(t, 2)}
${synchronize}
${call}
${t.check("with icbi", "r20", 2)}
${write(t, 3)}
${call}
${t.check("without icbi", "r20", 3)}
# Through another address of the same page.
${t.load("r14", alias)}
${write(t, 4)}
${t.load("r14", kernel)}
${call}
${t.check("through an alias", "r20", 4)}
# By other kinds of stores.
${t.load("r15", word("li r20, 5"))}
  lwarx r16, 0, r14
  stwcx. r15, 0, r14
${call}
${t.check("by stwcx.", "r20", 5)}
${t.load("r15", t.littleEndian ? (word("blr") << 32n) | word("li r20, 6") : (word("li r20, 6") << 32n) | word("blr"))}
  mtvsrd vs1, r15
  stfd f1, 0(r14)
${call}
${t.check("by stfd", "r20", 6)}
${t.load("r15", t.littleEndian ? (word("blr") << 32n) | word("li r20, 7") : (word("li r20, 7") << 32n) | word("blr"))}
  mtvsrdd vs34, r15, r15
  stvx v2, 0, r14
${call}
${t.check("by stvx", "r20", 7)}
  dcbz 0, r14
${t.fault({ what: "zeroed by dcbz", before: "  mtctr r14", code: "  bctrl", vector: 0x700, srr0: kernel, cause: 0x80000n, resumeMsr: t.msr })}
# Other code under the same address: the page table changes.
${t.load("r14", kernel)}
${write(t, 8)}
${t.load("r14", kernel + 0x10000n)}
${write(t, 9)}
${t.load("r14", 0x10600000)}
  li r21, 0
  li r22, 0
5:
  cmpwi r21, 0
${t.load("r3", 0xc000000000000007n | 0x180n | BigInt(real))}
  beq 6f
${t.load("r3", 0xc000000000000007n | 0x180n | BigInt(real + 0x10000))}
6:
${t.load("r4", memoryMap.tables + 0x5000 + 8)}
  bl setEntry
${t.load("r3", (1n << 63n) | BigInt(memoryMap.tables + 0x5000) | 5n)}
${t.load("r4", memoryMap.tables + 0x3000 + 8 * (0x10600000 >> 21))}
  bl setEntry
${t.load("r4", 0x10610000 | (5 << 5))}
${t.load("r5", 1n << 32n)}
  ptesync
  tlbie r4, r5, 0, 1, 1
  eieio
  tlbsync
  ptesync
  isync
  addis r14, r14, 1
${call}
  addis r14, r14, -1
  sldi r22, r22, 8
  or r22, r22, r20
  addi r21, r21, 1
  cmpwi r21, 2
  blt 5b
${t.check("another page under one address", "r22", 0x809)}
# Code over the end of a page, and its second page changes.
${t.load("r14", kernel + 0xffcn)}
${t.load("r15", word("li r20, 10"))}
  stw r15, 0(r14)
${t.load("r15", word("blr"))}
  stw r15, 4(r14)
${call}
${t.load("r15", word("addi r20, r20, 1"))}
  stw r15, 4(r14)
${t.load("r15", word("blr"))}
  stw r15, 8(r14)
${call}
${t.check("the page after the first", "r20", 11)}
# An instruction that rewrites what comes soon after it.
${t.load("r14", "changingHere")}
${t.load("r15", word("li r20, 12"))}
  li r20, 0
  stw r15, 0(r14)
${synchronize}
changingHere:
  li r20, 13
${t.check("just ahead", "r20", 12)}
${t.load("r15", word("li r20, 13"))}
  stw r15, 0(r14)
${synchronize}
`,
};

/** A loop that is hot when it is rewritten: by a store from inside, and by one from outside. */
export const changingHotCode: SelfTest = {
  name: "hot code that changes",
  environment: "virtual",
  source: (t) => {
    const rounds = 4;
    const length = 150_000;
    let expected = 0;
    for (let round = 0; round < rounds; round++) expected += length * (round + 1);
    return `
${t.load("r14", "hotPatch")}
  li r20, 0
  li r21, 0
1:
# The loop's increment becomes round + 1.
${t.load("r15", word("addi r20, r20, 0"))}
  addi r16, r21, 1
  or r15, r15, r16
  stw r15, 0(r14)
${synchronize}
${t.load("r16", length)}
  mtctr r16
2:
hotPatch:
  addi r20, r20, 0
  xori r17, r20, 1
  add r18, r17, r20
  bdnz 2b
  addi r21, r21, 1
  cmpwi r21, ${rounds}
  blt 1b
${t.check("sum of a loop patched from outside", "r20", expected)}
# From inside: the increment changes for good when the counter comes to a third.
  li r20, 0
${t.load("r14", "hotInside")}
${t.load("r15", word("addi r20, r20, 1"))}
  stw r15, 0(r14)
${synchronize}
${t.load("r16", 300_000)}
  mtctr r16
${t.load("r18", 100_000)}
3:
  mfctr r17
  cmpd r17, r18
  bne 4f
${t.load("r15", word("addi r20, r20, 5"))}
  stw r15, 0(r14)
${synchronize}
4:
hotInside:
  addi r20, r20, 1
  bdnz 3b
${t.check("sum of a loop that patches itself", "r20", 200_000 + 5 * 100_000)}
`;
  },
};
