/**
 * The README's programs run as they stand, for whoever packs the package and installs it in an empty project: under this Node.js,
 * and under those and other runtimes that UNIKVM_NODES names (`npm run test:package` brings some).
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { installByNpm, pack } from "../build/packing.test-support.js";
import { noGuest, root } from "./booting.test-support.js";

const readme = readFileSync(join(root, "README.md"), "utf8");
const programs = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code = ""]) => code);

/** What each of them prints, in their order. */
const prints = [/^ppc64le\nhello\n 0\ntwin-[0-9a-f]{8}\n a\.sh\n pseries\n$/, /^$/];

const brought = process.env["UNIKVM_NODES"]?.split(delimiter) ?? [];

const folder = mkdtempSync(join(tmpdir(), "unikvm-readme-"));
const project = join(folder, "project");
after(() => rmSync(folder, { recursive: true, force: true }));

before(() => installByNpm(project, join(folder, pack(root, folder).filename)));

test("npm itself installs the tarball offline, without the optional peer", () => {
  assert.ok(existsSync(join(project, "node_modules/unikvm/dist/src/index.js")));
  assert.ok(!existsSync(join(project, "node_modules/esbuild")));
});

test("it is said what each of the README's programs prints", () => assert.equal(programs.length, prints.length));

for (const node of brought.length > 0 ? brought : [process.execPath]) {
  // Deno asks for what a program may do.
  const before = basename(node) === "deno" ? ["run", "--allow-all", "--quiet"] : [];
  const run = (...args: string[]) =>
    spawnSync(node, [...before, ...args], { cwd: project, encoding: "utf8", timeout: 300_000 });
  const [number] = /\d[\d.]*/.exec(spawnSync(node, ["--version"], { encoding: "utf8" }).stdout) ?? [];
  const version = `${basename(node)} ${number}`;

  for (const [index, program] of programs.entries()) {
    test(`the README's program ${index + 1} prints what the README says, under ${version}`, { skip: noGuest }, () => {
      writeFileSync(join(project, "program.mjs"), program);
      const { status, stdout, stderr } = run("program.mjs");
      assert.equal(status, 0, stderr);
      assert.match(stdout, prints[index] ?? assert.fail());
      assert.equal(stderr, "");
    });
  }

  const command = (...args: string[]) => {
    const { status, stdout, stderr } = run("node_modules/unikvm/dist/command/node/unikvm.js", ...args);
    return { status, stdout, stderr };
  };

  test(`the command that is installed runs under ${version}`, () => {
    const expected = `${JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version}\n`;
    assert.deepEqual(command("--version"), { status: 0, stdout: expected, stderr: "" });
  });

  // More for the kernel, as no other has it: nothing is kept of it for the next time.
  if (brought.length > 0) {
    test(`and runs one in a guest, under ${version}`, { skip: noGuest }, () => {
      const args = ["exec", "-q", "--append", "loglevel=1", "--", "uname", "-m"];
      assert.deepEqual(command(...args), { status: 0, stdout: "ppc64le\n", stderr: "" });
    });
  }
}
