/** A snapshot's file from which RAM is read while a VM runs. */
import { readSync } from "node:fs";
import { VmmError } from "../../errors.js";

/** Reads all of `into`. Throws VmmError. [any thread] */
export function readFile(file: number, position: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    let read: number;
    try {
      read = readSync(file, into, done, into.length - done, position + done);
    } catch (cause) {
      throw new VmmError(`memory cannot be read from the snapshot's file: ${(cause as Error).message}`, { cause });
    }
    if (read === 0) throw new VmmError("the snapshot's file became shorter while a VM went on from it");
    done += read;
  }
}
