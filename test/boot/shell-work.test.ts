/** Both engines, in both thread modes, do what a shell script asks and power off; QEMU judges what it should print. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { missing } from "../oracles/oracles.js";
import {
  boot,
  bootWithQemu,
  type Finished,
  implementations,
  noGuest,
  root,
  textBetween,
  threadModes,
} from "./booting.test-support.js";

/** sha256sum and the like as any machine computes them; the rest as QEMU's guest printed it. */
const expected = `\
sha256 9b1354225d822f59e4ee81f1168644f20157bedd9a4ca8dc775600bcd88b57a5
md5 7896134362b9a76543e5a282f760ca14
gzip and back: same
9b1354225d822f59
awk 500500 21097.455887481
2.0397882081197442e+46 3.333333e-01 2.85714e+08
8000 7999 7998 3a84e4ce95ca7d0d
      813       813      7374
150 subshells 444
1acd69b1f273b033
20 programs
caught
killed: 137
-9223372036854775808 -3 -2 4611686018427387904
123456789012 deadbeef 777
7d76d48d64d7ac5411d714a4bb83f37e3e5b8df6
work done
unikvm.run: exit status 0`;

const work = {
  append: "quiet unikvm.run=/work.sh",
  files: [
    {
      path: "work.sh",
      type: "file" as const,
      mode: 0o755,
      data: readFileSync(join(root, "test/boot/shell-work.sh")),
    },
  ],
};

function check({ status, stdout, stderr }: Finished): void {
  assert.equal(textBetween(stdout, "sha256 ", "unikvm.run:"), expected, `${stdout}\n${stderr}`);
  assert.equal(status, 0, stderr);
}

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
