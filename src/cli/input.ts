/** What a command reads from stdin: all of it, or it is said that it could not be read. */
import { fstatSync } from "node:fs";
import { VmmError } from "../vmm/errors.js";
import { reasonOf } from "./output.js";

export interface Input {
  readonly stream: NodeJS.ReadStream;
  /** Why it ended before its end. */
  readonly failure: () => VmmError | undefined;
}

/** Throws VmmError: it is a folder, which Node.js would take for an empty file. */
export function watchInput(): Input {
  if (isFolder(0)) throw new VmmError("stdin cannot be read: it is a folder");
  const { stdin: stream } = process;
  let failure: VmmError | undefined;
  stream.on("error", (error) => {
    failure ??= new VmmError(`stdin cannot be read: ${reasonOf(error)}`, { cause: error });
  });
  return { stream, failure: () => failure };
}

function isFolder(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isDirectory();
  } catch {
    return false;
  }
}
