/**
 * The frame of the self-test guest: interrupt vectors, the handler that tells what happened, page tables, the way from one
 * test to the next, and how results get out.
 *
 * A result is 16 bytes on the console: a number and a value, both big-endian (the hypercall takes them from registers, so
 * that nothing in the guest has to print). The host knows the expected values (judge.ts).
 */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { Author, areaFields as area, base, type Check, expectedSymbol, type SelfTest, userAlias } from "./author.js";

/** Records that are not results of a check: kinds in the upper half of the number. */
export const RecordKind = { check: 0, begin: 1, end: 2, unexpected: 3, finished: 4 } as const;
/** What an unexpected interrupt tells, in order. */
export const unexpectedFields = ["VECTOR", "SRR0", "SRR1", "DAR", "DSISR"] as const;

/** Where things lie in real memory, besides the image at 0. */
export const memoryMap = {
  areas: 0x7000,
  code: 0x8000,
  tests: 0x1c000,
  processTable: 0x100000,
  rootKernel: 0x110000,
  rootUser: 0x120000,
  rootOther: 0x130000,
  /** Tables of 4 KiB, in order: kernel 1 GiB and 2 MiB levels, user's 1 GiB and 2 MiB levels, then free for tests. */
  tables: 0x140000,
  /** Free for tests. */
  data: 0x200000,
  end: 0x1000000,
} as const;

/** Bits of page table entries. */
export const PTE = {
  valid: 1n << 63n,
  leaf: 1n << 62n,
  referenced: 0x100n,
  changed: 0x80n,
  privileged: 8n,
  read: 4n,
  write: 6n,
  execute: 1n,
} as const;

/** A guest that was assembled: the program, and what it is to say. */
export interface SelfTestGuest {
  /** Its byte order. */
  readonly littleEndian: boolean;
  /** Loaded at 0 and entered there. */
  readonly image: Uint8Array;
  /** In their order. */
  readonly tests: readonly SelfTest[];
  /** By number. */
  readonly checks: readonly Check[];
  /** The value of each check, by number. */
  readonly expected: readonly bigint[];
  /** Addresses of labels in the program. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

const vectors = [
  0x100, 0x200, 0x300, 0x380, 0x400, 0x480, 0x500, 0x600, 0x700, 0x800, 0x900, 0xa00, 0xc00, 0xd00, 0xf00, 0xf20, 0xf40,
  0xf60,
] as const;

const hex = (value: bigint | number) => `0x${value.toString(16)}`;
const at = (physical: number) => hex(base + BigInt(physical));

/** Code at vectors: each tells the handler which, in r1. */
function stubs(addresses: readonly number[], handler: string): string {
  return addresses
    .map(
      (address) => `
  .org ${at(address)}
  mtsprg1 r1
  lis r1, ${address >> 16}
  ori r1, r1, ${address & 0xffff}
  b ${handler}`,
    )
    .join("");
}
/** Vectors of interrupts at an alternate location, and of the first system calls by scv. */
const interruptStubs = (location: number) =>
  stubs(
    vectors.map((vector) => location + vector),
    "handler",
  );
const scvStubs = (location: number) =>
  stubs(
    [0, 1, 2, 3].map((level) => location + 0x20 * level),
    "scvHandler",
  );

const frame = (t: Author, count: number) => `
# Notes the interrupt and goes on where it was expected to. r1 holds the vector.
handler:
  mtsprg2 r2
  mfsprg0 r2
  std r1, ${area.VECTOR}(r2)
  mfsrr0 r1
  std r1, ${area.SRR0}(r2)
  mfsrr1 r1
  std r1, ${area.SRR1}(r2)
handlerCommon:
  mfcr r1
  std r1, ${area.SAVE_CR}(r2)
  std r3, ${area.SAVE_R3}(r2)
  mfmsr r1
  std r1, ${area.HANDLER_MSR}(r2)
  mfdar r1
  std r1, ${area.DAR}(r2)
  mfdsisr r1
  std r1, ${area.DSISR}(r2)
  ld r1, ${area.COUNT}(r2)
  addi r1, r1, 1
  std r1, ${area.COUNT}(r2)
  ld r1, ${area.VECTOR}(r2)
  clrldi r1, r1, 52
  cmpldi r1, 0x900
  bne 1f
  ld r1, ${area.PERIOD}(r2)
  cmpdi r1, 0
  beq 3f
  mtdec r1
  b 4f
3:
  lis r1, 0x7fff
  mtdec r1
1:
  ld r1, ${area.RESUME}(r2)
  cmpdi r1, 0
  beq unexpected
  mtsrr0 r1
  li r1, 0
  std r1, ${area.RESUME}(r2)
  ld r1, ${area.RESUME_MSR}(r2)
  cmpdi r1, 0
  bne 2f
  ld r1, ${area.SRR1}(r2)
  li r3, 0
  ori r3, r3, 0x8600
  andc r1, r1, r3
2:
  mtsrr1 r1
  li r1, 0
  std r1, ${area.RESUME_MSR}(r2)
4:
  ld r3, ${area.SAVE_R3}(r2)
  ld r1, ${area.SAVE_CR}(r2)
  mtcr r1
  mfsprg2 r2
  mfsprg1 r1
  rfid

# LR and CTR take the places of SRR0 and SRR1.
scvHandler:
  mtsprg2 r2
  mfsprg0 r2
  std r1, ${area.VECTOR}(r2)
  mflr r1
  std r1, ${area.SRR0}(r2)
  mfctr r1
  std r1, ${area.SRR1}(r2)
  b handlerCommon

unexpected:
  mr r13, r2
${unexpectedFields.map((field, i) => `  ld r3, ${area[field]}(r13)\n${t.load("r4", (RecordKind.unexpected << 16) + i)}\n  bl report`).join("\n")}
  b nextTest

# Sends r4 and r3 to the host.
report:
  mflr r0
  std r0, ${area.REPORT_LR}(r13)
  std r3, ${area.REPORT_VALUE}(r13)
  std r4, ${area.REPORT_ID}(r13)
1:
  li r3, 0x58
  li r4, 0
  li r5, 16
  ld r6, ${area.REPORT_ID}(r13)
  ld r7, ${area.REPORT_VALUE}(r13)
  sc 1
  cmpdi cr7, r3, 1
  beq cr7, 1b
  ld r0, ${area.REPORT_LR}(r13)
  mtlr r0
  blr

# RTAS call: r3 token, r4 inputs, r5 outputs, r6 to r8 inputs. r3 is the status, r4 the first output.
rtas:
${t.load("r9", "rtasBuffer")}
${t.storeBigWord("r3", "r9")}
  addi r10, r9, 4
${t.storeBigWord("r4", "r10")}
  addi r10, r9, 8
${t.storeBigWord("r5", "r10")}
  addi r10, r9, 12
${t.storeBigWord("r6", "r10")}
  addi r10, r9, 16
${t.storeBigWord("r7", "r10")}
  addi r10, r9, 20
${t.storeBigWord("r8", "r10")}
  sldi r4, r4, 2
  add r4, r4, r9
  addi r0, r4, 12
  std r0, ${area.REPORT_VALUE}(r13)
  clrldi r4, r9, 4
${t.load("r3", 0xf000)}
  sc 1
  ld r9, ${area.REPORT_VALUE}(r13)
${t.loadBigWord("r3", "r9")}
  extsw r3, r3
  addi r9, r9, 4
${t.loadBigWord("r4", "r9")}
  blr
rtasBuffer:
  .skip 80

# Writes a page table entry: r3 its value at the real address r4. r5 is lost.
setEntry:
${t.load("r5", base)}
  or r5, r4, r5
${t.storeBig("r3", "r5")}
  ptesync
  blr

start:
${t.load("r13", at(memoryMap.areas))}
  mtsprg0 r13
  mfmsr r14
  std r14, ${area.SCRATCH}(r13)
${t.enter("started", t.realMsr)}
started:
${t.littleEndian ? t.hcall(0x31c, 1, 4, 0, 0) : ""}
  bl buildTables
  li r14, -1
  std r14, ${area.INDEX}(r13)

nextTest:
${t.enter("1f", t.realMsr)}
1:
  ld r14, ${area.INDEX}(r13)
  addi r14, r14, 1
  std r14, ${area.INDEX}(r13)
  cmpldi r14, ${count}
  bge finished
${t.load("r4", RecordKind.begin << 16)}
  add r4, r4, r14
  mr r3, r14
  bl report
# As every test finds it.
${t.hcall(0x31c, 0, 3, 0, 0)}
  li r3, 0
  std r3, ${area.RESUME}(r13)
  std r3, ${area.RESUME_MSR}(r13)
  std r3, ${area.COUNT}(r13)
  std r3, ${area.PERIOD}(r13)
  mtspr 29, r3
  mtspr 61, r3
  mtxer r3
  li r3, -1
  clrldi r3, r3, 8
  mtspr 153, r3
  li r3, 1
  mtspr 48, r3
  isync
# No translation of the test before.
  li r4, 0xc00
  li r5, 0
  ptesync
  tlbie r4, r5, 2, 1, 1
  eieio
  tlbsync
  ptesync
  mtfsfi 7, 0
  xxlxor vs0, vs0, vs0
  mtfsf 255, f0, 1, 0
  lis r3, 0x7fff
  mtdec r3
  sldi r15, r14, 4
${t.load("r16", "testTable")}
  add r15, r15, r16
  ld r16, 0(r15)
  mtsrr0 r16
  ld r16, 8(r15)
  mtsrr1 r16
  rfid

testDone:
  ld r14, ${area.INDEX}(r13)
${t.load("r4", RecordKind.end << 16)}
  add r4, r4, r14
  mr r3, r14
  bl report
  b nextTest

finished:
${t.load("r4", RecordKind.finished << 16)}
  li r3, 0
  bl report
${t.load("r3", 0x2003)}
  li r4, 2
  li r5, 1
  li r6, -1
  li r7, -1
  bl rtas
  b .
`;

/** The guest builds its own tables: the kernel's 32 MiB at quadrant 3, the user's alias, places for tests to fill. */
function tables(t: Author): string {
  const { processTable, rootKernel, rootUser, rootOther, tables: first } = memoryMap;
  const table = (n: number) => first + 0x1000 * n;
  const directory = (address: number, bits: number) => PTE.valid | BigInt(address) | BigInt(bits);
  const set = (value: bigint, address: number) => `${t.load("r3", value)}\n${t.load("r4", address)}\n  bl setEntry`;
  // A radix tree of 52 bits: 13, 9, 9, 9 and 12.
  const process = (root: number) => (2n << 61n) | (5n << 5n) | BigInt(root) | 13n;
  const leaf = PTE.valid | PTE.leaf | PTE.referenced | PTE.changed | PTE.write | PTE.execute;
  const kernelPages = Array.from({ length: 16 }, (_, i) =>
    set(leaf | PTE.privileged | (BigInt(i) << 21n), table(1) + 8 * i),
  );
  return `
buildTables:
  mflr r31
${set(process(rootKernel), processTable)}
${set(process(rootUser), processTable + 16)}
${set(process(rootOther), processTable + 32)}
${set(directory(table(0), 9), rootKernel)}
${set(directory(table(1), 9), table(0))}
${kernelPages.join("\n")}
# Process 1 and 2: 1 GiB level at tables 2 and 6, the first GiB at tables 3 and 7.
${set(directory(table(2), 9), rootUser)}
${set(directory(table(3), 9), table(2))}
${set(leaf, table(3) + 8 * Number(userAlias >> 21n))}
${set(directory(table(6), 9), rootOther)}
${set(directory(table(7), 9), table(6))}
${set(leaf, table(7) + 8 * Number(userAlias >> 21n))}
${t.hcall(0x37c, 0x1d, processTable, 0, 0)}
  mtlr r31
  blr
`;
}

/** Assembles the guest with these tests. */
export function buildGuest(tests: readonly SelfTest[], littleEndian: boolean): SelfTestGuest {
  const t = new Author(littleEndian);
  const bodies = tests.map((test, i) => `test_${i}:\n${t.write(test, i)}\n  b testDone\n`);
  const source = `
  .org ${at(0)}
  b start
${interruptStubs(0)}
${scvStubs(0x3000)}
${interruptStubs(0x4000)}
  .org ${at(memoryMap.code)}
${frame(t, tests.length)}
${tables(t)}
${scvStubs(0x17000)}
${interruptStubs(0x18000)}
  .org ${at(memoryMap.tests)}
testTable:
${tests.map((test, i) => `  .quad test_${i}, ${hex(t.msrOf(test.environment))}`).join("\n")}
${bodies.join("\n")}
imageEnd:
${t.definitions.join("\n")}
`;
  const { bytes, symbols } = assemble(source, { origin: base, littleEndian });
  if (bytes.length > memoryMap.processTable) throw new Error("the self-test guest has outgrown its place");
  const expected = t.checks.map((_, id) => BigInt.asUintN(64, symbols.get(expectedSymbol(id)) ?? 0n));
  return { littleEndian, image: bytes, tests, checks: t.checks, expected, symbols };
}
