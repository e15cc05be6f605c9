/**
 * FEX-Emu's programs, as many as a folder has of them, interpreted and translated: UNIKVM_FEX is its unittests folder, which is not
 * ours and is never kept with us. UNIKVM_ONLY takes those whose names match, UNIKVM_VERBOSE=1 says what is not written yet.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { assembleAll, FexProcessor, leftOut, readSuite } from "./fex.js";

const folder = process.env["UNIKVM_FEX"];
const only = new RegExp(process.env["UNIKVM_ONLY"] ?? "");

function complaint(): string | false {
  if (folder === undefined) return "SKIPPED: UNIKVM_FEX does not name a folder of FEX-Emu's unittests";
  return spawnSync("nasm", ["--version"]).status === 0 ? false : "SKIPPED: nasm (Debian: nasm) is not installed";
}

test("FEX's programs end as they say, interpreted and translated", { skip: complaint() }, (t) => {
  const root = folder as string;
  const suite = readSuite(root);
  const chosen = suite.programs.filter(({ name }) => only.test(name));
  assert.ok(chosen.length > 0, `there is no program in ${root}`);
  const programs = chosen.filter((one) => !leftOut(one));
  const codes = assembleAll(programs, root);
  const wrong: string[] = [];
  for (const engine of ["pr", "hv"] as const) {
    const processor = new FexProcessor(engine === "hv");
    const counts = { passed: 0, failed: 0, unwritten: 0, linux: 0 };
    const unwritten = new Map<string, number>();
    for (const [i, program] of programs.entries()) {
      const result = processor.run(program, codes[i] as Uint8Array);
      if (result.callsLinux) counts.linux++;
      else if (result.unwritten !== undefined) {
        counts.unwritten++;
        unwritten.set(result.unwritten, (unwritten.get(result.unwritten) ?? 0) + 1);
      } else if (result.wrong !== undefined) {
        counts.failed++;
        wrong.push(`${engine} ${program.name}: ${result.wrong}`);
      } else counts.passed++;
    }
    t.diagnostic(
      `${engine}: ${programs.length} programs, ${counts.passed} passed, ${counts.failed} failed, ${counts.unwritten} stop at ` +
        `instructions that are not written, ${counts.linux} call Linux, ${processor.regionRuns} runs of regions`,
    );
    if (process.env["UNIKVM_VERBOSE"]) {
      t.diagnostic(
        [...unwritten]
          .sort((a, b) => b[1] - a[1])
          .map(([name, count]) => `${name} ${count}`)
          .join(", "),
      );
    }
  }
  t.diagnostic(
    `left out: ${chosen.length - programs.length} of 3DNow!, SSE4a, Linux and 4 GiB of memory, ${suite.disabled} that FEX's lists leave out`,
  );
  assert.deepEqual(wrong, []);
});
