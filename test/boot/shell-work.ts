/** A guest's shell at work (shell-work.sh), and what it is to print. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Finished, root, textBetween } from "./booting.test-support.js";

/** sha256sum and the like as any machine computes them; the rest as QEMU's guest printed it. */
export const expectedOfShellWork = `\
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
work done`;

export const shellWork = {
  path: "work.sh",
  type: "file" as const,
  mode: 0o755,
  data: readFileSync(join(root, "test/boot/shell-work.sh")),
};

/** Of a guest that had `unikvm.run=/work.sh` on its command line. */
export function checkShellWork({ status, stdout, stderr }: Finished): void {
  const expected = `${expectedOfShellWork}\nunikvm.run: exit status 0`;
  assert.equal(textBetween(stdout, "sha256 ", "unikvm.run:"), expected, `${stdout}\n${stderr}`);
  assert.equal(status, 0, stderr);
}
