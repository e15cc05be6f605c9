// @ts-check
/**
 * `npm test`: sets the checkout up, then runs every test, quick layers first, and says at the end
 * "N passed, N failed, N skipped". What cannot run here says SKIPPED and why. Plain JavaScript: it runs before the build.
 *
 *   npm test                  everything
 *   npm test -- unit boot     these layers (format, types, imports, unit, api, engines, differential, selftest, boot...)
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { run as runTests } from "node:test";
import { fileURLToPath } from "node:url";
import { SetupError, setUp } from "../setup.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const require = createRequire(import.meta.url);
/** No test file may hang the run; the longest, a boot under the interpreter, takes a fraction of this. */
const fileTimeoutMs = 10 * 60 * 1000;

const total = { passed: 0, failed: 0, skipped: 0 };
/** @type {string[]} */
const failures = [];
/** @type {string[]} */
const skips = [];

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

function skip(/** @type {string} */ what, /** @type {string} */ reason) {
  total.skipped++;
  skips.push(`SKIPPED ${what}: ${reason}`);
  print(`  SKIPPED ${what}: ${reason}`);
}

function fail(/** @type {string} */ what, /** @type {string} */ details) {
  total.failed++;
  failures.push(what);
  print(`  FAILED ${what}`);
  if (details.trim()) print(details.trimEnd().replace(/^/gm, "    "));
}

/** One check that a program makes; its output is shown if it fails. */
function program(/** @type {string} */ what, /** @type {readonly string[]} */ args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 64 << 20 });
  if (status === 0) total.passed++;
  else fail(what, `${stdout}${stderr}`);
}

/**
 * Files that take longest, the longest first: where several run at a time, a layer ends soonest if they begin first.
 * @type {readonly string[]}
 */
const longest = [
  "test/boot/snapshot.test.ts",
  "test/boot/life.test.ts",
  "test/boot/xive.test.ts",
  "test/boot/move.test.ts",
  "test/boot/shell-work.test.ts",
  "test/boot/exec.test.ts",
  "test/boot/smp.test.ts",
  "test/cli/run-misuse.test.ts",
  "test/cli/modules.test.ts",
  "test/cli/output.test.ts",
  "test/cli/terminal.test.ts",
];

/** How early a file is to begin. */
function turn(/** @type {string} */ source) {
  const place = longest.indexOf(source);
  return place < 0 ? longest.length : place;
}

/** Compiled test files under the given folders, found by their sources: dist may hold some whose source is gone. */
function testFiles(/** @type {readonly string[]} */ folders) {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".test.ts"))
        .map((name) => `${folder}/${name}`),
    )
    .sort((a, b) => turn(a) - turn(b) || (a < b ? -1 : 1))
    .map((source) => join(root, "dist", source.replace(/\.ts$/, ".js")));
}

/**
 * @param {readonly string[]} folders
 * @param {number} concurrency test files at a time
 */
async function nodeTests(folders, concurrency) {
  const files = testFiles(folders);
  if (files.length === 0) return skip(folders.join(", "), "there are no tests");
  /** @type {Map<string, string>} output of each file, shown if it fails */
  const output = new Map();
  const stream = runTests({ files, concurrency, timeout: fileTimeoutMs });
  const keep = (/** @type {{ file?: string, message: string }} */ { file = "", message }) =>
    output.set(file, (output.get(file) ?? "") + message);
  stream.on("test:stdout", keep);
  stream.on("test:stderr", keep);
  // What a test has to say; a file's own counts are no test's.
  stream.on("test:diagnostic", ({ message }) => {
    if (!/^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(message)) print(`  ${message}`);
  });
  stream.on("test:pass", (event) => {
    if (event.details.type === "suite") return;
    if (event.skip !== undefined && event.skip !== false) {
      skip(event.name, typeof event.skip === "string" && event.skip ? event.skip : "no reason given");
    } else total.passed++;
  });
  stream.on("test:fail", (event) => {
    if (event.details.type === "suite" && /subtests? failed/.test(String(event.details.error?.message))) return;
    const error = /** @type {any} */ (event.details.error);
    const cause = error?.cause ?? error;
    const where = event.file ? `${event.file.replace(`${root}/dist/`, "")}: ` : "";
    fail(`${where}${event.name}`, `${cause?.stack ?? cause}\n${output.get(event.file ?? "") ?? ""}`);
  });
  for await (const _ of stream) {
    // The listeners above do the work; the loop waits for the end.
  }
}

/** Boot tests skip themselves without a guest; this brings those that they boot, or says why not. */
async function fetchGuest() {
  for (const name of ["ppc64el", "amd64"]) {
    const child = spawn(process.execPath, ["dist/src/cli/main.js", "guest", "fetch", name, "--if-missing"], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    const status = await new Promise((resolve) => child.on("exit", resolve));
    if (status !== 0) skip(`the guest ${name}`, "it could not be fetched (see above); the boot tests will say so too");
  }
}

const biome = () => require.resolve("@biomejs/biome/bin/biome");
const typedoc = () => join(dirname(require.resolve("typedoc/package.json")), "bin/typedoc");
const tsc = () => require.resolve("@typescript/native/package.json").replace("package.json", "bin/tsc");

/** Folders with tests, and how many of their files run at a time. @type {Readonly<Record<string, [readonly string[], number]>>} */
const folders = {
  unit: [["src", "guests", "tools", "test/isa", "test/oracles"], 2],
  api: [["test/api"], 2],
  engines: [["test/engines"], 2],
  differential: [["test/differential", "test/storage"], 2],
  // One at a time: what processors see of each other wants them all to run.
  litmus: [["test/litmus"], 1],
  selftest: [["test/selftest"], 2],
  build: [["test/build"], 2],
  browser: [["test/browser"], 1],
  // One at a time: they measure.
  bench: [["bench"], 1],
  cli: [["test/cli"], 2],
  boot: [["test/boot"], 2],
};

/** No test is left out because nobody listed its folder. */
function everyTestHasALayer() {
  const listed = new Set(Object.values(folders).flatMap(([names]) => testFiles(names)));
  const left = testFiles(["src", "guests", "tools", "bench", "test"]).filter((file) => !listed.has(file));
  const gone = longest.filter((file) => !existsSync(file));
  if (left.length > 0)
    fail("layers of tests", `no layer has ${left.join(", ")}: add its folder to tools/run-tests.mjs`);
  else if (gone.length > 0) fail("layers of tests", `tools/run-tests.mjs names ${gone.join(", ")}, which there is not`);
  else total.passed++;
}

/** @returns {[name: string, work: () => unknown]} a layer of tests */
function withTests(/** @type {string} */ layer) {
  const [names, concurrency] = folders[layer] ?? [[], 1];
  return [layer, () => nodeTests(names, concurrency)];
}

/** @type {readonly [name: string, work: () => unknown][]} quick ones first */
const layers = [
  [
    "format",
    () => {
      program("format", [biome(), "check", "--linter-enabled=false", "."]);
      program("format of AssemblyScript", ["dist/tools/format-assemblyscript.js"]);
    },
  ],
  ["lint", () => program("lint", [biome(), "lint", "."])],
  ["types", () => program("types", [tsc(), "-p", ".", "--noEmit"])],
  [
    "imports",
    () => {
      program("import rules", ["dist/tools/check-imports.js"]);
      everyTestHasALayer();
    },
  ],
  // What has no docstring and is public is an error (typedoc.json).
  ["reference", () => program("reference", [typedoc(), "--emit", "none"])],
  ...["unit", "api", "engines", "differential", "litmus", "selftest", "build", "browser", "bench"].map(withTests),
  ["guest", fetchGuest],
  ...["cli", "boot"].map(withTests),
];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !layers.some(([layer]) => layer === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no layer is called ${unknown.join(", ")}; there is ${layers.map(([name]) => name).join(", ")}\n`,
  );
  process.exit(2);
}

const seconds = (/** @type {number} */ since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
const begin = Date.now();
try {
  await setUp();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  print(`FAILED set-up: ${error.message}`);
  print("0 passed, 1 failed, 0 skipped");
  process.exit(1);
}
print(`set-up: ${seconds(begin)}`);
for (const [name, work] of layers) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const since = Date.now();
  const before = { ...total };
  print(`${name}:`);
  await work();
  const counts = `${total.passed - before.passed} passed, ${total.failed - before.failed} failed`;
  print(`${name}: ${counts}, ${total.skipped - before.skipped} skipped, ${seconds(since)}`);
}
if (skips.length > 0) print(`\n${skips.join("\n")}`);
if (failures.length > 0) print(`\n${failures.map((name) => `FAILED ${name}`).join("\n")}`);
print(`\nall of it: ${seconds(begin)}`);
print(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 ? 1 : 0);
