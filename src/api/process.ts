/** `vm.spawn`: a program with its streams. */

import type { AgentProgram } from "../vmm/agent/connection.js";
import { type AgentRequest, agentWindow, type OutputChannel } from "../vmm/agent/frames.js";
import { ByteQueue } from "../vmm/core/byte-queue.js";
import { VmError } from "./error.js";
import { Feeder, Program, type Runner } from "./program.js";
import { signalNumber } from "./signals.js";
import type { Body, ExitStatus, Process, SignalName, SpawnOptions, TerminalSize } from "./types.js";

/** What came of an output and was not read: never more than the guest was given credit for. */
class OutputStream {
  readonly #waiting = new ByteQueue();
  readonly #channel: OutputChannel;
  readonly #program: () => Program;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(channel: OutputChannel, program: () => Program) {
    this.#channel = channel;
    this.#program = program;
  }

  readonly readable = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        this.#controller = controller;
      },
      pull: (controller) => this.#pull(controller),
      cancel: () => {
        this.#over = true;
        this.#waiting.drop(this.#waiting.length);
        this.#wake?.();
        this.#program().endOutput(this.#channel);
      },
    },
    { highWaterMark: 0 },
  );

  add(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#waiting.append(bytes);
    this.#wake?.();
  }

  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.error(error);
    this.#wake?.();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#waiting.length === 0 && !this.#over) await new Promise<void>((resolve) => (this.#wake = resolve));
    const { length } = this.#waiting;
    try {
      if (length > 0) {
        controller.enqueue(this.#waiting.peek().slice());
        this.#waiting.drop(length);
        this.#program().want(this.#channel, length);
      } else controller.close();
    } catch {
      // It was cancelled, or has failed, meanwhile.
    }
  }
}

export interface Spawning extends Pick<SpawnOptions, "signal" | "timeout"> {
  readonly request: AgentRequest;
  readonly input: Body | undefined;
}

class GuestProcess implements Process {
  readonly pid: number;
  readonly exited: Promise<ExitStatus>;
  readonly stdin: WritableStream<Uint8Array>;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly #program: Program;

  constructor(pid: number, program: Program, streams: Pick<Process, "stdin" | "stdout" | "stderr">) {
    this.pid = pid;
    this.#program = program;
    this.exited = program.exited;
    this.stdin = streams.stdin;
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
  }

  async kill(signal: SignalName = "SIGTERM"): Promise<void> {
    this.#program.kill(signalNumber(signal));
  }

  async resize({ rows, columns }: TerminalSize): Promise<void> {
    this.#program.resize(...inTerminal({ rows, columns }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#program.kill(signalNumber("SIGKILL"));
    await this.exited.catch(() => undefined);
  }
}

/** Its rows and columns. VmError, EINVAL: it has none. */
export function inTerminal({ rows, columns }: TerminalSize): [rows: number, columns: number] {
  for (const count of [rows, columns]) {
    if (Number.isInteger(count) && count >= 1 && count <= 65535) continue;
    throw new VmError("EINVAL", `a terminal has 1 to 65535 rows and columns, not ${rows} and ${columns}`);
  }
  return [rows, columns];
}

/** Takes over a program that runs already: what had come of its output and was not read is another's. */
export function adopt(program: AgentProgram): Promise<Process> {
  const runner: Runner = {
    run: (_, events) => {
      const { phase } = program;
      queueMicrotask(() => {
        if (phase === "running") events.spawned(program.pid);
        program.takeOver(events);
        for (const channel of [1, 2] as const) {
          const side = program.outputs[channel];
          if (side.ended || !side.wanted) events.outputEnded(channel);
          else program.want(channel, agentWindow - side.credit);
        }
        if (program.input.ended) events.inputEnded();
      });
      return program;
    },
  };
  return begin(runner, { request: { command: ["a program"] }, input: undefined });
}

export async function begin(runner: Runner, { request, input, signal, timeout }: Spawning): Promise<Process> {
  const own = (): Program => program;
  const outputs = { 1: new OutputStream(1, own), 2: new OutputStream(2, own) };
  const feeder = new Feeder(own);
  let inputController: WritableStreamDefaultController | undefined;
  const program: Program = new Program(runner, {
    request,
    signal,
    timeout,
    output: (channel, bytes) => outputs[channel].add(bytes),
    outputEnded: (channel) => outputs[channel].end(),
    room: () => feeder.room(),
    inputEnded: () => {
      feeder.end();
      inputController?.error(new VmError("EPIPE", "the program reads no more of its input", { errno: 32 }));
    },
    lost: (error) => {
      feeder.end();
      inputController?.error(error);
      for (const output of Object.values(outputs)) output.fail(error);
    },
  });
  if (request.terminal) outputs[2].end();
  const stdin = new WritableStream<Uint8Array>({
    start: (controller) => {
      inputController = controller;
    },
    write: async (bytes) => {
      if (!(bytes instanceof Uint8Array)) throw new VmError("EINVAL", "stdin takes Uint8Arrays");
      await feeder.write(bytes);
    },
    close: () => program.endInput(),
    abort: () => program.endInput(),
  });
  const pid = await program.begun;
  if (input !== undefined) {
    // Half of its input is none: it is told by a signal, and its reader by the stream.
    feeder.writeAll(input).catch((error: unknown) => {
      program.kill(signalNumber("SIGKILL"));
      inputController?.error(error);
    });
  }
  return new GuestProcess(pid, program, { stdin, stdout: outputs[1].readable, stderr: outputs[2].readable });
}
