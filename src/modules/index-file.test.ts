import assert from "node:assert/strict";
import { test } from "node:test";
import { IndexBuilder } from "./index-file.js";

/** Reads an index back: each key with its values and their priorities. */
function readIndex(bytes: Uint8Array): Map<string, [string, number][]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert.equal(view.getUint32(0), 0xb007f457);
  assert.equal(view.getUint32(4), 0x00020001);
  const found = new Map<string, [string, number][]>();
  const string = (at: number) => new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
  const visit = (offset: number, path: string): void => {
    let at = offset & 0x0fffffff;
    let key = path;
    if (offset & 0x80000000) {
      key += string(at);
      at = bytes.indexOf(0, at) + 1;
    }
    if (offset & 0x20000000) {
      const [first = 0, last = 0] = bytes.subarray(at, at + 2);
      at += 2;
      for (let code = first; code <= last; code++, at += 4) {
        const child = view.getUint32(at);
        if (child !== 0) visit(child, key + String.fromCharCode(code));
      }
    }
    if (!(offset & 0x40000000)) return;
    const values: [string, number][] = [];
    const count = view.getUint32(at);
    at += 4;
    for (let index = 0; index < count; index++) {
      const value = string(at + 4);
      values.push([value, view.getUint32(at)]);
      at += 4 + value.length + 1;
    }
    found.set(key, values);
  };
  visit(view.getUint32(8), "");
  return found;
}

test("what goes into an index is found there, by priority, of equal ones the last", () => {
  const builder = new IndexBuilder();
  for (const [key, value, priority] of [
    ["ask", "one", 3],
    ["ate", "two", 1],
    ["a", "three", 2],
    ["on", "four", 0],
    ["once", "five", 9],
    ["once", "six", 2],
    ["once", "seven", 9],
    ["", "nothing", 5],
  ] as const) {
    assert.equal(builder.add(key, value, priority), false);
  }
  assert.equal(builder.add("once", "six", 1), true, "a value that the key has");
  assert.deepEqual(
    readIndex(builder.build()),
    new Map([
      ["", [["nothing", 5]]],
      ["a", [["three", 2]]],
      ["ask", [["one", 3]]],
      ["ate", [["two", 1]]],
      ["on", [["four", 0]]],
      [
        "once",
        [
          ["six", 1],
          ["six", 2],
          ["seven", 9],
          ["five", 9],
        ],
      ],
    ] as [string, [string, number][]][]),
  );
});

test("an empty index is one", () => {
  assert.equal(readIndex(new IndexBuilder().build()).size, 0);
});

test("what an index cannot hold is refused", () => {
  assert.throws(() => new IndexBuilder().add("naïve", "x", 0), RangeError);
  assert.throws(() => new IndexBuilder().add("x", "a\0b", 0), RangeError);
});
