/**
 * The guest program: for each case it loads the machine from the case's record, runs the case's instructions, and stores
 * the machine back into the record; at the end it writes all records to its standard output.
 *
 * Only one register can hold the record's address while everything else is a case's; VRSAVE keeps that register's value.
 */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { staticElf } from "./elf.js";
import { addresses, offsets, recordSize, type State, windowSize } from "./record.js";

/** What the program needs to know of a case. */
export interface ProgramCase {
  readonly words: readonly number[];
  readonly initial: State;
}

const o = offsets;
const each = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("\n");
const address = (register: string, value: number) =>
  `lis ${register}, ${value >>> 16}\n ori ${register}, ${register}, ${value & 0xffff}`;

/** Instructions before and after a case's own, per case. */
export const prologueWords = 7;
export const epilogueWords = 4;

const runtime = (count: number) => `
start:
  # rt_sigaction: struct { handler, flags, restorer, mask }
  ${each(5, (i) => `li r0, 173\n li r3, ${[4, 5, 7, 8, 11][i]}\n ${address("r4", addresses.signalStack - 0x100)}\n li r5, 0\n li r6, 8\n sc`)}
  li r0, 185   # sigaltstack
  ${address("r3", addresses.signalStack - 0x80)}
  li r4, 0
  sc
  b cases

# r31: the record. Loads everything but r30, r31 and LR.
load:
  mflr r30
  ${address("r29", addresses.current)}
  std r31, 0(r29)
  ${address("r29", addresses.window - 8)}
  addi r28, r31, ${o.window - 8}
  li r27, ${windowSize / 8}
  mtctr r27
1: ldu r27, 8(r28)
  stdu r27, 8(r29)
  bdnz 1b
  li r0, ${o.vscr}
  lxvd2x vs32, r31, r0
  mtvscr v0
  li r0, ${o.fpscr}
  lxsdx vs0, r31, r0
  .long 0xfffe058e   # mtfsf 255, f0, 1, 0
  ${each(64, (n) => `li r0, ${o.vsr + 16 * n}\n lxvd2x vs${n}, r31, r0`)}
  ld r0, ${o.cr}(r31)
  mtcrf 255, r0
  ld r0, ${o.xer}(r31)
  mtxer r0
  ld r0, ${o.ctr}(r31)
  mtctr r0
  mtlr r30
  ${each(30, (n) => `ld r${n}, ${o.gpr + 8 * n}(r31)`)}
  blr

# r31: the record; its own value in VRSAVE.
save:
  ${each(31, (n) => `std r${n}, ${o.gpr + 8 * n}(r31)`)}
  mfspr r0, 256
  std r0, ${o.gpr + 8 * 31}(r31)
  mflr r0
  std r0, ${o.lr}(r31)
  mfctr r0
  std r0, ${o.ctr}(r31)
  mfxer r0
  std r0, ${o.xer}(r31)
  mfcr r0
  std r0, ${o.cr}(r31)
  li r0, 0
  std r0, ${o.signal}(r31)
  std r0, ${o.trapAddress}(r31)
saveVectors:
  ${each(64, (n) => `li r0, ${o.vsr + 16 * n}\n stxvd2x vs${n}, r31, r0`)}
  .long 0xfc00048e   # mffs f0
  li r0, ${o.fpscr}
  stxsdx vs0, r31, r0
  mfvscr v0
  li r0, ${o.vscr}
  stxvd2x vs32, r31, r0
  ${address("r29", addresses.window - 8)}
  addi r28, r31, ${o.window - 8}
  li r27, ${windowSize / 8}
  mtctr r27
1: ldu r27, 8(r29)
  stdu r27, 8(r28)
  bdnz 1b
  ld r0, ${o.next}(r31)
  mtctr r0
  bctr

# r3: signal, r5: struct ucontext, whose registers begin at 232 (r0..r31, nip, msr, orig_r3, ctr, link, xer, ccr).
handler:
  ${address("r31", addresses.current)}
  ld r31, 0(r31)
  std r3, ${o.signal}(r31)
  addi r5, r5, 232
  ${each(32, (n) => `ld r0, ${8 * n}(r5)\n std r0, ${o.gpr + 8 * n}(r31)`)}
  ld r0, ${8 * 32}(r5)
  std r0, ${o.trapAddress}(r31)
  ld r0, ${8 * 35}(r5)
  std r0, ${o.ctr}(r31)
  ld r0, ${8 * 36}(r5)
  std r0, ${o.lr}(r31)
  ld r0, ${8 * 37}(r5)
  std r0, ${o.xer}(r31)
  ld r0, ${8 * 38}(r5)
  std r0, ${o.cr}(r31)
  b saveVectors

finish:
  ${address("r30", addresses.records)}
  ${address("r29", count * recordSize)}
2: li r0, 4
  li r3, 1
  mr r4, r30
  mr r5, r29
  sc
  bso 3f
  add r30, r30, r3
  subf. r29, r3, r29
  bgt 2b
  li r3, 0
  b 4f
3: li r3, 1
4: li r0, 234   # exit_group
  sc
  .align 4
cases:
`;

/** Where each case's first instruction stands; our engines put the code at the same addresses. */
export function caseAddresses(cases: readonly ProgramCase[], casesAt: number): number[] {
  let at = casesAt;
  return cases.map(({ words }) => {
    const first = at + 4 * prologueWords;
    at = first + 4 * (words.length + epilogueWords);
    return first;
  });
}

interface Runtime {
  readonly bytes: Uint8Array;
  readonly symbols: ReadonlyMap<string, bigint>;
}

/** The part of the program that all cases share. Its length does not depend on how many there are. */
export function assembleRuntime(count: number, littleEndian: boolean): Runtime {
  return assemble(runtime(count), { origin: addresses.code, littleEndian });
}

const bigEndian = (words: readonly number[], littleEndian: boolean) => {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => void view.setUint32(4 * i, word, littleEndian));
  return bytes;
};

/** Reverses every doubleword: records are little-endian on the host. The window is bytes and stays. */
export function swapRecord(bytes: Uint8Array): void {
  for (let at = 0; at < offsets.window; at += 8) bytes.subarray(at, at + 8).reverse();
}

/** The program with its cases, as an ELF file. */
export function buildProgram(cases: readonly ProgramCase[], littleEndian: boolean): Uint8Array {
  const shared = assembleRuntime(cases.length, littleEndian);
  const symbol = (name: string) => Number(shared.symbols.get(name));
  const casesAt = symbol("cases");
  const starts = caseAddresses(cases, casesAt);
  const words: number[] = [];
  // Assembled by hand: the assembler's text form would dominate the harness's time.
  const lis = (register: number, value: number) => 0x3c000000 | (register << 21) | (value >>> 16);
  const ori = (register: number, value: number) => 0x60000000 | (register << 21) | (register << 16) | (value & 0xffff);
  const ld = (register: number, offset: number) => (0xe8000000 | (register << 21) | (31 << 16) | offset) >>> 0;
  const branch = (to: number, link: number) => {
    const from = casesAt + 4 * words.length;
    return (0x48000000 | ((to - from) & 0x03fffffc) | link) >>> 0;
  };
  const mtlrR30 = 0x7fc803a6;
  const mtVrsaveR31 = 0x7fe043a6;
  cases.forEach((one, i) => {
    const record = addresses.records + i * recordSize;
    words.push(lis(31, record), ori(31, record));
    words.push(branch(symbol("load"), 1));
    words.push(ld(30, offsets.lr), mtlrR30, ld(30, offsets.gpr + 8 * 30), ld(31, offsets.gpr + 8 * 31));
    words.push(...one.words);
    words.push(mtVrsaveR31, lis(31, record), ori(31, record));
    words.push(branch(symbol("save"), 0));
  });
  words.push(branch(symbol("finish"), 0));
  const tail = bigEndian(words, littleEndian);
  const code = new Uint8Array(shared.bytes.length + tail.length);
  code.set(shared.bytes);
  code.set(tail, shared.bytes.length);

  const records = new Uint8Array(cases.length * recordSize);
  cases.forEach((one, i) => {
    const record = records.subarray(i * recordSize, (i + 1) * recordSize);
    record.set(one.initial.bytes);
    const nextStart = starts[i + 1];
    const next = nextStart === undefined ? casesAt + 4 * (words.length - 1) : nextStart - 4 * prologueWords;
    new DataView(record.buffer, record.byteOffset).setBigUint64(offsets.next, BigInt(next), true);
    if (!littleEndian) swapRecord(record);
  });
  // struct sigaction at -0x100 (handler, SA_SIGINFO | SA_ONSTACK | SA_NODEFER), stack_t at -0x80.
  const tables = assemble(
    `.quad ${symbol("handler")}, 0x48000004, 0, 0\n.org 0x80\n.quad ${addresses.signalStack}\n.long 0, 0\n.quad ${addresses.signalStackSize}`,
    { littleEndian },
  ).bytes;
  return staticElf(
    symbol("start"),
    [
      { address: addresses.window, bytes: new Uint8Array(0), size: 0x10000 },
      { address: addresses.current, bytes: new Uint8Array(0), size: 8 },
      { address: addresses.signalStack - 0x100, bytes: tables, size: 0x100 + addresses.signalStackSize },
      { address: addresses.code, bytes: code, executable: true },
      { address: addresses.records, bytes: records },
    ],
    littleEndian,
  );
}
