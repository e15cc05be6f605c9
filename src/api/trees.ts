/**
 * `vm.fs.upload` and `download`: whole trees as tar streams, which the agent packs and unpacks (guests/agent/tree.h) as a
 * program whose stdin or stdout they are. Never file by file: each of those would be a process in the guest.
 */
import { ByteQueue } from "../vmm/core/byte-queue.js";
import { isReadable } from "./bytes.js";
import { printable } from "./console.js";
import { VmError } from "./error.js";
import { Feeder, Program, type Runner, throwIfFailed } from "./program.js";
import type { Abort, ExitStatus } from "./types.js";

/** What is kept of the agent's sentence about an entry, bytes. */
const mostSaid = 8192;

/** The agent says on stderr which entry it was, in bytes that a guest chose. */
class Complaint {
  readonly #said = new ByteQueue();

  add(bytes: Uint8Array): void {
    this.#said.append(bytes.subarray(0, mostSaid - this.#said.length));
  }

  /** Throws what the exit status says. */
  check(status: ExitStatus, title: string): void {
    const said = printable(new TextDecoder().decode(this.#said.peek()));
    throwIfFailed(status, said ? `${title}: ${said}` : title);
  }
}

/** Has the agent unpack a tar into a folder of the guest. Throws VmError, the signal's reason, or what the stream throws. */
export async function unpackInGuest(
  runner: Runner,
  tar: ReadableStream<Uint8Array>,
  path: string,
  { signal }: Abort,
): Promise<void> {
  if (!isReadable(tar)) {
    throw new VmError("EINVAL", "upload: the tree is no stream of a tar, nor the name of a folder of the host");
  }
  const complaint = new Complaint();
  const feeder = new Feeder(() => program);
  const program: Program = new Program(runner, {
    request: { command: ["unpack", path], builtIn: true },
    signal,
    output: (channel, bytes) => {
      if (channel === 2) complaint.add(bytes);
      program.want(channel, bytes.length);
    },
    room: () => feeder.room(),
    inputEnded: () => feeder.end(),
    lost: () => feeder.end(),
  });
  complaint.check(await feeder.toTheEnd(tar), `upload '${path}'`);
}

/** A tar of what is in the guest at `path`. Its reader gets the errors: VmError, or the signal's reason. */
export function packInGuest(
  runner: Runner,
  path: string,
  { exclude = [], signal }: Abort & { readonly exclude?: readonly string[] },
): ReadableStream<Uint8Array> {
  if (!Array.isArray(exclude) || !exclude.every((one) => typeof one === "string")) {
    throw new VmError("EINVAL", "download: exclude is no list of patterns");
  }
  return outputOf(runner, ["pack", path, ...exclude], `download '${path}'`, signal);
}

/** What the agent gives as a program's output, as its reader takes it. Cancelled, the program is killed. */
export function outputOf(
  runner: Runner,
  command: readonly string[],
  title: string,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  const waiting = new ByteQueue();
  const complaint = new Complaint();
  let program: Program | undefined;
  let over = false;
  let wake: (() => void) | undefined;
  const begin = (): Program => {
    const one: Program = new Program(runner, {
      request: { command, builtIn: true, noInput: true },
      signal,
      output: (channel, bytes) => {
        if (channel === 1) waiting.append(bytes);
        else {
          complaint.add(bytes);
          one.want(2, bytes.length);
        }
        wake?.();
      },
      outputEnded: () => wake?.(),
    });
    const end = (): void => {
      over = true;
      wake?.();
    };
    one.finished.then(end, end);
    return one;
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        program ??= begin();
        while (waiting.length === 0 && !over) await new Promise<void>((resolve) => (wake = resolve));
        const { length } = waiting;
        if (length > 0) {
          controller.enqueue(waiting.peek().slice());
          waiting.drop(length);
          program.want(1, length);
          return;
        }
        complaint.check(await program.finished, title);
        controller.close();
      },
      cancel: () => {
        over = true;
        wake?.();
        program?.kill(9);
        program?.endOutput(1);
      },
    },
    { highWaterMark: 0 },
  );
}
