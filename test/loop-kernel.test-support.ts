/** A guest that does nothing, for ever: what is to be seen of it is that it runs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Options of `unikvm run` for a flat image of branches to themselves, which is written into the folder. */
export function loopKernel(folder: string): readonly string[] {
  const kernel = join(folder, "loop.bin");
  writeFileSync(kernel, Buffer.from("48000000".repeat(64), "hex"));
  return ["--kernel", kernel, "--kernel-format", "flat"];
}
