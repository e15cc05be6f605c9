/** v86, the other emulator of x86 that makes WebAssembly of guest code: fetched once, as a package that npm brings. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startChild } from "../../guests/child.mjs";
import { guestFolder } from "../../guests/index.js";
import { keepFolder } from "../../guests/kept-folder.js";
import type { Command, Images } from "./architectures.js";
import { BenchUnavailable } from "./compile.js";

export const v86Name = "v86";
/** The one that figures are of. */
export const v86Version = "0.5.462";

const program = fileURLToPath(new URL("../v86.js", import.meta.url));

/** Its package's folder, fetched first if need be. Rejects with BenchUnavailable. */
export function ensureV86(report: (line: string) => void): Promise<string> {
  const make = async (work: string): Promise<string> => {
    report(`fetching v86 ${v86Version}`);
    const to = ["--prefix", work, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
    const { child } = startChild("npm", ["install", ...to, `v86@${v86Version}`], { cwd: work, output: "pipe" });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (said += text));
    const status = await new Promise((resolve) => child.on("close", resolve).on("error", resolve));
    const folder = join(work, "node_modules/v86");
    if (status !== 0 || !readdirSync(work).includes("node_modules"))
      throw new BenchUnavailable(`npm did not bring v86 ${v86Version}: ${said.trim().slice(-500)}`);
    return folder;
  };
  return keepFolder(
    {
      place: join(dirname(guestFolder()), "bench", `v86-${v86Version}`),
      what: "v86",
      isOld: (other) => other.startsWith("v86-"),
      make,
    },
    report,
  );
}

/** Boots it; `folder`: its package's, `node`: what runs it. */
export const v86Command =
  (folder: string, node: string) =>
  ({ kernel, initrd, append, memory }: Images): Command => ({
    program: node,
    args: [
      ...[program, "--package", folder, "--memory", `${memory}M`],
      ...["--kernel", kernel, "--initrd", initrd, "--append", append],
    ],
  });
