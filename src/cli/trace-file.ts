/** Where `--trace` goes. */
import { closeSync, openSync, writeSync } from "node:fs";
import { messageOf } from "../base/errors.js";
import { VmmError } from "../vmm/errors.js";

/** The system's words, without the call and the path that Node puts around them. */
const reasonOf = (error: unknown): string => /^E\w+: ([^,]+)/.exec(messageOf(error))?.[1] ?? messageOf(error);

export class TraceFile {
  readonly #path: string;
  readonly #descriptor: number;

  /** Begins it anew. Throws VmmError. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#descriptor = openSync(path, "w");
    } catch (error) {
      throw new VmmError(`the trace cannot go to ${path}: ${reasonOf(error)}`);
    }
  }

  /** Throws VmmError if not all of it can be written. */
  write(text: string): void {
    const bytes = Buffer.from(text);
    try {
      // What nearly fills the disk is written in part first.
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#descriptor, bytes, done);
    } catch (error) {
      throw new VmmError(
        `the trace ${this.#path} cannot be written: ${reasonOf(error)}; trace less, or to another disk`,
      );
    }
  }

  close(): void {
    try {
      closeSync(this.#descriptor);
    } catch {
      // Some file systems tell only now that the last piece did not fit; the run is over.
    }
  }
}
