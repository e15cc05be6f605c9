/**
 * Two processors: started by firmware, contending for reservations, interrupting and waking each other, sharing page
 * tables and code. The second one waits for orders: the address of a routine in its area's ORDER.
 */
import { assembleWord } from "../../../src/arch/powerpc/isa/assembler.js";
import { type Author, areaFields, base, MSR, type SelfTest } from "../author.js";
import { memoryMap, PTE } from "../guest.js";
import { foreign } from "./modes.js";

const area = base + BigInt(memoryMap.areas);
const secondArea = area + BigInt(areaFields.SIZE);
/** Doublewords that both see, one a cache block. */
const shared = base + BigInt(memoryMap.data + 0xf0000);
const counter = (n: number) => 128 * (1 + n);
const page = PTE.valid | PTE.leaf | PTE.write | PTE.execute | PTE.referenced | PTE.changed;
const place = 0x10800000;
const table = (n: number) => memoryMap.tables + 0x1000 * n;

/**
 * Waits until code has set CR0[EQ], at most 17 seconds of the time base: the host may be slow to give the other processor
 * its thread. r25 counts what was waited for in vain. Loses r26, r27.
 */
export function until(t: Author, condition: string): string {
  const [again, done] = [t.label("again"), t.label("done")];
  return `
  mftb r26
  lis r27, 0x4000
  sldi r27, r27, 3
  add r26, r26, r27
${again}:
${condition}
  beq ${done}
  or 31, 31, 31
  mftb r27
  cmpld r27, r26
  blt ${again}
  addi r25, r25, 1
${done}:
  or 2, 2, 2`;
}

/** Gives the second processor its order and does not wait. r29 is its area. */
export const order = (t: Author, routine: string) => `
${t.load("r28", routine)}
  lwsync
  std r28, ${areaFields.ORDER}(r29)`;
export const obeyed = (t: Author) => until(t, `  ld r28, ${areaFields.ORDER}(r29)\n  cmpdi r28, 0`);
export const prologue = (t: Author) => `
  li r25, 0
${t.load("r29", secondArea)}
${t.load("r30", shared)}`;
export const epilogue = (t: Author) => `
${t.check("waits in vain", "r25", 0)}`;

const bigEndian = (t: Author, lines: readonly string[]) =>
  t.littleEndian ? foreign(lines) : lines.map((line) => `  ${line}`).join("\n");

/** What the second processor runs; r13 is its area, r30 the shared place. */
export const secondProcessor: SelfTest = {
  name: "second processor",
  environment: "virtual",
  source: (t) => `
${prologue(t)}
  li r14, 0
  std r14, ${areaFields.ORDER}(r29)
  std r14, ${areaFields.RESUME}(r29)
  std r14, ${areaFields.COUNT}(r29)
  std r14, 0(r30)
# Begins in big-endian order with r3 as it is given here.
${t.load("r3", 0x2006)}
  li r4, 3
  li r5, 1
  li r6, 1
${t.load("r7", `secondEntry - 0x${base.toString(16)}`)}
${t.load("r8", `secondStart - 0x${base.toString(16)}`)}
  bl rtas
${t.check("start-cpu", "r3", 0)}
${until(t, "  ld r28, 0(r30)\n  cmpdi r28, 77")}
${t.load("r3", 0x2005)}
  li r4, 1
  li r5, 2
  li r6, 1
  bl rtas
${t.check("it runs", "r4", 2)}
${epilogue(t)}
  b secondEnd
  .balign 16
secondEntry:
${bigEndian(t, [
  "mtsrr0 r3",
  "mfmsr r4",
  `ori r4, r4, ${MSR.FP | MSR.RI | t.orderMsr}`,
  `oris r4, r4, ${(MSR.VEC | MSR.VSX) >> 16n}`,
  "mtsrr1 r4",
  "rfid",
])}
secondStart:
${t.load("r13", secondArea)}
  mtsprg0 r13
${t.load("r30", shared)}
  li r3, 1
  mtspr 48, r3
  isync
  lis r3, 0x7fff
  mtdec r3
${t.enter("secondLoop", t.msrOf("virtual"))}
secondLoop:
  li r14, 77
  std r14, 0(r30)
secondIdle:
  or 31, 31, 31
  ld r14, ${areaFields.ORDER}(r13)
  cmpdi r14, 0
  beq secondIdle
  or 2, 2, 2
  lwsync
  mtctr r14
  bctrl
  lwsync
  li r14, 0
  std r14, ${areaFields.ORDER}(r13)
  b secondIdle
secondEnd:
`,
};

const rounds = 20_000;

/** Adds 1 to a byte, a halfword, a word and a doubleword that lie beside each other, over and over. */
const contend = (
  [
    ["lbarx", "stbcx.", counter(0)],
    ["lharx", "sthcx.", counter(0) + 2],
    ["lwarx", "stwcx.", counter(0) + 4],
    ["ldarx", "stdcx.", counter(0) + 8],
  ] as const
)
  .map(
    ([load, store, offset]) => `
  addi r15, r30, ${offset}
1:
  ${load} r16, 0, r15
  addi r16, r16, 1
  ${store} r16, 0, r15
  bne- 1b`,
  )
  .join("");

export const contention: SelfTest = {
  name: "contended reservations",
  environment: "virtual",
  source: (t) => {
    const both = `
${t.load("r18", rounds)}
2:
${contend}
  addi r18, r18, -1
  cmpdi r18, 0
  bne 2b`;
    const total = 2 * rounds;
    return `
${prologue(t)}
  li r14, 0
  std r14, ${counter(0)}(r30)
  std r14, ${counter(0) + 8}(r30)
${order(t, "contendSecond")}
${both}
${obeyed(t)}
  lbz r14, ${counter(0)}(r30)
  lhz r15, ${counter(0) + 2}(r30)
  lwz r16, ${counter(0) + 4}(r30)
  ld r17, ${counter(0) + 8}(r30)
${t.check("bytes", "r14", total & 0xff)}
${t.check("halfwords", "r15", total & 0xffff)}
${t.check("words", "r16", total)}
${t.check("doublewords", "r17", total)}
# A lock of a word, and what it protects.
  li r14, 0
  std r14, ${counter(1)}(r30)
  std r14, ${counter(2)}(r30)
${order(t, "lockSecond")}
  bl lockRoutine
${obeyed(t)}
  ld r14, ${counter(2)}(r30)
${t.check("under a lock", "r14", 2 * 5000)}
${epilogue(t)}
  b contentionEnd
contendSecond:
${both}
  blr
lockSecond:
lockRoutine:
  addi r15, r30, ${counter(1)}
  li r18, 5000
  li r19, 1
3:
  lwarx r16, 0, r15
  cmpwi r16, 0
  bne 5f
  stwcx. r19, 0, r15
  bne- 3b
  isync
  ld r17, ${counter(2)}(r30)
  addi r17, r17, 1
  std r17, ${counter(2)}(r30)
  lwsync
  li r16, 0
  stw r16, 0(r15)
  addi r18, r18, -1
  cmpdi r18, 0
  bne 3b
  or 2, 2, 2
  blr
5:
  or 31, 31, 31
  b 3b
contentionEnd:
`;
  },
};

export const betweenProcessors: SelfTest = {
  name: "interrupts between processors",
  environment: "real",
  source: (t) => `
${prologue(t)}
  li r14, 0
  std r14, ${counter(3)}(r30)
  std r14, ${counter(4)}(r30)
${order(t, "wokenSecond")}
# It sleeps in H_CEDE until this interrupt.
${until(t, `  ld r28, ${counter(3)}(r30)\n  cmpdi r28, 1`)}
${t.hcall(0x6c, 1, 5)}
${t.check("H_IPI", "r3", 0)}
${until(t, `  ld r28, ${counter(3)}(r30)\n  cmpdi r28, 2`)}
# It sleeps again until H_PROD.
${t.hcall(0xe8, 1)}
${t.check("H_PROD", "r3", 0)}
${obeyed(t)}
  ld r14, ${areaFields.VECTOR}(r29)
${t.check("vector there", "r14", 0x500)}
  ld r14, ${counter(4)}(r30)
${t.check("H_XIRR there", "r14", 0xff000002n)}
# And it interrupts back, while this one sleeps.
${t.hcall(0x68, 0xff)}
${order(t, "wakerSecond")}
${t.expectInterrupt("interruptedBack")}
${t.hcall(0xe0)}
  nop
interruptedBack:
${t.checkArea("vector here", "VECTOR", 0x500)}
${t.hcall(0x74)}
  mr r15, r4
${t.check("H_XIRR here", "r15", 0xff000002n)}
${t.hcall(0x6c, 0, 0xff)}
  mr r4, r15
${t.load("r3", 0x64)}
  sc 1
${obeyed(t)}
${epilogue(t)}
  b betweenEnd
wokenSecond:
  mflr r20
${t.hcall(0x68, 0xff)}
${t.expectInterrupt("secondInterrupted")}
  li r14, 1
  std r14, ${counter(3)}(r30)
${t.hcall(0xe0)}
  nop
secondInterrupted:
${t.hcall(0x74)}
  std r4, ${counter(4)}(r30)
  mr r15, r4
${t.hcall(0x6c, 1, 0xff)}
  mr r4, r15
${t.load("r3", 0x64)}
  sc 1
  li r14, 2
  std r14, ${counter(3)}(r30)
${t.hcall(0xe0)}
  mfmsr r14
${t.load("r15", MSR.EE)}
  andc r14, r14, r15
  mtmsrd r14
  mtlr r20
  blr
wakerSecond:
  mflr r20
# Some time, for the first to fall asleep.
  mftb r14
  addis r14, r14, 8
1:
  or 31, 31, 31
  mftb r15
  cmpld r15, r14
  blt 1b
  or 2, 2, 2
${t.hcall(0x6c, 0, 5)}
  mtlr r20
  blr
betweenEnd:
`,
};

const word = (text: string) => BigInt(assembleWord(text));
const codeAt = base + 0x1e0000n;

export const sharedMemory: SelfTest = {
  name: "page tables and code of two",
  environment: "virtual",
  source: (t) => {
    const set = (value: bigint, address: number) => `${t.load("r3", value)}\n${t.load("r4", address)}\n  bl setEntry`;
    const [one, two] = [memoryMap.data + 0xa0000, memoryMap.data + 0xb0000];
    const changes = 20;
    return `
${prologue(t)}
${t.load("r14", base + BigInt(one))}
  li r15, 1
  std r15, 0(r14)
${t.load("r14", base + BigInt(two))}
  li r15, 2
  std r15, 0(r14)
${set(PTE.valid | BigInt(table(9)) | 5n, table(3) + 8 * (place >> 21))}
${set(page | BigInt(one), table(9))}
  li r14, 0
  std r14, ${counter(5)}(r30)
  std r14, ${counter(6)}(r30)
${order(t, "watchSecond")}
# Changes the page under its feet: what it reads after the change was announced must be the new one.
  li r18, 0
1:
  addi r18, r18, 1
  andi. r15, r18, 1
${t.load("r3", page | BigInt(one))}
  beq 2f
${t.load("r3", page | BigInt(two))}
2:
${t.load("r4", table(9))}
  bl setEntry
${t.load("r4", place | (5 << 5))}
${t.load("r5", 1n << 32n)}
  tlbie r4, r5, 0, 1, 1
  eieio
  tlbsync
  ptesync
  std r18, ${counter(5)}(r30)
${until(t, `  ld r28, ${counter(6)}(r30)\n  cmpd r28, r18`)}
  cmpwi r18, ${changes}
  blt 1b
${obeyed(t)}
  ld r14, ${counter(7)}(r30)
${t.check("stale translations", "r14", 0)}
# The same of code: it calls a routine that this one rewrites.
  li r14, 0
  std r14, ${counter(5)}(r30)
  std r14, ${counter(6)}(r30)
${t.load("r19", codeAt)}
${t.load("r15", word("blr"))}
  stw r15, 4(r19)
${t.load("r15", word("li r16, 0"))}
  stw r15, 0(r19)
${order(t, "callSecond")}
  li r18, 0
3:
  addi r18, r18, 1
${t.load("r15", word("li r16, 0"))}
  or r15, r15, r18
  stw r15, 0(r19)
  dcbst 0, r19
  sync
  icbi 0, r19
  sync
  isync
  std r18, ${counter(5)}(r30)
${until(t, `  ld r28, ${counter(6)}(r30)\n  cmpd r28, r18`)}
  cmpwi r18, ${changes}
  blt 3b
${obeyed(t)}
  ld r14, ${counter(7)}(r30)
${t.check("stale code", "r14", 0)}
# Messages: data, barrier, flag; and back.
  li r14, 0
  std r14, ${counter(5)}(r30)
  std r14, ${counter(6)}(r30)
${order(t, "echoSecond")}
  li r18, 0
  li r20, 0
4:
  addi r18, r18, 1
  mulli r15, r18, 3
  std r15, ${counter(8)}(r30)
  lwsync
  std r18, ${counter(5)}(r30)
${until(t, `  ld r28, ${counter(6)}(r30)\n  cmpd r28, r18`)}
  lwsync
  ld r15, ${counter(9)}(r30)
  mulli r16, r18, 7
  cmpd r15, r16
  beq 5f
  addi r20, r20, 1
5:
  cmpwi r18, ${changes}
  blt 4b
${obeyed(t)}
  ld r14, ${counter(7)}(r30)
${t.check("messages that arrived late there", "r14", 0)}
${t.check("messages that arrived late here", "r20", 0)}
${epilogue(t)}
  b sharedEnd

watchSecond:
${t.load("r19", place)}
  li r20, 0
  li r21, 0
6:
  addi r21, r21, 1
7:
  or 31, 31, 31
  ld r15, 0(r19)
  ld r16, ${counter(5)}(r30)
  cmpd r16, r21
  bne 7b
  or 2, 2, 2
  lwsync
  ld r15, 0(r19)
  andi. r16, r21, 1
  addi r16, r16, 1
  cmpd r15, r16
  beq 8f
  addi r20, r20, 1
8:
  std r20, ${counter(7)}(r30)
  lwsync
  std r21, ${counter(6)}(r30)
  cmpwi r21, ${changes}
  blt 6b
  blr

callSecond:
  mflr r22
${t.load("r19", codeAt)}
  mtctr r19
  li r20, 0
  li r21, 0
1:
  addi r21, r21, 1
2:
  or 31, 31, 31
  bctrl
  ld r15, ${counter(5)}(r30)
  cmpd r15, r21
  bne 2b
  or 2, 2, 2
  isync
  bctrl
  cmpd r16, r21
  beq 3f
  addi r20, r20, 1
3:
  std r20, ${counter(7)}(r30)
  lwsync
  std r21, ${counter(6)}(r30)
  cmpwi r21, ${changes}
  blt 1b
  mtlr r22
  blr

echoSecond:
  li r20, 0
  li r21, 0
1:
  addi r21, r21, 1
2:
  or 31, 31, 31
  ld r15, ${counter(5)}(r30)
  cmpd r15, r21
  bne 2b
  or 2, 2, 2
  lwsync
  ld r15, ${counter(8)}(r30)
  mulli r16, r21, 3
  cmpd r15, r16
  beq 3f
  addi r20, r20, 1
3:
  std r20, ${counter(7)}(r30)
  mulli r15, r21, 7
  std r15, ${counter(9)}(r30)
  lwsync
  std r21, ${counter(6)}(r30)
  cmpwi r21, ${changes}
  blt 1b
  blr
sharedEnd:
`;
  },
};

export const stopProcessor: SelfTest = {
  name: "second processor stops",
  environment: "real",
  source: (t) => `
${prologue(t)}
${order(t, "stopSecond")}
${until(
  t,
  `${t.load("r3", 0x2005)}
  li r4, 1
  li r5, 2
  li r6, 1
  bl rtas
  cmpdi r4, 0`,
)}
${t.check("it is stopped", "r4", 0)}
${epilogue(t)}
  b stopEnd
# In a buffer of its own: the first processor calls firmware too.
stopSecond:
${t.enter("stopReal", t.realMsr)}
stopReal:
${t.load("r9", "stopBuffer")}
${t.load("r4", 0x2007)}
${t.storeBigWord("r4", "r9")}
  li r4, 0
  addi r10, r9, 4
${t.storeBigWord("r4", "r10")}
  li r4, 1
  addi r10, r9, 8
${t.storeBigWord("r4", "r10")}
  clrldi r4, r9, 4
${t.load("r3", 0xf000)}
  sc 1
  b .
stopBuffer:
  .skip 32
stopEnd:
`,
};
