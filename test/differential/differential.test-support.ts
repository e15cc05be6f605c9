/** The differential run as a test: every instruction drawn some times, on every engine, in one byte order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { missing } from "../oracles/oracles.js";
import { engines } from "./engines.js";
import { undrawn } from "./generate.js";
import { runDifferential } from "./run.js";
import { summary } from "./set-aside.js";

/** A tenth of what `npm run differential` draws. */
const count = 20;

/** A run of its own for each commit's day would find more; one that can be repeated is worth more in CI. */
const seed = 20230610;

export function differentialTest(littleEndian: boolean): void {
  const order = littleEndian ? "little-endian" : "big-endian";

  test(`every instruction is compared with QEMU, or it is said why not: ${order}`, () => {
    const problems = undrawn(instructionSet(), littleEndian).filter(({ reason }) => reason === undefined);
    assert.deepEqual(problems, []);
  });

  for (const level of ["3.0", "3.1"] as const) {
    test(`${count} random cases of each instruction, and sequences, against QEMU: v${level}, ${order}`, {
      skip: missing(littleEndian ? "qemuLittleEndian" : "qemuBigEndian"),
    }, (t) => {
      const failures: string[] = [];
      const result = runDifferential({
        seed,
        count,
        littleEndian,
        level,
        engines: Object.keys(engines),
        show: 1,
        log: (line) => failures.push(line),
      });
      t.diagnostic(`seed ${seed}, ${summary(result)} on ${Object.keys(engines).join(" and ")}`);
      assert.ok(result.failures.size === 0, `\n${failures.slice(0, 40).join("\n")}`);
      for (const [mnemonic, drawn] of result.drawn) assert.ok(drawn >= count, `${mnemonic} was drawn ${drawn} times`);
    });
  }
}
