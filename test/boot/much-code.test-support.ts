/**
 * A program of Linux on POWER (ppc64le) with many functions, all of them hot: more code than a VM with `limits.memory` may have
 * translated.
 */

export interface MuchCode {
  readonly functions: number;
  /** How often each is called. */
  readonly rounds: number;
}

/** Where it is loaded. */
const address = 0x1000_0000;
const headers = 64 + 56;
/** What each function does with r3, so often. */
const steps = 100;

// Power ISA 3.0B, Book I; r3 is both operands.
const D = (opcode: number, rt: number, ra: number, value: number): number =>
  ((opcode << 26) | (rt << 21) | (ra << 16) | (value & 0xffff)) >>> 0;
const mulli = (rt: number, ra: number, value: number): number => D(7, rt, ra, value);
const addi = (rt: number, ra: number, value: number): number => D(14, rt, ra, value);
const xori = (ra: number, rs: number, value: number): number => D(26, rs, ra, value);
const li = (rt: number, value: number): number => addi(rt, 0, value);
const bl = (from: number, to: number): number => ((18 << 26) | ((to - from) & 0x3ff_fffc) | 1) >>> 0;
const stwbrx = (rs: number, rb: number): number => ((31 << 26) | (rs << 21) | (rb << 11) | (662 << 1)) >>> 0;
const blr = 0x4e80_0020;
const sc = 0x4400_0002;

/** Each function's own numbers: no two are alike. */
const numbers = (index: number, step: number) => ({
  factor: ((index * 31 + step * 7) % 1000) * 2 + 1,
  summand: (index * 17 + step * 3) % 30_000,
  mask: (index * 13 + step * 101) % 0x10000,
});

/** An ELF file. */
export function muchCode({ functions, rounds }: MuchCode): Uint8Array {
  const perFunction = 3 * steps + 1;
  const begin = 2;
  const first = begin + functions + 12;
  const words = new Uint32Array(first + functions * perFunction);
  let at = 0;
  const put = (word: number): void => void (words[at++] = word);
  put(li(3, 1));
  put(li(31, rounds));
  for (let i = 0; i < functions; i++) put(bl(4 * at, 4 * (first + i * perFunction)));
  put(addi(31, 31, -1));
  // cmpdi r31,0; bne to the first call.
  put(D(11, 1, 31, 0));
  put(D(16, 4, 2, (4 * (begin - at)) & 0xfffc));
  // stwbrx has the most significant byte first. write(1, r1 - 16, 4); exit(0).
  put(addi(4, 1, -16));
  put(stwbrx(3, 4));
  for (const word of [li(0, 4), li(3, 1), li(5, 4), sc]) put(word);
  for (const word of [li(0, 1), li(3, 0), sc]) put(word);
  for (let i = 0; i < functions; i++) {
    for (let step = 0; step < steps; step++) {
      const { factor, summand, mask } = numbers(i, step);
      put(mulli(3, 3, factor));
      put(addi(3, 3, summand));
      put(xori(3, 3, mask));
    }
    put(blr);
  }
  return elf(new Uint8Array(words.buffer));
}

/** Elf64_Ehdr and one Elf64_Phdr, little-endian, ELFv2. Source: ELF-64 Object File Format. */
function elf(code: Uint8Array): Uint8Array {
  const file = new Uint8Array(headers + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  for (const [offset, value] of [
    [16, 2],
    [18, 21],
    [52, 64],
    [54, 56],
    [56, 1],
  ] as const)
    view.setUint16(offset, value, true);
  for (const [offset, value] of [
    [20, 1],
    [48, 2],
    [64, 1],
    [68, 5],
  ] as const)
    view.setUint32(offset, value, true);
  for (const [offset, value] of [
    [24, address + headers],
    [32, 64],
    [80, address],
    [88, address],
    [96, file.length],
    [104, file.length],
    [112, 0x1_0000],
  ] as const)
    view.setBigUint64(offset, BigInt(value), true);
  file.set(code, headers);
  return file;
}

/** What it prints, in hexadecimal. */
export function answer({ functions, rounds }: MuchCode): string {
  const all: ReturnType<typeof numbers>[] = [];
  for (let i = 0; i < functions; i++) {
    for (let step = 0; step < steps; step++) all.push(numbers(i, step));
  }
  let value = 1;
  for (let round = 0; round < rounds; round++) {
    for (const { factor, summand, mask } of all) value = ((Math.imul(value, factor) + summand) ^ mask) | 0;
  }
  return (value >>> 0).toString(16).padStart(8, "0");
}
