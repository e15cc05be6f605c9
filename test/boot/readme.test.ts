/** The README's first program runs as it stands, as whoever has installed the package writes it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noGuest, root } from "./booting.test-support.js";

test("the README's program prints what the README says", { skip: noGuest }, () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const program = [...readme.matchAll(/```js\n(.*?)```/gs)]
    .map(([, code = ""]) => code)
    .find((code) => /createVm/.test(code));
  assert.ok(program);
  // Within the package its own name means itself.
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: root,
    encoding: "utf8",
    timeout: 300_000,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^ppc64le\nhello\n 0\ntwin-[0-9a-f]{8}\n a\.sh\n pseries\n$/);
});
