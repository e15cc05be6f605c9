/** The default guest on every processor there is: it starts, knows which one it has, and works. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuModelNames } from "../../src/vmm/machines/pseries/cpu-models.js";
import { boot, implementations, noGuest } from "./booting.test-support.js";

const script = `#!/bin/sh
mount -t proc proc /proc
grep -E '^(cpu|MMU)' /proc/cpuinfo | tr '\\t' ' '
seq 1 8000 | sha256sum | cut -c 1-16
`;
const work = { path: "work.sh", type: "file" as const, mode: 0o755, data: Buffer.from(script) };

cpuModelNames.forEach((name, i) => {
  const type = implementations[i % implementations.length] ?? "hv";
  test(`--cpu ${name}, ${type}`, { skip: noGuest }, async () => {
    const { status, stdout, stderr } = await boot({
      type,
      append: "quiet unikvm.run=/work.sh",
      args: ["--cpu", name.toLowerCase()],
      files: [work],
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, new RegExp(`^cpu +: ${name} \\(architected\\)`, "mi"));
    assert.match(stdout, name === "POWER8" ? /^MMU +: Hash$/m : /^MMU +: Radix$/m);
    assert.match(stdout, /^9b1354225d822f59$/m);
  });
});
