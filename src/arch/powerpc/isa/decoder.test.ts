import assert from "node:assert/strict";
import { test } from "node:test";
import { buildDecodeTable, type DecodeEntry, decode } from "./decoder.js";
import { insn } from "./insn.js";
import { instructions } from "./instructions.js";
import { encodeField, expand, fieldValue, type Variant } from "./pattern.js";

const nothing = () => {};

test("a pattern expands into a variant per setting of its flags", () => {
  const variants = expand(insn("add", "011111 rt:5 ra:5 rb:5 oe? 100001010 rc?", "rt, ra, rb", nothing));
  assert.deepEqual(
    variants.map((v) => [v.mnemonic, v.value.toString(16), v.mask.toString(16)]),
    [
      ["add", "7c000214", "fc0007ff"],
      ["addo", "7c000614", "fc0007ff"],
      ["add.", "7c000215", "fc0007ff"],
      ["addo.", "7c000615", "fc0007ff"],
    ],
  );
  const b = expand(insn("b", "010010 target:s24*4 aa? lk?", "target", nothing));
  assert.deepEqual(
    b.map((v) => v.mnemonic),
    ["b", "ba", "bl", "bla"],
  );
});

test("fields are signed, scaled and split as declared, and encode back", () => {
  const [v] = expand(insn("x", "111111 ds:s14*4 sh:5 sh:1@5 d:5@1 d:1", "ds", nothing)) as [Variant];
  const { ds, sh, d } = v.fields as Record<"ds" | "sh" | "d", NonNullable<Variant["fields"][string]>>;
  for (const value of [-32768, -4, 0, 4, 32764]) assert.equal(fieldValue(ds, encodeField(ds, value)), value);
  for (const value of [0, 1, 31, 32, 63]) assert.equal(fieldValue(sh, encodeField(sh, value)), value);
  assert.equal(encodeField(d, 33) >>> 0, 0b100001);
  assert.throws(() => encodeField(ds, 32768), /not in -32768\.\.32764/);
  assert.throws(() => encodeField(ds, 2), /multiple of 4/);
});

test("a malformed pattern is refused by name and token", () => {
  const bad = (pattern: string) => () => expand(insn("bad", pattern, "", nothing));
  assert.throws(bad("011111 rt:5"), /bad.*"rt:5" ends the pattern at 11 bits/);
  assert.throws(bad(`${"0".repeat(30)} rt:5`), /bad.*"rt:5" needs 5 bits but 2/);
  assert.throws(bad(`${"0".repeat(30)} r?t`), /bad.*"r\?t" is not/);
  assert.throws(bad("sh:5 sh:5 0000000000000000000000"), /overlaps another piece/);
});

const entry = (
  name: string,
  mask: number,
  value: number,
  id: number,
  more: Partial<DecodeEntry> = {},
): DecodeEntry => ({
  name,
  mask,
  value,
  id,
  ...more,
});

test("overlapping entries are refused unless one is declared to lose", () => {
  const a = entry("first", 0xfc0007fe, 0x7c000214, 1);
  const b = entry("second", 0xfc1f07fe, 0x7c000214, 2);
  assert.throws(() => buildDecodeTable([a, b]), /first and second overlap/);
  const fallback = buildDecodeTable([{ ...a, fallback: true }, b]);
  assert.equal(decode(fallback, 0x7c000214), 2);
  assert.equal(decode(fallback, 0x7c010214), 1);
  const priority = buildDecodeTable([a, { ...b, priority: 1 }]);
  assert.equal(decode(priority, 0x7c000215), 2);
  assert.equal(decode(priority, 0x7c010215), 1);
  assert.equal(decode(priority, 0x80000000), 0);
});

/** A small generator: tests must not depend on the run. */
function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

test("every declaration decodes to itself and the table stays small", () => {
  const variants = instructions.flatMap(expand);
  const all = variants.map((v, i) =>
    entry(v.mnemonic, v.mask, v.value, i + 1, {
      fallback: v.definition.options.fallback ?? false,
      prefix: v.prefix,
    }),
  );
  const table = buildDecodeTable(all);
  const entries = all.filter(({ prefix }) => !prefix);
  assert.ok(table.byteLength < 100_000, `${table.byteLength} bytes for ${entries.length} entries`);
  const random = xorshift(20240229);
  const search = (word: number) => {
    const hits = entries.filter((e) => ((word & e.mask) ^ e.value) === 0);
    return (
      hits.find((e) => !e.fallback) ??
      hits.sort(
        (a, b) => b.mask.toString(2).replaceAll("0", "").length - a.mask.toString(2).replaceAll("0", "").length,
      )[0]
    );
  };
  for (const e of entries) {
    for (let i = 0; i < 4; i++) {
      const word = (e.value | (random() & ~e.mask)) >>> 0;
      assert.equal(decode(table, word), search(word)?.id, `${e.name} ${word.toString(16)}`);
    }
  }
  for (let i = 0; i < 2000; i++) {
    const word = random();
    assert.equal(decode(table, word), search(word)?.id ?? 0, word.toString(16));
  }
  for (const { prefix, mask, value, id, name } of all) {
    if (!prefix) continue;
    for (let i = 0; i < 4; i++) {
      const first: number = (prefix.value | (random() & ~prefix.mask)) >>> 0;
      const second: number = (value | (random() & ~mask)) >>> 0;
      assert.equal(decode(table, first, 0, second), id, `${name} ${first.toString(16)} ${second.toString(16)}`);
      assert.equal(decode(table, first), 0, `${name}: a prefix alone`);
    }
  }
});
