/** The npm package as a user gets it: packed, and installed by npm itself without a network. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/cli/build/bundle.js";

export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** What it may be at the most, packed; bytes. */
export const packedLimit = 3_000_000;

export const npm = (cwd: string, ...args: string[]) =>
  spawnSync("npm", args, { cwd, encoding: "utf8", timeout: 600_000, shell: process.platform === "win32" });

/** Packs what lies in `from` into `folder`. It is built: prepack would build it again. */
export function pack(from: string, folder: string): Packed {
  const { status, stdout, stderr } = npm(from, "pack", "--json", "--ignore-scripts", "--pack-destination", folder);
  const packed = status === 0 ? (JSON.parse(stdout) as Packed[])[0] : undefined;
  if (!packed) throw new Error(`npm pack of ${from} ended with ${status}: ${stderr}`);
  return packed;
}

/** What the package needs to run, by name. */
export const dependencies = Object.keys(
  (JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { dependencies?: object }).dependencies ?? {},
);

/** A new project with nothing in it but the package from `tarball`; what that depends on is packed from our node_modules. */
export function installByNpm(project: string, tarball: string): void {
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "other", "private": true }\n');
  const tarballs = dependencies.map((name) =>
    join(project, pack(join(packageRoot, "node_modules", name), project).filename),
  );
  const quiet = ["--offline", "--no-audit", "--no-fund"];
  const { status, stderr } = npm(project, "install", ...quiet, ...tarballs, tarball);
  if (status !== 0) throw new Error(`npm install ended with ${status}: ${stderr}`);
}
