/**
 * `npm run test:package [-- --node MAJOR]...`: the package, packed and installed in an empty project, under versions of Node.js that
 * npm brings (default: the oldest that it is for, the newest with long-term support, and the newest).
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { chosen, countOf } from "../../tools/own-command.js";
import { npm } from "../build/packing.test-support.js";
import { root } from "./booting.test-support.js";

interface Node {
  readonly program: string;
  readonly major: number;
  /** The name of the line, if it is one with long-term support. */
  readonly lts: string | undefined;
}

function bring(version: string): Node {
  const place = join(folder, version);
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), '{ "private": true }\n');
  console.log(`bringing Node.js ${version}`);
  // Its binary is put in its place by a script.
  const { status, stderr } = npm(
    place,
    "install",
    "--no-audit",
    "--no-fund",
    "--foreground-scripts",
    `node@${version}`,
  );
  if (status !== 0) throw new Error(`npm install node@${version} ended with ${status}: ${stderr}`);
  const program = join(place, "node_modules/node/bin/node");
  const told = spawnSync(program, ["-p", "JSON.stringify([process.version, process.release.lts ?? null])"]);
  const [own, lts] = JSON.parse(told.stdout.toString()) as [string, string | null];
  return { program, major: Number.parseInt(own.slice(1), 10), lts: lts ?? undefined };
}

function usual(): readonly Node[] {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { engines: { node: string } };
  const newest = bring("latest");
  let supported = newest;
  // Every second one becomes one of long-term support, half a year after it came.
  while (supported.lts === undefined) supported = bring(String((supported.major - 1) & ~1));
  return [bring(engines.node.replace(/\D/g, "")), supported, ...(supported === newest ? [] : [newest])];
}

const usage = `usage: npm run test:package -- [--node MAJOR]...
  --node MAJOR   a version of Node.js that npm brings; can be given again (default: the oldest that the package is for, the newest
                 with long-term support, and the newest)
`;
const wanted = chosen({ name: "test:package", usage }, () => {
  const { values } = parseArgs({ options: { node: { type: "string", multiple: true } } });
  return values.node?.map((major) => String(countOf("node", major)));
});
const folder = mkdtempSync(join(tmpdir(), "unikvm-nodes-"));
try {
  const nodes = wanted?.map(bring) ?? usual();
  const files = ["build/package.test.js", "boot/readme.test.js"].map((name) => join(root, "dist/test", name));
  const { status } = spawnSync(process.execPath, ["--test", ...files], {
    stdio: "inherit",
    env: { ...process.env, UNIKVM_NODES: nodes.map(({ program }) => program).join(delimiter) },
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
