/** Both engines, in both thread modes, do what a shell script asks and power off; QEMU judges what it should print. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missing } from "../oracles/oracles.js";
import { boot, bootWithQemu, implementations, noGuest, threadModes } from "./booting.test-support.js";
import { checkShellWork as check, shellWork } from "./shell-work.js";

const work = { append: "quiet unikvm.run=/work.sh", files: [shellWork] };

test("QEMU's guest prints what the engines are held to", {
  skip: noGuest || missing("qemuSystem"),
}, async () => {
  check(await bootWithQemu(work));
});

for (const type of implementations) {
  test(`shell work under ${type} with a hashed page table`, { skip: noGuest }, async () => {
    const finished = await boot({ ...work, type, append: `${work.append} disable_radix`, args: ["--cpus", "2"] });
    check(finished);
    assert.doesNotMatch(finished.stdout, /radix-mmu/);
  });
  for (const threads of threadModes) {
    // pr has done it on threads above; what is left, a radix tree there, every other boot of pr's has.
    if (type === "pr" && threads === "worker") continue;
    test(`shell work under ${type}, threads: ${threads}`, { skip: noGuest }, async () => {
      check(await boot({ ...work, type, threads }));
    });
  }
}
