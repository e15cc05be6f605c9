import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { measured, newerEngine } from "./newer-engine.js";

test("users of an old engine are told what a new one gives", () => {
  for (const version of ["20.0.0", "20.19.5", "22.11.0", "23.1.0"]) {
    assert.match(
      newerEngine(version) ?? "",
      /^hv takes 0\.8 of Node\.js 20's time .* with Node\.js 26, 0\.89 for a boot/,
    );
  }
  for (const version of ["24.0.0", "24.9.1", "26.0.0", "100.0.0", "", "unknown"]) {
    assert.equal(newerEngine(version), undefined, version);
  }
});

test("the figures are those that were measured", () => {
  const text = readFileSync(new URL("../../../docs/engine-steps.md", import.meta.url), "utf8");
  const row = (name: string): readonly number[] => {
    const line = text.split("\n").find((one) => one.startsWith(`| ${name} |`)) ?? assert.fail(`no row ${name}`);
    // The first number of each engine's column is the first run's.
    return line
      .split("|")
      .slice(3, 5)
      .map((cell) => Number(/[\d.]+/.exec(cell)?.[0]));
  };
  assert.match(text, new RegExp(`\\| Node\\.js ${measured.older} \\| Node\\.js ${measured.newer} \\|`));
  const ratio = ([older = 0, newer = 0]: readonly number[]): number => Math.round((100 * newer) / older) / 100;
  assert.equal(ratio(row("**geometric mean, Debian's 19**")), measured.programs);
  assert.equal(ratio(row("boot")), measured.boot);
  const memory = /(\d+) MB on Node\.js 20, (\d+) on 26/.exec(text);
  assert.equal(Number(memory?.[1]) - Number(memory?.[2]), measured.megabytes);
});
