/**
 * What level 0 sees - paging with all rights, segments, gates, returns, control registers, exceptions within exceptions - against
 * qemu-system-x86_64: one program, the same text. UNIKVM_SEED draws another one, UNIKVM_DRAWS makes it longer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missing } from "../../oracles/oracles.js";
import { byEngine, byQemu, supervisorImage } from "./supervisor.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_128);
const walks = 300 * Number(process.env["UNIKVM_DRAWS"] ?? 1);

test("level 0 sees what it sees under QEMU, stepped, interpreted and translated", {
  skip: missing("qemuX86", "compilerX86"),
}, (t) => {
  const image = supervisorImage(seed, walks);
  const theirs = byQemu(image).split("\n");
  assert.equal(theirs.at(-2), "end", "QEMU's text has no end");
  t.diagnostic(`x86's level 0 against QEMU: ${theirs.length} lines, UNIKVM_SEED=${seed}`);
  for (const way of ["stepped", "interpreted", "translated"] as const) {
    const { text, regions } = byEngine(image, way);
    const ours = text.split("\n");
    const at = theirs.findIndex((line, i) => line !== ours[i]);
    const around = (lines: readonly string[]) => lines.slice(Math.max(at - 3, 0), at + 2).join("\n");
    if (at >= 0) assert.equal(around(ours), around(theirs), `${way}, line ${at + 1}, UNIKVM_SEED=${seed}`);
    assert.equal(ours.length, theirs.length);
    if (way === "translated") assert.ok(regions > 0, "nothing was translated");
    else assert.equal(regions, 0);
  }
});
