import assert from "node:assert/strict";
import { test } from "node:test";
import { type ByteSource, bytesSource } from "./bytes.js";
import { type BuiltModule, buildModule } from "./elf-builder.test-support.js";
import { ModuleFileError } from "./elf-file.js";
import { ElfModule } from "./elf-module.js";

const read = (module: BuiltModule) => new ElfModule(bytesSource(buildModule(module)));
const code = (wanted: string) => (error: unknown) => error instanceof ModuleFileError && error.code === wanted;

const full: BuiltModule = {
  info: ["license=GPL", "alias=pci:v*", "author=Jürgen", "odd"],
  exports: [{ name: "add" }, { name: "sub", gplOnly: true, namespace: "MATH" }],
  imports: [{ name: "printk", crc: 0x1234_5678 }, { name: "maybe", weak: true }, { name: "plain" }],
  versions: [{ name: "module_layout", crc: 7 }],
  thisModule: "full",
};

for (const bits of [32, 64] as const) {
  for (const little of [true, false]) {
    test(`a module of ${bits} bits, ${little ? "little" : "big"} endian`, () => {
      const module = read({ ...full, bits, little });
      assert.deepEqual(module.info(), [
        ["license", "GPL"],
        ["alias", "pci:v*"],
        ["author", "Jürgen"],
        ["odd", "odd"],
      ]);
      assert.deepEqual(module.imports, [
        { name: "printk", weak: false, crc: 0x1234_5678 },
        { name: "maybe", weak: true, crc: 0 },
        { name: "plain", weak: false, crc: 0 },
        { name: "module_layout", weak: false, crc: 7 },
      ]);
      assert.deepEqual(
        module.exports.filter(({ name }) => name === "add" || name === "sub"),
        [
          { name: "add", gplOnly: false, crc: 0 },
          { name: "sub", gplOnly: true, crc: 0, namespace: "MATH" },
        ],
      );
      assert.equal(module.thisModule(), "full");
      assert.deepEqual(module.versions(), [
        { name: "printk", crc: 0x1234_5678 },
        { name: "module_layout", crc: 7 },
      ]);
    });
  }
}

test("checksums in the symbol table name the exports, as libkmod has it", () => {
  const module = read({ exports: [{ name: "with", crc: 0xdead_beef }, { name: "without" }] });
  assert.deepEqual(module.exports, [{ name: "with", gplOnly: false, crc: 0xdead_beef }]);
});

test("without a symbol table the names of exports are left", () => {
  const module = read({ ...full, withoutSymbols: true });
  assert.deepEqual(
    module.exports.map(({ name }) => name),
    ["add", "sub", "MATH"],
  );
  assert.throws(() => module.imports, code("EINVAL"));
});

test("where no checksum names the exports, a namespace among the strings is told from an export", () => {
  const flags = true;
  const exports = [
    { name: "add", flags },
    { name: "sub", gplOnly: true, flags, namespace: "MATH" },
  ];
  for (const bits of [32, 64] as const) {
    assert.deepEqual(read({ exports, bits }).exports, [
      { name: "add", gplOnly: false, crc: 0 },
      { name: "sub", gplOnly: true, crc: 0, namespace: "MATH" },
      { name: "MATH", gplOnly: false, crc: 0, textOnly: true },
    ]);
  }
});

test("the linker's build-id is shown in hexadecimal, and a note that is none is not", () => {
  const buildId = Uint8Array.from({ length: 22 }, (_, index) => index * 11);
  const text = "00:0B:16:21:2C:37:42:4D:58:63:6E:79:84:8F:9A:A5:B0:BB:C6:D1:\n\t\tDC:E7";
  for (const little of [true, false]) assert.deepEqual(read({ buildId, little }).buildId(), [["build-id", text]]);
  assert.deepEqual(read({}).buildId(), []);
  const bytes = buildModule({ buildId });
  const at = Buffer.from(bytes).indexOf("GNU\0");
  for (const [offset, value] of [
    [-12, 200],
    [-8, 200],
    [-4, 4],
    [0, 0x58],
  ] as const) {
    assert.deepEqual(new ElfModule(bytesSource(bytes.with(at + offset, value))).buildId(), [], `${offset}`);
  }
});

test("what is not there is said", () => {
  const module = read({});
  assert.equal(module.thisModule(), undefined);
  assert.deepEqual(module.exports, []);
  assert.deepEqual(module.imports, []);
  assert.deepEqual(module.signature(), []);
});

test("a version's name without an end ends with its entry", () => {
  const module = read({
    versions: [
      { name: "x".repeat(56), crc: 1 },
      { name: "next", crc: 2 },
    ],
  });
  assert.deepEqual(
    module.imports.map(({ name }) => name),
    ["x".repeat(56), "next"],
  );
});

test("files that are no modules are refused with kmod's errno", () => {
  const good = buildModule(full);
  const changed = (at: number, ...bytes: number[]) => {
    const copy = good.slice();
    copy.set(bytes, at);
    return new ElfModule(bytesSource(copy));
  };
  assert.throws(() => new ElfModule(bytesSource(new Uint8Array())), code("ENOEXEC"));
  assert.throws(() => new ElfModule(bytesSource(new TextEncoder().encode("#!/bin/sh\nexit 0\n"))), code("ENOEXEC"));
  assert.throws(() => new ElfModule(bytesSource(good.subarray(0, 40))), code("EINVAL"), "shorter than the header");
  assert.throws(() => changed(4, 3), code("EINVAL"), "no such class");
  assert.throws(() => changed(5, 0), code("EINVAL"), "no such byte order");
  assert.throws(() => changed(58, 40), code("EINVAL"), "the other class's section headers");
  assert.throws(() => changed(60, 0xff, 0xff), code("EINVAL"), "more sections than the file has");
  assert.throws(() => changed(62, 0, 0), code("EINVAL"), "no names");
  assert.throws(() => changed(40, ...new Array(8).fill(0xff)), code("EINVAL"), "sections beyond any file");
});

/** Fails the test if the reader leaves the file. */
function guarded(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read(offset, length) {
      assert.ok(offset >= 0 && length >= 0 && offset + length <= bytes.length, `${offset}+${length}`);
      return bytes.subarray(offset, offset + length);
    },
  };
}

test("no file makes the reader fail in another way, or read outside", () => {
  for (const [bits, little] of [
    [64, true],
    [64, false],
    [32, true],
    [32, false],
  ] as const) {
    const good = buildModule({ ...full, bits, little });
    let seed = 12345;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const inspect = (bytes: Uint8Array) => {
      try {
        const module = new ElfModule(guarded(bytes));
        for (const look of [() => module.exports, () => module.thisModule(), () => module.signature()]) look();
        for (const look of [() => module.info(), () => module.imports, () => module.versions()]) look();
      } catch (error) {
        if (!(error instanceof ModuleFileError)) throw error;
      }
    };
    for (let length = 0; length < good.length; length += 7) inspect(good.subarray(0, length));
    for (let round = 0; round < 1500; round++) {
      const bytes = good.slice();
      for (let change = 0; change <= random(4); change++) bytes[random(bytes.length)] = random(256);
      inspect(bytes);
    }
  }
});
