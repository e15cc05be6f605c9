/** AVX's accesses element by element, where some of them fault: stepped, in the core and translated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { base, extent, X86Machine } from "./machine.js";
import { initialFloating } from "./native.js";

const pc = base + 0x4100n;
/** Where the last page ends, behind which nothing is. */
const end = base + BigInt(extent);

/** Words of vector registers, the least significant first. */
type Vectors = Readonly<Record<number, readonly number[]>>;
const place = (register: number, word: number) => (word < 4 ? 160 + 4 * word : 400 + 4 * word) + 16 * register;

function wordsOf(floating: Uint8Array, register: number): number[] {
  const view = new DataView(floating.buffer, floating.byteOffset);
  return Array.from({ length: 8 }, (_, i) => view.getUint32(place(register, i), true));
}

/** Runs one instruction in each way; RSI is `address`. `check` sees what it left. */
function each(
  text: string,
  vectors: Vectors,
  address: bigint,
  check: (left: { vector: number; pc: bigint; words(register: number): number[]; image: Uint8Array }) => void,
): void {
  const code = assemble(text, 64, pc);
  const image = new Uint8Array(extent).fill(0xcc);
  image.set(code, Number(pc - base));
  const words = new DataView(image.buffer);
  for (let at = 0; at < 256; at += 4) {
    words.setUint32(0x2000 + at, 0x1000_0000 + at / 4, true);
    words.setUint32(extent - 256 + at, 0x2000_0000 + at / 4, true);
  }
  const floating = initialFloating();
  const view = new DataView(floating.buffer);
  for (const [register, list] of Object.entries(vectors)) {
    list.forEach((word, i) => view.setUint32(place(Number(register), i), word, true));
  }
  const general = Array.from({ length: 16 }, (_, i) => (i === 6 ? address : i === 4 ? base + 0x3000n : 0n));
  for (const way of ["stepped", "core", "translated"]) {
    const machine = new X86Machine();
    machine.image = image;
    machine.registers = { general, flags: 0x202n, floating };
    if (way === "translated") machine.translate([pc]);
    const { vector, pc: left, floating: after } = machine.run(pc, way === "stepped");
    const before = left === pc + BigInt(code.length) ? -1 : vector;
    check({ vector: before, pc: left, words: (register) => wordsOf(after, register), image: machine.image });
  }
}

const set = 0xffff_ffff;
const all = Array<number>(8).fill(set);
const kept = Array.from({ length: 8 }, (_, i) => 0x7700 + i);

test("a gather whose third element faults has the first two, and their masks are clear", () => {
  // Of the indices the third is a page behind the end.
  const indices = [1, 2, 0x4000_0000, 3, 4, 5, 6, 7];
  each(
    "vpgatherdd ymm1,DWORD PTR [rsi+ymm2*4],ymm3",
    { 1: kept, 2: indices, 3: all },
    base + 0x2000n,
    ({ vector, pc: at, words }) => {
      assert.equal(vector, 14);
      assert.equal(at, pc);
      assert.deepEqual(words(1), [0x1000_0001, 0x1000_0002, ...kept.slice(2)]);
      assert.deepEqual(words(3), [0, 0, ...all.slice(2)]);
      assert.deepEqual(words(2), indices);
    },
  );
});

test("an element without its mask is not looked at, and keeps what it was", () => {
  each(
    "vgatherqps xmm1,DWORD PTR [rsi+ymm2*4],xmm3",
    {
      1: kept,
      2: [1, 0, 0x4000_0000, 0, 3, 0, 0x4000_0000, 0],
      3: [0x8000_0000, 0x7fff_ffff, set, 0, ...all.slice(4)],
    },
    base + 0x2000n,
    ({ vector, words }) => {
      assert.equal(vector, -1);
      assert.deepEqual(words(1), [0x1000_0001, kept[1], 0x1000_0003, kept[3], 0, 0, 0, 0]);
      assert.deepEqual(words(3), [0, 0, 0, 0, 0, 0, 0, 0]);
    },
  );
});

test("a masked load that faults leaves its register, and what is masked does not fault", () => {
  const address = end - 8n;
  const load = "vpmaskmovd ymm1,ymm3,YMMWORD PTR [rsi]";
  each(load, { 1: kept, 3: [set, 0, 0, set, 0, 0, 0, 0] }, address, ({ vector, words }) => {
    assert.equal(vector, 14);
    assert.deepEqual(words(1), kept);
  });
  each(load, { 1: kept, 3: [0, set, 0, 0, 0, 0, 0, 0] }, address, ({ vector, words }) => {
    assert.equal(vector, -1);
    assert.deepEqual(words(1), [0, 0x2000_003f, 0, 0, 0, 0, 0, 0]);
  });
});

test("a store of 256 bits that faults, under a mask or not, writes nothing", () => {
  const address = end - 8n;
  const original = (image: Uint8Array) => new DataView(image.buffer).getUint32(extent - 4, true);
  for (const text of ["vmaskmovps YMMWORD PTR [rsi],ymm3,ymm1", "vmovups YMMWORD PTR [rsi],ymm1"]) {
    each(text, { 1: kept, 3: all }, address, ({ vector, image }) => {
      assert.equal(vector, 14);
      assert.equal(original(image), 0x2000_003f);
    });
  }
  each("vmaskmovps YMMWORD PTR [rsi],ymm3,ymm1", { 1: kept, 3: [0, set, 0, 0, 0, 0, 0, 0] }, address, (left) => {
    assert.equal(left.vector, -1);
    assert.equal(original(left.image), kept[1]);
  });
});
