// @ts-check
/**
 * Sets a checkout up: dependencies, then the build. Works with nothing installed but Node and npm; does only what is
 * missing; safe when two run at once (a lock) and when killed (what marks a step as done is written after it).
 *
 *   node setup.mjs          sets up
 *   node setup.mjs --force  builds in any case
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startChild } from "./guests/child.mjs";
import { withLock } from "./guests/lock.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const sources = ["src", "guests", "tools", "test", "bench"];
const buildFiles = ["build.mjs", "tsconfig.json", "package-lock.json"];
const stampPath = join(root, "dist", ".setup");

/** A set-up step failed; the message is for the user. */
export class SetupError extends Error {
  name = "SetupError";
}

function say(/** @type {string} */ line) {
  process.stderr.write(`unikvm: ${line}\n`);
}

/**
 * Runs a program with its output on stderr (stdout belongs to the command that is to follow).
 * @param {string} program @param {readonly string[]} args @returns {Promise<void>}
 */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const { child } = startChild(program, args, { cwd: root, output: 2 });
    child.on("error", (error) => reject(new SetupError(`${program} could not be run: ${error.message}`)));
    child.on("exit", (status, signal) =>
      status === 0
        ? resolve()
        : reject(new SetupError(`\`${program} ${args.join(" ")}\` failed (${signal ?? status})`)),
    );
  });
}

/** @param {string} path @returns {Record<string, { version?: string, optional?: boolean }>} */
function packagesOf(path) {
  return JSON.parse(readFileSync(path, "utf8")).packages;
}

/** npm writes the inner lock file last: it holds what is really there. */
function dependenciesPresent() {
  const inner = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(inner)) return false;
  const present = packagesOf(inner);
  return Object.entries(packagesOf(join(root, "package-lock.json"))).every(
    ([path, wanted]) => path === "" || wanted.optional || present[path]?.version === wanted.version,
  );
}

/** Changes whenever a source changes: names, sizes and times of all of them. */
function sourceState() {
  const hash = createHash("sha1");
  const add = (/** @type {string} */ path) => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  };
  const walk = (/** @type {string} */ folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/\.m?[jt]s$|^unikvm-(?:agent|start)\./.test(entry.name) && !entry.name.includes(".generated."))
        add(path);
    }
  };
  for (const file of buildFiles) add(join(root, file));
  for (const folder of sources) if (existsSync(join(root, folder))) walk(join(root, folder));
  return hash.digest("hex");
}

function isBuilt() {
  try {
    return readFileSync(stampPath, "utf8") === sourceState();
  } catch {
    return false;
  }
}

/**
 * Makes the checkout ready; cheap (file times only) if it is. Throws SetupError.
 * @param {{ force?: boolean }} [options]
 */
export async function setUp({ force = false } = {}) {
  // For those who build by themselves, and for measuring.
  if (process.env.UNIKVM_SETUP === "0") return;
  if (Number.parseInt(process.versions.node, 10) < 20) {
    throw new SetupError(`needs Node.js 20 or later; this is ${process.versions.node}`);
  }
  if (!force && isBuilt()) return;
  // Not in node_modules, which npm ci removes, nor in dist, which a user may.
  const lock = join(root, ".setup.lock");
  await withLock(
    lock,
    async () => {
      if (!dependenciesPresent()) {
        say("installing dependencies (npm ci)");
        await run("npm", ["ci", "--no-audit", "--no-fund"]);
      }
      if (!force && isBuilt()) return;
      say("building");
      const state = sourceState();
      mkdirSync(dirname(stampPath), { recursive: true });
      rmSync(stampPath, { force: true });
      await run(process.execPath, ["build.mjs"]);
      writeFileSync(stampPath, state);
    },
    (pid) => say(`waiting for process ${pid}, which is setting up`),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setUp({ force: process.argv.includes("--force") }).catch((error) => {
    say(process.env.UNIKVM_DEBUG ? error.stack : error.message);
    process.exitCode = 3;
  });
}
