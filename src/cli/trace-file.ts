/** Where `--trace` goes. */
import { closeSync, openSync } from "node:fs";
import { VmmError } from "../vmm/errors.js";
import { reasonOf, writeAll } from "./output.js";

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
    try {
      writeAll(this.#descriptor, Buffer.from(text));
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
