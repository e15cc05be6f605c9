import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError } from "commander";
import { parseCount, parseSeconds, parseSize } from "./sizes.js";

test("sizes", () => {
  const sizes = {
    "1K": 1024,
    "512M": 536870912,
    "1g": 2 ** 30,
    "1.5G": 1.5 * 2 ** 30,
    "64MiB": 2 ** 26,
    "256": 2 ** 28,
    "1P": 2 ** 50,
  };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text), bytes);
  for (const text of [
    "",
    "lots",
    "-1M",
    "1X",
    "1M1",
    "0x10M",
    "1e3",
    "512B",
    "512iB",
    "8192T",
    "8P",
    "1E",
    "9".repeat(400),
  ]) {
    assert.throws(() => parseSize(text), InvalidArgumentError, text);
  }
});

test("counts", () => {
  assert.equal(parseCount(1)("4"), 4);
  for (const text of ["0", "-1", "1.5", "two", "", "99999999999999999999"]) {
    assert.throws(() => parseCount(1)(text), InvalidArgumentError, text);
  }
});

test("counts have a limit, which is named", () => {
  assert.equal(parseCount(1, 32)("32"), 32);
  for (const text of ["33", "1000", "99999999999999999999"]) {
    assert.throws(() => parseCount(1, 32)(text), /is more than 32\.$/, text);
  }
});

test("seconds", () => {
  assert.equal(parseSeconds("0.25"), 250);
  assert.equal(parseSeconds("99999999"), 0x7fff_ffff);
  for (const text of ["0", "-1", "soon", "", "1h"]) assert.throws(() => parseSeconds(text), InvalidArgumentError, text);
});
