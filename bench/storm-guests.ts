/**
 * Guests whose every processor does one thing for ever that takes it out of straight code: interrupts, exits, messages to
 * the others. None of it may keep the machine's thread from ending them.
 */
import { assemble } from "../src/arch/powerpc/isa/assembler.js";
import { hcall, startAll } from "../test/litmus/processors.js";

interface Storm {
  /** What each processor does over and over; r31 is its number, r30 the number of the next one. r14 to r29 are kept. */
  readonly body: string;
  /** Before the first time. */
  readonly begin?: string;
  /** What the handlers of these vectors do before they return; they may use r3 to r12. Others do nothing. */
  readonly handlers?: Readonly<Record<number, string>>;
}

export const stormCpus = 4;
/** Each processor says that it begins by this character, plus its number. */
export const announcement = 0x41;

/** Interrupts that a guest may get here. */
const vectors = [
  0x100, 0x200, 0x300, 0x380, 0x400, 0x480, 0x500, 0x600, 0x700, 0x800, 0x900, 0xa00, 0xc00, 0xd00,
] as const;
const enableInterrupts = "  mfmsr 3\n  ori 3, 3, 0x8000\n  mtmsrd 3\n";
const toUser = 0x7fff_0000;
/** Ends an external interrupt of the XICS: H_XIRR, H_IPI of itself to no priority, H_EOI. */
const endExternal = `${hcall(0x74)}  mr 9, 4\n  mr 4, 31\n  li 5, 0xff\n${hcall(0x6c)}  mr 4, 9\n${hcall(0x64)}`;
/** The routine of a doorbell that rings again is never left. */
const ring = "  lis 3, 0x2800\n  msgsndp 3\n";

export const storms = {
  /** To compare with. */
  "nothing but a loop": { body: "" },
  "doorbells to itself": { begin: enableInterrupts, body: ring },
  "doorbells from a doorbell's handler": { begin: enableInterrupts + ring, body: "", handlers: { 2560: ring } },
  "a decrementer that stays negative": { begin: `  li 3, -1\n  mtdec 3\n${enableInterrupts}`, body: "" },
  "interrupts to the next processor": {
    begin: `  li 4, 0xff\n${hcall(0x68)}${enableInterrupts}`,
    body: `  mr 4, 30\n  li 5, 4\n${hcall(0x6c)}`,
    handlers: { 1280: endExternal },
  },
  "sleep, woken by the next processor": {
    body: `  mr 4, 30\n${hcall(0xe8)}${hcall(0xe0)}`,
  },
  "hypercalls that nobody knows": { body: hcall(toUser) },
  "hypercalls of the kernel side": { body: `  li 4, 1\n${hcall(0x24)}` },
  "RTAS calls": {
    begin:
      "  sldi 20, 31, 7\n  addi 20, 20, 0x3000\n  li 3, 0x1234\n  stw 3, 0(20)\n  li 3, 0\n  stw 3, 4(20)\n  stw 3, 8(20)\n",
    body: `  mr 4, 20\n${hcall(0xf000)}`,
  },
  "console output": { body: `  li 4, 0\n  li 5, 1\n  lis 6, 0x2e00\n  sldi 6, 6, 32\n${hcall(0x58)}` },
  "invalidations for all": {
    body: "  li 4, 0xc00\n  li 5, 0\n  tlbie 4, 5, 2, 0, 1\n  eieio\n  tlbsync\n  ptesync\n",
  },
  "system calls": { body: "  sc\n" },
  "instructions that are none": { body: "  .long 0\n", handlers: { 1792: "  mfsrr0 3\n  addi 3, 3, 4\n  mtsrr0 3\n" } },
  "a handler that does what it handles": { body: "  .long 0\n", handlers: { 1792: "  .long 0\n" } },
  "loads from nowhere": {
    body: "  lis 3, 0x7000\n  ldcix 4, 0, 3\n",
    handlers: { 512: "  mfsrr0 3\n  addi 3, 3, 4\n  mtsrr0 3\n" },
  },
  "code that it writes": {
    begin: "  lis 20, 0x6000\n  lis 21, 0\n  ori 21, 21, written\n  li 22, 0\n",
    body: "  addi 22, 22, 1\n  rlwinm 22, 22, 0, 16, 31\n  or 23, 20, 22\n  stw 23, 0(21)\n  dcbst 0, 21\n  sync\n  icbi 0, 21\n  isync\n  bl written\n",
  },
} as const satisfies Record<string, Storm>;
export type StormName = keyof typeof storms;

/** The guest's memory from address 0, where it is entered, big-endian. */
export function stormGuest(name: StormName): Uint8Array {
  const { body, begin = "", handlers = {} }: Storm = storms[name];
  const stubs = vectors.map((vector) => `  .org ${vector}\n${handlers[vector] ?? ""}  rfid\n`);
  const source = `
  b start
${stubs.join("")}
  .org 0x1000
start:
${startAll(stormCpus, 0x2000)}
  addi 30, 31, 1
  rlwinm 30, 30, 0, 30, 31
# It is there.
announce:
  addi 6, 31, ${announcement}
  sldi 6, 6, 56
  li 4, 0
  li 5, 1
${hcall(0x58)}
  cmpdi 3, 0
  bne announce
${begin}
again:
${body}
  b again
  .balign 128
written:
  nop
  blr
`;
  return assemble(source, { origin: 0n, littleEndian: false }).bytes;
}
