/** What takes long and does not need to know the command's options: it begins before they are read. */
import { beginThread } from "../node/spare-threads.js";

/** With these exec makes no VM. */
const other = ["--help", "-h", "--pid"];

/** `words`: what the command line has behind the program's name. */
export function beginEarly([command = "", ...words]: readonly string[]): void {
  if (!["exec", "shell"].includes(command)) return;
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  if (own.some((word) => other.includes(word.split("=")[0] as string))) return;
  // A vCPU's thread loads its code while this one does.
  beginThread(own[own.indexOf("--type") + 1] === "pr" ? "pr" : "hv");
}
