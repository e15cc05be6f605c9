import assert from "node:assert/strict";
import { test } from "node:test";
import { VmmError } from "../errors.js";
import { parseElf } from "./elf.js";
import { makeElf, type TestElf } from "./elf.test-support.js";

const data = Uint8Array.of(1, 2, 3, 4);
const good: TestElf = { segments: [{ physical: 0x1000n, data, memorySize: 16n }], entry: 0x1000n };

for (const littleEndian of [false, true]) {
  test(`a good file, ${littleEndian ? "little" : "big"}-endian`, () => {
    const elf = parseElf(makeElf({ ...good, littleEndian }));
    assert.equal(elf.byteOrder, littleEndian ? "little" : "big");
    assert.equal(elf.entry, 0x1000);
    assert.deepEqual(elf.segments, [{ address: 0x1000, size: 16, data }]);
  });
}

test("a virtual entry point becomes physical", () => {
  const virtual = 0xc000_0000_0000_0000n;
  const elf = parseElf(makeElf({ segments: [{ physical: 0x2000n, virtual, data }], entry: virtual }));
  assert.equal(elf.entry, 0x2000);
});

test("segments are sorted, empty ones left out", () => {
  const segments = [
    { physical: 0x3000n, data },
    { physical: 0x9000n, data: new Uint8Array(0) },
    { physical: 0x1000n, data },
  ];
  assert.deepEqual(
    parseElf(makeElf({ segments, entry: 0x1000n })).segments.map((s) => s.address),
    [0x1000, 0x3000],
  );
});

test("a position-independent program linked at 0 starts as from firmware, off the vectors; Linux does not move", () => {
  const shared = 3;
  const segments = [
    { physical: 0n, data },
    { physical: 0x100n, data },
  ];
  const program = parseElf(makeElf({ segments, entry: 0x100n, type: shared, littleEndian: true }));
  assert.equal(program.byteOrder, "big");
  assert.equal(program.entry, 0x40_0100);
  assert.deepEqual(
    program.segments.map((s) => s.address),
    [0x40_0000, 0x40_0100],
  );
  assert.equal(parseElf(makeElf({ segments, entry: 0n })).entry, 0);

  const virtual = 0xc000_0000_0000_0000n;
  const linux = parseElf(makeElf({ segments: [{ physical: 0n, virtual, data }], entry: virtual, type: shared }));
  assert.deepEqual([linux.entry, linux.segments[0]?.address], [0, 0]);
});

const bad: readonly (readonly [what: string, file: Uint8Array, message: RegExp])[] = [
  ["an empty file", new Uint8Array(0), /not an ELF/],
  ["a cut header", makeElf(good).slice(0, 40), /header is cut off/],
  ["cut program headers", makeElf(good).slice(0, 100), /program headers are cut off/],
  ["a cut segment", makeElf(good).slice(0, -1), /cut off/],
  ["32 bits", makeElf({ ...good, class: 1 }), /a 32-bit ELF file for machine 21, not for 64-bit POWER/],
  ["no class", makeElf({ ...good, class: 3 }), /class 3 does not exist/],
  ["another machine", makeElf({ ...good, machine: 62 }), /for machine 62, not for 64-bit POWER \(64-bit, 21\)/],
  ["a relocatable object", makeElf({ ...good, type: 1 }), /not an executable/],
  ["an absurd count", makeElf({ ...good, count: 65535 }), /65535 program headers/],
  ["no program headers", makeElf({ ...good, count: 0 }), /no program headers/],
  ["short program headers", makeElf({ ...good, entrySize: 32 }), /32 bytes long/],
  ["a table beyond the end", makeElf({ ...good, tableOffset: 0xffff_ffff_ffff_fff0n }), /cut off/],
  ["an offset that wraps", makeElf({ ...good, segments: [{ physical: 0n, data, offset: 2n ** 64n - 1n }] }), /cut off/],
  [
    "a size that wraps",
    makeElf({ ...good, segments: [{ physical: 0n, data, fileSize: 2n ** 64n - 1n, memorySize: 2n ** 64n - 1n }] }),
    /cut off/,
  ],
  [
    "more in the file than in memory",
    makeElf({ ...good, segments: [{ physical: 0n, data, memorySize: 2n }] }),
    /more in the file/,
  ],
  [
    "an address outside any memory",
    makeElf({ ...good, segments: [{ physical: 2n ** 63n, data }] }),
    /outside any memory/,
  ],
  [
    "overlapping segments",
    makeElf({
      segments: [
        { physical: 0n, data },
        { physical: 3n, data },
      ],
      entry: 0n,
    }),
    /overlap/,
  ],
  ["an entry in no segment", makeElf({ ...good, entry: 0x5000n }), /lies in no segment/],
  ["an odd entry", makeElf({ ...good, entry: 0x1002n }), /multiple of 4/],
];
for (const [what, file, message] of bad) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => parseElf(file),
      (error) => error instanceof VmmError && message.test(error.message),
    );
  });
}

test("every truncation and every flipped byte of the headers either loads or is refused in words", () => {
  const file = makeElf(good);
  for (let length = 0; length < file.length; length++) assert.throws(() => parseElf(file.slice(0, length)), VmmError);
  for (let at = 0; at < 120; at++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const changed = file.slice();
      changed[at] = value;
      try {
        for (const segment of parseElf(changed).segments) assert.ok(segment.data.length <= segment.size);
      } catch (error) {
        assert.ok(error instanceof VmmError, String(error));
      }
    }
  }
});
