/** What takes long and does not need to know the command's options: it begins before they are read. */
import module from "node:module";
import { join } from "node:path";
import { userCache } from "../../guests/user-cache.js";
import { beginThread } from "../node/spare-threads.js";

/** With these exec makes no VM, or perhaps none of the default guest's. */
const other = ["--help", "-h", "--pid", "--guest"];

/** `words`: what the command line has behind the program's name. */
export function beginEarly([command = "", ...words]: readonly string[]): void {
  if (!["exec", "shell"].includes(command)) return;
  keepCompiledCode();
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  if (own.some((word) => other.includes(word.split("=")[0] as string))) return;
  // A vCPU's thread loads its code while this one does.
  beginThread(own[own.indexOf("--type") + 1] === "pr" ? "pr" : "hv");
}

/**
 * What V8 compiles of our files this time is there the next time, from Node.js 22 on; in threads by the variable. In a folder of the
 * user's: Node's own, for temporary files, may be anybody's. Node checks that it belongs to the files as they are.
 */
function keepCompiledCode(): void {
  const { enableCompileCache } = module as { readonly enableCompileCache?: (folder: string) => unknown };
  if (!enableCompileCache || process.env["NODE_COMPILE_CACHE"] !== undefined) return;
  try {
    const folder = join(userCache(), "compiled");
    enableCompileCache(folder);
    process.env["NODE_COMPILE_CACHE"] = folder;
  } catch {
    // There is no such folder: it is compiled again.
  }
}
