import assert from "node:assert/strict";
import { test } from "node:test";
import { VmmError } from "../../errors.js";
import { linuxBoot } from "./linux-boot.js";

const kernel = {
  byteOrder: "little",
  entry: 0x100_0000,
  segments: [{ address: 0x100_0000, size: 0x20_0000, data: Uint8Array.of(0x90, 0xf4) }],
} as const;
const memorySize = 64 << 20;

test("the zero page says where everything is, and nothing lies on anything else", () => {
  const initrd = new Uint8Array(5000).fill(7);
  const boot = linuxBoot({ kernel, initrd, commandLine: "console=ttyS0", memorySize });
  const ram = new Uint8Array(memorySize);
  const taken: [number, number][] = [];
  for (const { address, bytes } of boot.memory) {
    assert.ok(
      taken.every(([start, end]) => address + bytes.length <= start || address >= end),
      address.toString(16),
    );
    taken.push([address, address + bytes.length]);
    ram.set(bytes, address);
  }
  const view = new DataView(ram.buffer, Number(boot.regs.rsi));
  assert.equal(boot.regs.rip, 0x100_0000n);
  const line = view.getUint32(0x228, true);
  assert.equal(new TextDecoder().decode(ram.subarray(line, line + 14)), "console=ttyS0\0");
  const at = view.getUint32(0x218, true);
  assert.deepEqual([at % 4096, view.getUint32(0x21c, true), ram[at], ram[at + 4999]], [0, 5000, 7, 7]);
  assert.equal(view.getUint8(0x1e8), 4);
  assert.equal(view.getBigUint64(0x2d0 + 20, true) + view.getBigUint64(0x2d8 + 20, true), BigInt(memorySize));
  // Linear addresses are physical ones, at the entry too.
  const walk = (address: bigint) => {
    const tables = new DataView(ram.buffer);
    const upper = tables.getBigUint64(Number(boot.sregs.cr3), true) & ~0xfffn;
    const middle = tables.getBigUint64(Number(upper + 8n * (address >> 30n)), true) & ~0xfffn;
    return tables.getBigUint64(Number(middle + 8n * ((address >> 21n) & 511n)), true);
  };
  for (const address of [0n, boot.regs.rip, 0xffe0_0000n]) assert.equal(walk(address), (address & ~0x1f_ffffn) | 0x83n);
});

test("a kernel of 32 bits begins in protected mode without paging, its initrd in the memory that it has mapped", () => {
  const initrd = new Uint8Array(5000).fill(7);
  const boot = linuxBoot({ kernel: { ...kernel, bits: 32 }, initrd, commandLine: "", memorySize: 1024 << 20 });
  assert.deepEqual([boot.sregs.cr0, boot.sregs.cr4, boot.sregs.efer], [0x11n, 0n, 0n]);
  const { cs, ds, gdt } = boot.sregs;
  assert.deepEqual([cs.selector, cs.l, cs.db, ds.selector, ds.db], [0x10, 0, 1, 0x18, 1]);
  const table = boot.memory.find(({ address }) => BigInt(address) === gdt.base);
  assert.ok(table);
  const { buffer, byteOffset } = table.bytes;
  assert.equal(new DataView(buffer, byteOffset).getBigUint64(cs.selector, true), 0x00cf9b000000ffffn);
  const place = boot.memory.find(({ bytes }) => bytes === initrd);
  assert.ok(place && place.address + initrd.length <= 0x3800_0000);
});

test("an initrd lies at the end of memory, of more than 2 GiB too", () => {
  const initrd = new Uint8Array(5000).fill(7);
  const large = 0xc000_0000;
  const { memory } = linuxBoot({ kernel, initrd, commandLine: "", memorySize: large });
  assert.equal(memory.find(({ bytes }) => bytes === initrd)?.address, large - 2 * 4096);
});

test("one that unpacks itself finds its header in the zero page, with what it is told in it", () => {
  const setupHeader = Uint8Array.from({ length: 0x264 - 0x1f1 }, (_, i) => i + 1);
  const boot = linuxBoot({ kernel: { ...kernel, bits: 32, setupHeader }, commandLine: "x", memorySize });
  const page = boot.memory.find(({ address }) => BigInt(address) === boot.regs.rsi)?.bytes;
  assert.ok(page);
  const view = new DataView(page.buffer, page.byteOffset);
  const own = (at: number) => setupHeader[at - 0x1f1];
  // Its version, alignment and size stay; who loads it and its command line are ours; there is no initrd.
  for (const at of [0x1f1, 0x206, 0x230, 0x260]) assert.equal(view.getUint8(at), own(at), at.toString(16));
  assert.deepEqual([view.getUint32(0x202, true), view.getUint8(0x210)], [0x53726448, 0xff]);
  assert.equal(view.getUint32(0x228, true), boot.memory.find(({ bytes }) => bytes[0] === 0x78)?.address);
  assert.deepEqual([view.getUint32(0x218, true), view.getUint32(0x21c, true)], [0, 0]);
});

test("what does not fit is refused with a sentence", () => {
  const initrd = new Uint8Array(memorySize - 0x110_0000);
  const low = { ...kernel, segments: [{ ...kernel.segments[0], address: 0x1000 }] };
  for (const [wrong, sentence] of [
    [{ commandLine: "x".repeat(2048), memorySize }, /command line/],
    [{ commandLine: "", memorySize: 16 << 20 }, /^the kernel needs memory up to \d+ MiB, there are 16 MiB; give/],
    [{ commandLine: "", memorySize, initrd }, /MiB, the initrd \d+ MiB behind it, there are/],
    [{ commandLine: "", memorySize, kernel: low }, /^no kernel of Linux: it is to be loaded below 1 MiB$/],
  ] as const) {
    assert.throws(
      () => linuxBoot({ kernel, ...wrong }),
      (error) => error instanceof VmmError && sentence.test(error.message),
    );
  }
});
