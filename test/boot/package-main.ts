/**
 * `npm run test:package [-- --node MAJOR | --runtime NAME]...`: the package, packed and installed in an empty project, under
 * versions of Node.js and other runtimes that npm brings (default: the oldest Node.js that it is for, the newest with long-term
 * support, the newest, and the other runtimes' newest).
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { chosen, countOf, oneOf } from "../../tools/own-command.js";
import { npm } from "../build/packing.test-support.js";
import { root } from "./booting.test-support.js";

interface Node {
  readonly program: string;
  readonly major: number;
  /** The name of the line, if it is one with long-term support. */
  readonly lts: string | undefined;
}

/** Where npm has put a package that is a program of the same name. */
function install(name: string, version: string): string {
  const place = join(folder, `${name}-${version}`);
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), '{ "private": true }\n');
  console.log(`bringing ${name} ${version}`);
  // Binaries are put in their places by a script.
  const options = ["--no-audit", "--no-fund", "--foreground-scripts"];
  const { status, stderr } = npm(place, "install", ...options, `${name}@${version}`);
  if (status !== 0) throw new Error(`npm install ${name}@${version} ended with ${status}: ${stderr}`);
  return join(place, "node_modules/.bin", name);
}

function bring(version: string): Node {
  const program = install("node", version);
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

const runtimes = ["bun", "deno"] as const;

const usage = `usage: npm run test:package -- [options]
  --node MAJOR    a version of Node.js that npm brings; can be given again (default: the oldest that the package is for, the newest
                  with long-term support, and the newest)
  --runtime NAME  another that npm brings, ${runtimes.join(" or ")}; can be given again (default: both)
`;
const { nodes: wanted, others } = chosen({ name: "test:package", usage }, () => {
  const options = { node: { type: "string", multiple: true }, runtime: { type: "string", multiple: true } } as const;
  const { node, runtime } = parseArgs({ options }).values;
  const nodes = node?.map((major) => String(countOf("node", major)));
  const others = runtime?.map((name) => oneOf("runtime", name, runtimes));
  return { nodes: nodes ?? (others ? [] : undefined), others: others ?? (nodes ? [] : runtimes) };
});
const folder = mkdtempSync(join(tmpdir(), "unikvm-nodes-"));
try {
  const nodes = wanted?.map(bring) ?? usual();
  const programs = [...nodes.map(({ program }) => program), ...others.map((name) => install(name, "latest"))];
  const files = ["build/package.test.js", "boot/readme.test.js"].map((name) => join(root, "dist/test", name));
  const { status } = spawnSync(process.execPath, ["--test", ...files], {
    stdio: "inherit",
    env: { ...process.env, UNIKVM_NODES: programs.join(delimiter) },
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
