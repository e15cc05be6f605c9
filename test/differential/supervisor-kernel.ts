/**
 * The supervisor's counterpart of loader.ts: a kernel of our own for machine pseries, big-endian, in real mode. For each case
 * it loads the machine, enters the case by rfid with the case's MSR, and stores the machine when the case ends or an
 * interrupt is taken; at the end it writes all records to the virtual terminal with H_PUT_TERM_CHAR.
 *
 * The same image runs under qemu-system-ppc64 and on our engines. SPRG2 and SPRG3 are the kernel's.
 */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { Case } from "./generate.js";
import { addresses, offsets, recordSize, windowSize } from "./record.js";

/** QEMU puts a kernel here and enters it at its first instruction. */
export const kernelAddress = 0x400000;

/** Behind the user's record. */
export const supervisorOffsets = {
  /** MSR of the case; afterwards MSR in the interrupt handler, or at the end of the case. */
  msr: recordSize,
  srr0: recordSize + 8,
  srr1: recordSize + 16,
  dar: recordSize + 24,
  dsisr: recordSize + 32,
  sprg0: recordSize + 40,
  sprg1: recordSize + 48,
  fscr: recordSize + 56,
  /** The interrupt's vector, or 0. */
  vector: recordSize + 64,
  /** Address of the case's first instruction. */
  start: recordSize + 72,
} as const;
export const supervisorRecordSize = recordSize + 80;

/** Interrupt vectors that get a stub. */
const vectors = [
  0x100, 0x200, 0x300, 0x380, 0x400, 0x480, 0x500, 0x600, 0x700, 0x800, 0x900, 0x980, 0xa00, 0xc00, 0xd00, 0xe40, 0xf00,
  0xf20, 0xf40, 0xf60,
] as const;

const o = { ...offsets, ...supervisorOffsets };
const each = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("\n");
const address = (register: string, value: number | string) =>
  `lis ${register}, (${value}) >> 16\n ori ${register}, ${register}, (${value}) & 0xffff`;

/** MSR of the kernel: 64-bit, floating point, vectors, machine checks. */
const kernelMsr = 0x8000_0000_0280_3000n;
const loadMsr = (register: string) =>
  `li ${register}, 1\n sldi ${register}, ${register}, 63\n oris ${register}, ${register}, 0x0280\n ori ${register}, ${register}, 0x3000`;

/** Special purpose registers that a case has values of: number and offset. */
const sprs = [
  [19, o.dar],
  [18, o.dsisr],
  [272, o.sprg0],
  [273, o.sprg1],
  [153, o.fscr],
] as const;

const source = (count: number) => `
start:
  ${loadMsr("r3")}
  mtmsrd r3
  # Stubs at the vectors.
  ${address("r3", "stubs")}
  ${vectors.map((vector, i) => each(4, (n) => `lwz r4, ${16 * i + 4 * n}(r3)\n stw r4, ${vector + 4 * n}(0)`)).join("\n")}
  sync
  ${vectors.map((vector) => `li r4, ${vector}\n dcbst 0, r4\n sync\n icbi 0, r4`).join("\n")}
  isync
  ${address("r31", "records")}
next:
  ${address("r30", addresses.current)}
  std r31, 0(r30)
  lis r29, 0x7fff
  mtspr 22, r29
  ${address("r29", addresses.window - 8)}
  addi r28, r31, ${o.window - 8}
  li r27, ${windowSize / 8}
  mtctr r27
1: ldu r27, 8(r28)
  stdu r27, 8(r29)
  bdnz 1b
  stdcx. r27, 0, r30
  li r0, ${o.vscr}
  lxvd2x vs32, r31, r0
  mtvscr v0
  lfd f0, ${o.fpscr}(r31)
  mtfsf 255, f0, 1, 0
  ${each(64, (n) => `li r0, ${o.vsr + 16 * n}\n lxvd2x vs${n}, r31, r0`)}
  ld r0, ${o.cr}(r31)
  mtcrf 255, r0
  ld r0, ${o.xer}(r31)
  mtspr 1, r0
  ld r0, ${o.ctr}(r31)
  mtspr 9, r0
  ld r0, ${o.lr}(r31)
  mtspr 8, r0
  ${sprs.map(([spr, at]) => `ld r0, ${at}(r31)\n mtspr ${spr}, r0`).join("\n")}
  ld r0, ${o.start}(r31)
  mtspr 26, r0
  ld r0, ${o.msr}(r31)
  mtspr 27, r0
  ${each(32, (n) => `ld r${n}, ${o.gpr + 8 * n}(r31)`)}
  rfid

# The case's r31 is in SPRG2, the vector in SPRG3.
handler:
  ${address("r31", addresses.current)}
  ld r31, 0(r31)
  ${each(31, (n) => `std r${n}, ${o.gpr + 8 * n}(r31)`)}
  ${[[274, o.gpr + 8 * 31], [275, o.vector], [26, o.srr0], [27, o.srr1], ...sprs, [8, o.lr], [9, o.ctr], [1, o.xer]]
    .map(([spr, at]) => `mfspr r0, ${spr}\n std r0, ${at}(r31)`)
    .join("\n")}
  mfcr r0
  std r0, ${o.cr}(r31)
  mfmsr r0
  std r0, ${o.msr}(r31)
  ${loadMsr("r3")}
  mtmsrd r3
  isync
  ${each(64, (n) => `li r0, ${o.vsr + 16 * n}\n stxvd2x vs${n}, r31, r0`)}
  mffs f0
  stfd f0, ${o.fpscr}(r31)
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
  addi r31, r31, ${supervisorRecordSize}
  ${address("r29", `records + ${count * supervisorRecordSize}`)}
  cmpld r31, r29
  blt next

  ${address("r31", "records")}
2: li r3, 0x58
  lis r4, 0x7100
  li r5, 16
  ld r6, 0(r31)
  ld r7, 8(r31)
  sc 1
  cmpdi r3, 0
  bne 2b
  addi r31, r31, 16
  cmpld r31, r29
  blt 2b
3: b 3b

stubs:
  ${vectors.map((vector) => `mtspr 274, r31\n li r31, ${vector}\n mtspr 275, r31\n ba handler`).join("\n")}
  .align 4
records:
  .skip ${count * supervisorRecordSize}
cases:
`;

/** What ends a case that no interrupt ends. */
const ending = `mtspr 274, r31\n li r31, 0\n mtspr 275, r31\n ba handler`;
export const endingWords = 4;

interface Layout {
  readonly bytes: Uint8Array;
  readonly records: number;
  readonly cases: number;
  readonly handler: number;
}

function assembleKernel(count: number): Layout {
  const { bytes, symbols } = assemble(source(count), { origin: kernelAddress, littleEndian: false });
  const at = (name: string) => Number(symbols.get(name));
  return { bytes, records: at("records"), cases: at("cases"), handler: at("handler") };
}

/** Where the first case's code goes if there are so many. */
export const casesAddress = (count: number): number => assembleKernel(count).cases;

/** The image, to be loaded at `kernelAddress`. The cases' states have the supervisor's fields. */
export function buildKernel(cases: readonly Case[]): { image: Uint8Array; records: number } {
  const kernel = assembleKernel(cases.length);
  const last = cases.at(-1);
  const end = last ? last.address + 4 * (last.words.length + endingWords) : kernel.cases;
  const image = new Uint8Array(end - kernelAddress);
  image.set(kernel.bytes);
  const view = new DataView(image.buffer);
  const tail = assemble(ending, { littleEndian: false, symbols: { handler: kernel.handler } }).bytes;
  cases.forEach((one, i) => {
    one.words.forEach((word, n) => void view.setUint32(one.address - kernelAddress + 4 * n, word));
    image.set(tail, one.address - kernelAddress + 4 * one.words.length);
    const record = image.subarray(kernel.records - kernelAddress + i * supervisorRecordSize);
    record.set(one.initial.bytes);
    swapSupervisorRecord(record.subarray(0, supervisorRecordSize));
  });
  return { image, records: kernel.records };
}

/** Between the host's and the guest's order of the doublewords; the window is bytes and stays. */
export function swapSupervisorRecord(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 8) {
    if (at < offsets.window || at >= offsets.window + windowSize) bytes.subarray(at, at + 8).reverse();
  }
}

export { kernelMsr };
