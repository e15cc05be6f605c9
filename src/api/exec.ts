/** `vm.exec`: a command to its end, with what it wrote. */
import { ByteQueue } from "../vmm/core/byte-queue.js";
import { ExecError } from "./error.js";
import { Feeder, Program, type ProgramStart, type Runner } from "./program.js";
import type { Body, ExecResult } from "./types.js";

export interface Execution extends Pick<ProgramStart, "request" | "signal" | "timeout"> {
  readonly input: Body | undefined;
  /** Bytes of each output that are kept. */
  readonly maxOutput: number;
  readonly check: boolean;
  /** For sentences. */
  readonly title: string;
}

/** Output up to a bound; what comes beyond is dropped. */
class Kept {
  readonly #queue = new ByteQueue();
  readonly #most: number;
  truncated = false;

  constructor(most: number) {
    this.#most = most;
  }

  add(bytes: Uint8Array): void {
    const room = this.#most - this.#queue.length;
    if (bytes.length > room) this.truncated = true;
    if (room > 0) this.#queue.append(bytes.subarray(0, room));
  }

  bytes(): Uint8Array {
    return this.#queue.peek().slice();
  }
}

export async function execute(runner: Runner, execution: Execution): Promise<ExecResult> {
  const { input, maxOutput, check, title, ...start } = execution;
  const kept = { 1: new Kept(maxOutput), 2: new Kept(maxOutput) };
  const feeder = new Feeder(() => program);
  const program: Program = new Program(runner, {
    ...start,
    output: (channel, bytes) => {
      kept[channel].add(bytes);
      program.want(channel, bytes.length);
    },
    room: () => feeder.room(),
    inputEnded: () => feeder.end(),
    lost: () => feeder.end(),
  });
  const status = await feeder.toTheEnd(input);
  const [stdout, stderr] = [kept[1].bytes(), kept[2].bytes()];
  const decoder = new TextDecoder();
  const result: ExecResult = {
    ...status,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
    bytes: { stdout, stderr },
    truncated: kept[1].truncated || kept[2].truncated,
  };
  if (check && status.exitCode !== 0) throw new ExecError(`${title} ${describe(result)}`, result);
  return result;
}

function describe({ exitCode, signal, timedOut, stderr }: ExecResult): string {
  const how = timedOut
    ? "was killed at its time limit"
    : exitCode === null
      ? `was ended by ${typeof signal === "number" ? `signal ${signal}` : signal}`
      : `ended with status ${exitCode}`;
  const last = stderr.trimEnd().split("\n").at(-1);
  return last ? `${how}: ${last}` : how;
}
