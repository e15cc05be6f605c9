/**
 * The supervisor's counterpart of loader.ts: a kernel of our own for machine pseries, in either byte order. For each case
 * it loads the machine, changes the entries of page tables that the case wants otherwise, enters the case by rfid with the
 * case's MSR, and stores the machine when an interrupt is taken: every case ends by one, at the latest by the sc behind it.
 *
 * The same image runs under qemu-system-ppc64 and on our engines.
 */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { Case } from "./generate.js";
import { addresses, offsets, windowSize } from "./record.js";
import {
  beforeSize,
  memoryStart,
  patchCount,
  patchSize,
  savedSprs,
  supervisorOffsets,
  supervisorRecordSize,
  swapSupervisorRecord,
} from "./supervisor-record.js";
import { buildTables, processTableRegistration, tablesStart } from "./supervisor-tables.js";

/** What the kernel runs in. */
export interface KernelKind {
  /** The kernel's byte order, and so that of interrupts. */
  readonly littleEndian: boolean;
  /** Interrupts keep translation on (LPCR[AIL] = 3). */
  readonly alternateLocation: boolean;
}

/** QEMU puts a kernel here and enters it at its first instruction, big-endian. */
export const kernelAddress = 0x400000;
const mainAddress = kernelAddress + 0x1000;
const stubsAddress = kernelAddress + 0x10000;
/** Each case has a place of its own, so that its address does not depend on the cases before it. */
const casesAddress = kernelAddress + 0x40000;
export const caseSpan = 128;
/** Cases in one image. */
export const kernelCapacity = 4000;
export const recordsAddress = 0x700000;

/** A supervisor case. */
export interface SupervisorCase extends Case {
  /** Place among the image's cases. */
  readonly slot: number;
  readonly littleEndian: boolean;
  /** From this word on, words lie in the other byte order. */
  readonly swappedFrom?: number;
}

export const slotAddress = (slot: number): number => casesAddress + slot * caseSpan;

const o = { ...offsets, ...supervisorOffsets };
const each = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("\n");
const address = (register: string, value: number | string) =>
  `lis ${register}, (${value}) >> 16\n ori ${register}, ${register}, (${value}) & 0xffff`;

/** MSR of the kernel: 64-bit, floating point, vectors, machine checks. */
export const kernelMsr = 0x8000_0000_0280_3000n;
const loadMsr = (register: string, low: number) =>
  `li ${register}, 1\n sldi ${register}, ${register}, 63\n oris ${register}, ${register}, 0x0280\n ori ${register}, ${register}, ${0x3000 | low}`;

const hypercall = (number: number, ...values: readonly number[]) =>
  `${[number, ...values].map((value, i) => address(`r${3 + i}`, value)).join("\n")}\n sc 1`;

/** Big-endian: registers the process table, says how interrupts are to be taken, goes on in the kernel's byte order. */
const entry = ({ littleEndian, alternateLocation }: KernelKind) => `
  ${hypercall(0x37c, 0x1d, processTableRegistration.base, 0, processTableRegistration.size)}
  ${littleEndian ? hypercall(0x31c, 1, 4, 0, 0) : ""}
  ${alternateLocation ? hypercall(0x31c, 3, 3, 0, 0) : ""}
  ${loadMsr("r3", littleEndian ? 1 : 0)}
  mtspr 27, r3
  ${address("r3", mainAddress)}
  mtspr 26, r3
  rfid
`;

const copyMemory = (from: string, fromOffset: number, to: string, toOffset: number, size: number) => `
  addi r28, ${from}, ${fromOffset - 8}
  addi r29, ${to}, ${toOffset - 8}
  li r27, ${size / 8}
  mtctr r27
1: ldu r27, 8(r28)
  stdu r27, 8(r29)
  bdnz 1b`;

/**
 * Where interrupts may arrive, by real address: the vectors; those that keep translation on, which come by quadrant 3; those
 * of scv without translation.
 */
const stubAreas = [
  { real: 0x100, end: 0x5000 },
  { real: 0x17000, end: 0x18000 },
] as const;
const stubSize = 32;

const fscrAt = o.sprs + 8 * (savedSprs.length - 1);
const otherSprs = savedSprs.slice(0, -1);

const main = (count: number) => `
  # The stubs, to the vectors.
  ${address("r30", stubsAddress)}
  ${stubAreas
    .map(
      ({ real, end }) =>
        `${address("r31", real)}${copyMemory("r30", 0, "r31", 0, end - real)}\n addi r30, r30, ${end - real}`,
    )
    .join("\n")}
  sync
  isync
  ${address("r31", recordsAddress)}

next:
  # What the handler finds: the record in quadrant 3, which is the same with translation on or off.
  ${address("r30", addresses.current)}
  li r29, 3
  sldi r29, r29, 62
  or r29, r29, r31
  std r29, 0(r30)
  ${address("r30", memoryStart)}
  ${copyMemory("r31", o.before, "r30", 0, beforeSize)}
  ${copyMemory("r31", o.window, "r30", beforeSize, windowSize)}
  ${each(patchCount, (n) => {
    const at = o.patches + n * patchSize;
    return `ld r30, ${at}(r31)\n ld r29, ${at + 8}(r31)\n ld r28, 0(r30)\n std r28, ${at + 16}(r31)\n std r29, 0(r30)`;
  })}
  # All of the partition's processes, entries and page walk caches.
  ptesync
  li r29, 0xc00
  li r30, 0
  tlbiel r29, r30, 2, 1, 1
  ptesync
  lis r29, 0x7fff
  mtspr 22, r29
  ${address("r29", 5 << 27)}
  msgclrp r29
  ${address("r30", addresses.window)}
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
  ${otherSprs.map(([, spr], n) => `ld r0, ${o.sprs + 8 * n}(r31)\n mtspr ${spr}, r0`).join("\n")}
  ld r0, ${o.sprg2}(r31)
  mtspr 274, r0
  ld r0, ${o.sprg3}(r31)
  mtspr 275, r0
  li r0, 0
  mtspr 895, r0
  ld r0, ${fscrAt}(r31)
  mtspr 153, r0
  ld r0, ${o.start}(r31)
  mtspr 26, r0
  ld r0, ${o.msr}(r31)
  mtspr 27, r0
  ${each(32, (n) => `ld r${n}, ${o.gpr + 8 * n}(r31)`)}
  rfid

# The case's r31 is in SPRG2, its CFAR in SPRG3, the vector in WORT.
handler:
  li r31, 3
  sldi r31, r31, 62
  oris r31, r31, ${addresses.current >> 16}
  ld r31, 0(r31)
  ${each(31, (n) => `std r${n}, ${o.gpr + 8 * n}(r31)`)}
  mfspr r0, 153
  std r0, ${fscrAt}(r31)
  li r0, -1
  mtspr 153, r0
  ${[
    [274, o.gpr + 8 * 31],
    [275, o.cfar],
    [895, o.vector],
    [26, o.srr0],
    [27, o.srr1],
    [8, o.lr],
    [9, o.ctr],
    [1, o.xer],
  ]
    .map(([spr, at]) => `mfspr r0, ${spr}\n std r0, ${at}(r31)`)
    .join("\n")}
  mfcr r0
  std r0, ${o.cr}(r31)
  mfmsr r0
  std r0, ${o.msr}(r31)
  ${otherSprs.map(([, spr], n) => `mfspr r0, ${spr}\n std r0, ${o.sprs + 8 * n}(r31)`).join("\n")}
  ${loadMsr("r3", 0)}
  mtmsrd r3
  isync
  clrldi r31, r31, 4
  ${each(64, (n) => `li r0, ${o.vsr + 16 * n}\n stxvd2x vs${n}, r31, r0`)}
  mffs f0
  stfd f0, ${o.fpscr}(r31)
  mfvscr v0
  li r0, ${o.vscr}
  stxvd2x vs32, r31, r0
  # The performance monitor's counters stand still.
  li r0, 0
  oris r0, r0, 0x8000
  mtspr 795, r0
  ${address("r30", memoryStart)}
  ${copyMemory("r30", 0, "r31", o.before, beforeSize)}
  ${copyMemory("r30", beforeSize, "r31", o.window, windowSize)}
  # Backwards: two may concern one place.
  ${each(patchCount, (i) => {
    const at = o.patches + (patchCount - 1 - i) * patchSize;
    return `ld r30, ${at}(r31)\n ld r29, 0(r30)\n ld r28, ${at + 16}(r31)\n std r29, ${at + 8}(r31)\n std r28, 0(r30)`;
  })}
  addi r31, r31, ${supervisorRecordSize}
  ${address("r29", recordsAddress + count * supervisorRecordSize)}
  cmpld r31, r29
  blt next

  # H_PUT_TERM_CHAR: it is done.
2: li r3, 0x58
  lis r4, 0x7100
  li r5, 1
  li r6, 0x2e
  sldi r6, r6, 56
  li r7, 0
  sc 1
  cmpdi r3, 0
  bne 2b
3: b 3b
`;

/** The number by which a vector's stub names it: 15 bits. */
export const vectorName = (real: number): number => real & 0x7fff;

function stubs(littleEndian: boolean, handler: number): Uint8Array {
  const areas = stubAreas.map(({ real, end }) => {
    const source = each((end - real) / stubSize, (n) => {
      const at = real + stubSize * n;
      return `mtspr 274, r31\n mfspr r31, 28\n mtspr 275, r31\n li r31, ${vectorName(at)}\n mtspr 895, r31\n b . + ${handler - (at + 20)}\n nop\n nop`;
    });
    return assemble(source, { littleEndian, origin: real }).bytes;
  });
  const all = new Uint8Array(areas.reduce((size, { length }) => size + length, 0));
  areas.reduce((at, bytes) => {
    all.set(bytes, at);
    return at + bytes.length;
  }, 0);
  return all;
}

/** sc, which ends a case that nothing else ends. */
const ending = 0x44000002;

/** The image, to be loaded at `kernelAddress`. */
export function buildKernel(cases: readonly SupervisorCase[], kind: KernelKind): Uint8Array {
  const { littleEndian } = kind;
  const image = new Uint8Array(recordsAddress - kernelAddress + cases.length * supervisorRecordSize);
  const view = new DataView(image.buffer);
  const put = (at: number, bytes: Uint8Array, limit: number) => {
    if (at + bytes.length > limit) throw new Error(`the kernel's part at 0x${at.toString(16)} has grown too large`);
    image.set(bytes, at - kernelAddress);
  };
  put(kernelAddress, assemble(entry(kind), { origin: kernelAddress, littleEndian: false }).bytes, mainAddress);
  const { bytes, symbols } = assemble(main(cases.length), { origin: mainAddress, littleEndian });
  put(mainAddress, bytes, stubsAddress);
  put(stubsAddress, stubs(littleEndian, Number(symbols.get("handler"))), casesAddress);
  put(tablesStart, buildTables(), recordsAddress);
  cases.forEach((one, i) => {
    const at = slotAddress(one.slot) - kernelAddress;
    const words = [...one.words, ending];
    if (4 * words.length > caseSpan || one.slot >= kernelCapacity) throw new Error(`no room for ${one.mnemonic}`);
    words.forEach((word, n) => {
      const swapped = one.swappedFrom !== undefined && n >= one.swappedFrom;
      view.setUint32(at + 4 * n, word, one.littleEndian !== swapped);
    });
    const record = image
      .subarray(recordsAddress - kernelAddress + i * supervisorRecordSize)
      .subarray(0, supervisorRecordSize);
    record.set(one.initial.bytes);
    if (!littleEndian) swapSupervisorRecord(record);
  });
  return image;
}
