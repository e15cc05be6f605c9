/** What commands print on stdout: all of it gets there, or it is said that it did not. */
import { fstatSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { isatty } from "node:tty";
import { messageOf } from "../base/errors.js";
import { VmmError } from "../vmm/errors.js";

/** The system's words, without the call and the path that Node puts around them. */
export const reasonOf = (error: unknown): string => /^E\w+: ([^,]+)/.exec(messageOf(error))?.[1] ?? messageOf(error);

/** Writes all of it; what nearly fills a disk is written in part first. Throws the system's error. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

/** Brings a program's output there, as fast as the reader takes it: the guest's program waits meanwhile. `brought` hears of each piece. */
export async function bring(
  from: ReadableStream<Uint8Array>,
  to: NodeJS.WritableStream,
  brought: () => void = () => undefined,
): Promise<void> {
  const reader = from.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    await new Promise<void>((resolve) => to.write(value, () => resolve()));
    brought();
  }
}

/** The reader of a pipe has gone away (`unikvm ... | head`). */
export const isReaderGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "EPIPE";

export interface Output {
  /** Resolves when all has been handed over. Throws VmmError: some of it was lost. */
  flushed(): Promise<void>;
}

/**
 * Watches over process.stdout. A file gets a stream of ours: Node's takes what was written in part for done.
 * A reader that has gone away is no error: `readerGone` is called, and nobody is left to tell.
 */
export function watchOutput(readerGone: () => void): Output {
  if (isFile(1)) Object.defineProperty(process, "stdout", { value: new FileOutput(), configurable: true });
  const { stdout } = process;
  let failure: Error | undefined;
  stdout.on("error", (error) => {
    if (isReaderGone(error)) readerGone();
    failure ??= error;
  });
  return {
    flushed: async () => {
      // An error is told a moment after the callback.
      await new Promise((resolve) => stdout.write("", () => setImmediate(resolve)));
      if (failure) throw new VmmError(`stdout cannot be written: ${reasonOf(failure)}; some of the output is lost`);
    },
  };
}

function isFile(descriptor: number): boolean {
  try {
    const stat = fstatSync(descriptor);
    return !stat.isFIFO() && !stat.isSocket() && !isatty(descriptor);
  } catch {
    return false;
  }
}

class FileOutput extends Writable {
  readonly fd = 1;

  constructor() {
    super({ decodeStrings: true });
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      writeAll(this.fd, chunk);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  }
}
