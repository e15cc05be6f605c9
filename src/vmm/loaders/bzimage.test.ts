/** bzImages made here, whole and as wrong as a test wants them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { missing } from "../../../test/oracles/oracles.js";
import { random } from "../../vfio/random.test-support.js";
import { VmmError } from "../errors.js";
import { isBzImage, unpackBzImage, unpacksItself } from "./bzimage.js";
import { makeElf } from "./elf.test-support.js";
import { loadKernelImage, loadX86Kernel, unpackKernel } from "./kernel-image.js";

const x86 = 62;
const below = random(3);
const contents = Uint8Array.from({ length: 20_000 }, (_, i) => (i % 3 === 0 ? 0xe8 : below(9)));
const vmlinux = makeElf({
  segments: [{ physical: 0x100_0000n, data: contents }],
  entry: 0x100_0000n,
  littleEndian: true,
  machine: x86,
});
const limit = 1 << 20;

interface Made {
  readonly payload: Uint8Array;
  readonly version?: number;
  readonly offset?: number;
  readonly length?: number;
  readonly setupSectors?: number;
}

/** Source: Linux, Documentation/x86/boot.rst. */
function bzImage({ payload, version = 0x20f, offset = 0x300, length = payload.length, setupSectors = 3 }: Made) {
  const start = ((setupSectors || 4) + 1) * 512;
  const file = new Uint8Array(start + 0x300 + payload.length + 1000);
  const view = new DataView(file.buffer);
  file[0x1f1] = setupSectors;
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, version, true);
  view.setUint32(0x248, offset, true);
  view.setUint32(0x24c, length, true);
  file.set(payload, start + 0x300);
  return file;
}

/** As the kernel's build does: its size behind it. */
function withSize(packed: Uint8Array, size = vmlinux.length): Uint8Array {
  const whole = new Uint8Array(packed.length + 4);
  whole.set(packed);
  new DataView(whole.buffer).setUint32(packed.length, size, true);
  return whole;
}

const refused = (message: RegExp) => (error: unknown) => error instanceof VmmError && message.test(error.message);
const gzipped = gzipSync(vmlinux);
const good = bzImage({ payload: gzipped });

const packers: readonly (readonly [program: string, args: readonly string[]])[] = [
  ["xz", ["--check=crc32", "--x86", "--lzma2"]],
  ["zstd", ["-19"]],
  ["lz4", ["-l", "-9"]],
  ["xz", ["--format=lzma"]],
];
const packed = new Map<string, Uint8Array>();
function pack([program, args]: (typeof packers)[number]): Uint8Array {
  const key = args.join(" ");
  const made = packed.get(key) ?? spawnSync(program, ["-c", ...args], { input: vmlinux, maxBuffer: 1 << 24 }).stdout;
  packed.set(key, made);
  return made;
}

test("a kernel comes out of what each packer made", { skip: missing("packers") }, async () => {
  for (const packer of packers) {
    const file = bzImage({ payload: withSize(pack(packer)) });
    assert.deepEqual(Buffer.from(await unpackBzImage(file, limit)), Buffer.from(vmlinux), packer.join(" "));
    // And without a bzImage around it.
    assert.deepEqual(Buffer.from(await unpackKernel(pack(packer), limit)), Buffer.from(vmlinux));
  }
});

test("the one under gzip, with more or fewer sectors of setup, is loaded as its vmlinux is", async () => {
  for (const setupSectors of [0, 1, 40]) {
    const file = bzImage({ payload: gzipped, setupSectors });
    assert.ok(isBzImage(file));
    assert.deepEqual(await loadX86Kernel(file, limit), await loadX86Kernel(vmlinux, limit));
  }
  assert.equal((await loadX86Kernel(good, limit)).entry, 0x100_0000);
});

test("a kernel of the other architecture is refused with both named", async () => {
  const power = makeElf({ segments: [{ physical: 0n, data: contents }], entry: 0n });
  await assert.rejects(loadKernelImage(good, limit), refused(/a kernel for x86; this machine needs one for POWER/));
  await assert.rejects(loadX86Kernel(power, limit), refused(/for machine 21, not for x86-64 .* or i386/));
  await assert.rejects(
    loadX86Kernel(new Uint8Array(4096), limit),
    refused(/it is no kernel; expected is a bzImage, or a vmlinux of x86/),
  );
});

const bad: readonly (readonly [what: string, file: Uint8Array, message: RegExp])[] = [
  ["an old protocol", bzImage({ payload: gzipped, version: 0x207 }), /boot protocol 2\.07 .*2\.08/],
  ["a payload beyond the end", bzImage({ payload: gzipped, length: 0xffff_fff0 }), /cut off/],
  ["an offset beyond the end", bzImage({ payload: gzipped, offset: 0xffff_ff00 }), /cut off/],
  ["no payload", bzImage({ payload: gzipped, length: 4 }), /speaks of 4 bytes/],
  ["what is cut off", good.subarray(0, 4_000), /cut off/],
  [
    "an unknown packer",
    bzImage({ payload: withSize(new Uint8Array(100).fill(7)) }),
    /something unknown.*extract-vmlinux/,
  ],
  [
    "a size beyond the limit",
    bzImage({ payload: withSize(gzipped.subarray(0, -4), limit + 1) }),
    /more than 1048576; give more with --memory/,
  ],
  ["a size too small", bzImage({ payload: withSize(gzipped.subarray(0, -4), 1000) }), /larger than 1000|damaged/],
  ["a size too large", bzImage({ payload: withSize(gzipped.subarray(0, -4), vmlinux.length + 1) }), /damaged/],
];
/** With all of the header that says how it is entered; `change` makes it wrong. */
function ownCode(payload: Uint8Array, change: (view: DataView) => void = () => {}, length = payload.length) {
  const file = bzImage({ payload, length });
  const view = new DataView(file.buffer);
  view.setUint8(0x201, 0x62);
  view.setUint8(0x211, 1);
  view.setUint32(0x214, 0x10_0000, true);
  view.setUint32(0x260, 0x80_0000, true);
  change(view);
  return file;
}
const bzipped = withSize(Buffer.from("BZh91AY&SY"));
const lzoPacked = withSize(Buffer.from("894c5a4f000d0a1a0a00", "hex"));

test("one that is no kernel's, or packed as nobody here unpacks, is loaded itself, with its header and the memory that it wants", async () => {
  for (const file of [ownCode(bzipped), ownCode(lzoPacked), ownCode(gzipped, undefined, 0)]) {
    assert.ok(unpacksItself(file));
    assert.equal(await unpackKernel(file, limit), file);
    assert.deepEqual(await loadX86Kernel(file, limit), {
      ...{ byteOrder: "little", bits: 32, entry: 0x10_0000 },
      segments: [{ address: 0x10_0000, size: 0x80_0000, data: file.subarray(0x800) }],
      setupHeader: file.subarray(0x1f1, 0x264),
    });
    await assert.rejects(loadKernelImage(file, limit), refused(/a kernel for x86; this machine needs one for POWER/));
  }
  assert.ok(!unpacksItself(good));
  // Of versions before 2.10, which do not say how much memory.
  const older = ownCode(bzipped, (view) => view.setUint8(0x201, 0x4e));
  assert.equal((await loadX86Kernel(older, limit)).segments[0]?.size, older.length - 0x800);
});

const badThemselves: typeof bad = [
  ["a header without an end", ownCode(bzipped, (view) => view.setUint8(0x201, 0)), /its header is no header/],
  ["a header beyond the zero page", ownCode(bzipped, (view) => view.setUint8(0x201, 0xff)), /its header is no header/],
  ["code for low memory", ownCode(bzipped, (view) => view.setUint8(0x211, 0)), /below 1 MiB/],
  ["an entry before it", ownCode(bzipped, (view) => view.setUint32(0x214, 0xf_ffff, true)), /0xfffff lies outside/],
  ["an entry behind it", ownCode(bzipped, (view) => view.setUint32(0x214, 0x20_0000, true)), /0x200000 lies outside/],
  ["no code", ownCode(gzipped, undefined, 0).subarray(0, 0x800), /cut off before its code/],
];
for (const [what, file, message] of [...bad, ...badThemselves]) {
  test(`refused: ${what}`, () => assert.rejects(loadX86Kernel(file, limit), refused(message)));
}

test("a size that lies behind what is packed is found out", { skip: missing("packers") }, async () => {
  for (const packer of packers) {
    for (const [size, message] of [
      [vmlinux.length + 1, /has \d+ bytes, not|claims/],
      [vmlinux.length - 1, /larger than/],
    ] as const) {
      const file = bzImage({ payload: withSize(pack(packer), size) });
      await assert.rejects(unpackBzImage(file, limit), refused(message), `${packer.join(" ")} ${size}`);
    }
  }
});

test("whatever is done to one, it is loaded or refused in words", { skip: missing("packers") }, async () => {
  const shuffle = random(5);
  let refusals = 0;
  for (const payload of [gzipped, ...packers.map((packer) => withSize(pack(packer)))]) {
    const file = bzImage({ payload });
    for (let round = 0; round < 60; round++) {
      const changed = Uint8Array.from(file.subarray(0, shuffle(8) === 0 ? shuffle(file.length) : file.length));
      for (let i = shuffle(3); i >= 0; i--) {
        const places = [0x1f1, 0x206, 0x248 + shuffle(8), 0xb00 + shuffle(40), shuffle(changed.length)];
        changed[places[shuffle(places.length)] as number] = shuffle(256);
      }
      await loadX86Kernel(changed, limit).catch((error: unknown) => {
        assert.ok(error instanceof VmmError, String(error));
        refusals++;
      });
    }
  }
  assert.ok(refusals > 50, `${refusals} refusals`);
});
