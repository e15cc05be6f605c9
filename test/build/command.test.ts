/** The command line as `npm run build` bundles it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { dist } from "../../src/cli/build/bundle.js";

// It takes WebAssembly from beside it.
const parent = mkdtempSync(join(dist, "command-"));
const folder = join(parent, "node");
after(() => rmSync(parent, { recursive: true, force: true }));

/** What modules' own files share with each other, which only insmod reads. */
const chunk = /^(?:chunk|init|load|module|translator-target|load-asset)-.*\.js$/;

test("the command line and its threads load no file of code but their own", () => {
  const filter = (path: string): boolean => !chunk.test(basename(path));
  cpSync(join(dist, "command/node"), folder, { recursive: true, filter });
  for (const type of ["hv", "pr"]) {
    const args = ["selftest", "--type", type, "--test", "entry"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, "unikvm.js"), ...args], {
      encoding: "utf8",
      timeout: 120_000,
    });
    assert.match(stdout, /all passed/, stderr);
    assert.equal(status, 0);
  }
});

test("names stay, for traces of stacks", () => {
  const { stderr, status } = spawnSync(
    process.execPath,
    [join(dist, "command/node/unikvm.js"), "disk", "info", "/nowhere.img"],
    {
      encoding: "utf8",
      env: { ...process.env, UNIKVM_DEBUG: "1" },
    },
  );
  assert.equal(status, 3);
  assert.match(stderr, /^\s+at .*\bimageInfo\b/m);
});

test("what begins the command line is small: it starts a thread before it loads the rest", () => {
  const { size } = statSync(join(dist, "command/node/unikvm.js"));
  assert.ok(size < 20_000, `${size} bytes`);
});
