/** The agent's readers of what the host sends, fuzzed on the host: frames and tars that are right, cut, mutated, and noise. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { tarHead } from "../../src/api/tar/write.js";
import { spawnFrames } from "../../src/vmm/agent/frames.js";

const source = fileURLToPath(new URL("../../../guests/agent/fuzz.c", import.meta.url));
const options = "-std=gnu11 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all".split(
  " ",
);
const cases = 20_000;

/** Numbers that are the same in each run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A tar's head, right or nearly so, with a pax head before it or none. */
function oneHead(random: (below: number) => number): Buffer {
  const bytes = Buffer.from(
    tarHead({
      path: "p".repeat(1 + random(200)),
      kind: random(2) ? "file" : "symlink",
      mode: random(4096),
      user: random(2) ? random(2 ** 31) : 0,
      group: 0,
      size: random(2) ? random(2 ** 31) * 512 : 0,
      time: BigInt(random(2 ** 31)) * 1_000_000_000n + BigInt(random(2) * random(1e9)),
      target: "t".repeat(random(200)),
    }),
  );
  for (let i = random(3); i > 0; i--) bytes[random(bytes.length)] = random(2) ? random(256) : 0x30 + random(12);
  return bytes;
}

function oneCase(random: (below: number) => number): Buffer {
  if (random(10) === 0) return Buffer.from(Uint8Array.from({ length: random(200) }, () => random(256)));
  if (random(10) === 0) return oneHead(random);
  const texts = Array.from({ length: 1 + random(5) }, () => "x".repeat(random(20)));
  const env = Array.from({ length: random(4) }, () => `A=${random(100)}`);
  const frames = Array.from({ length: 1 + random(3) }, () => spawnFrames(1 + random(9), { command: texts, env }));
  let bytes = Buffer.concat(frames.flat());
  // Without its head it is a request.
  if (random(3) === 0) bytes = bytes.subarray(12);
  for (let i = random(4); i > 0; i--) bytes[random(bytes.length)] = random(2) ? random(256) : random(4);
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes;
}

test(`${cases} inputs for the agent's readers of frames, requests and tars`, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-agent-fuzz-"));
  try {
    const program = join(folder, "fuzz");
    const compiled = spawnSync("cc", [...options, "-o", program, source], { encoding: "utf8" });
    if (compiled.error || /cannot find.*(asan|ubsan)/.test(compiled.stderr)) {
      return t.skip(
        `no C compiler with sanitizers here: ${compiled.error?.message ?? compiled.stderr.trim()} (Debian: gcc)`,
      );
    }
    assert.equal(compiled.status, 0, compiled.stderr);
    const random = randomNumbers(11);
    const input = Array.from({ length: cases }, () => {
      const bytes = oneCase(random);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    });
    const { status, stdout, stderr } = spawnSync(program, { input: Buffer.concat(input), encoding: "utf8" });
    assert.equal(status, 0, stderr);
    t.diagnostic(stdout.trim());
    const [all = 0, frames = 0, requests = 0, broken = 0, heads = 0] = (stdout.match(/\d+/g) ?? []).map(Number);
    // Of each kind enough to have been tried.
    assert.ok(all === cases && frames > cases / 4 && requests > cases / 4 && broken > cases / 100, stdout);
    assert.ok(heads > cases / 50, stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
