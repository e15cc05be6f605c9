/** One program in the guest, from its request to its end, for `exec`, `spawn` and the calls about files. */
import { KvmError, messageOf } from "../base/errors.js";
import { boolean, type Check, having, optional } from "../base/takes.js";
import type { AgentProgram, ProgramEvents } from "../vmm/agent/connection.js";
import { AgentProtocolError, type AgentRequest, FailedStep, type OutputChannel } from "../vmm/agent/frames.js";
import { bytesOf } from "./bytes.js";
import { errnoWords, systemError } from "./errno.js";
import { VmError } from "./error.js";
import { signalName, signalNumber } from "./signals.js";
import type { Body, ExitStatus } from "./types.js";

/** Who runs programs. */
export interface Runner {
  /** Throws VmError: the VM has ended. */
  run(request: AgentRequest, events: ProgramEvents): AgentProgram;
}

/** How long a killed program has to be gone, milliseconds. */
const patience = 10_000;

export interface ProgramStart {
  readonly request: AgentRequest;
  /** Output as it comes; `bytes` are good until it returns. */
  readonly output: (channel: OutputChannel, bytes: Uint8Array) => void;
  readonly outputEnded?: (channel: OutputChannel) => void;
  readonly room?: () => void;
  readonly inputEnded?: () => void;
  /** The VM has ended, or the program never began. */
  readonly lost?: (error: Error) => void;
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Program {
  readonly #program: AgentProgram;
  /** Resolves with the process identifier; rejects if the program does not begin. */
  readonly begun: Promise<number>;
  /** Rejects if it does not begin or the VM ends, and with the signal's reason if that was aborted. */
  readonly exited: Promise<ExitStatus>;
  /** As `exited`, but all output has come, too. After a kill by time or signal that is not waited for. */
  readonly finished: Promise<ExitStatus>;
  timedOut = false;

  constructor(runner: Runner, given: ProgramStart) {
    const { request, signal, timeout } = given;
    let start = given;
    const begun = settler<number>();
    const exited = settler<ExitStatus>();
    const over = settler<void>();
    let status: ExitStatus | undefined;
    let aborted = false;
    const reject = (error: unknown): void => {
      cleanUp();
      begun.reject(error);
      exited.reject(error);
      over.reject(error);
      start.lost?.(error instanceof Error ? error : new VmError("ABORTED", messageOf(error)));
    };
    const settle = (): void => {
      if (aborted) {
        release();
        reject(signal?.reason);
        return;
      }
      if (status) exited.resolve(status);
      // What has left the group may hold its pipes for as long as it likes.
      if (this.timedOut) release();
    };
    const release = (): void => {
      this.#program.endOutput(1);
      this.#program.endOutput(2);
      over.resolve();
    };
    const kill = (): void => {
      this.#program.kill(signalNumber("SIGKILL"));
      if (status) settle();
      giveUp = setTimeout(() => {
        status ??= { exitCode: null, signal: "SIGKILL", timedOut: this.timedOut };
        settle();
        begun.reject(new VmError("AGENT_FAILED", "the guest's agent does not answer"));
        start.outputEnded?.(1);
        start.outputEnded?.(2);
        start.inputEnded?.();
        // Of what never ends nothing is kept.
        start = { request, output: () => undefined };
      }, patience);
    };
    const onAbort = (): void => {
      aborted = true;
      kill();
    };
    const onTime = (): void => {
      this.timedOut = true;
      kill();
    };
    let giveUp: ReturnType<typeof setTimeout> | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const cleanUp = (): void => {
      clearTimeout(timer);
      clearTimeout(giveUp);
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.throwIfAborted();
    this.#program = runner.run(request, {
      spawned: (pid) => begun.resolve(pid),
      failed: (errno, step) => reject(asError(request, errno, step)),
      output: (channel, bytes) => start.output(channel, bytes),
      outputEnded: (channel) => start.outputEnded?.(channel),
      room: () => start.room?.(),
      inputEnded: () => start.inputEnded?.(),
      exited: (code, number) => {
        status = {
          exitCode: number === 0 ? code : null,
          signal: number === 0 ? null : signalName(number),
          timedOut: this.timedOut,
        };
        start.inputEnded?.();
        settle();
      },
      done: () => {
        cleanUp();
        over.resolve();
      },
      lost: (error) => reject(misuse(error)),
    });
    signal?.addEventListener("abort", onAbort);
    if (timeout !== undefined) timer = setTimeout(onTime, timeout);
    this.begun = begun.promise;
    this.exited = exited.promise;
    this.finished = over.promise.then(() => exited.promise);
    for (const promise of [this.begun, this.exited, this.finished]) promise.catch(() => undefined);
  }

  write(bytes: Uint8Array): number {
    return this.#program.write(bytes);
  }

  endInput(): void {
    this.#program.endInput();
  }

  want(channel: OutputChannel, count: number): void {
    this.#program.want(channel, count);
  }

  endOutput(channel: OutputChannel): void {
    this.#program.endOutput(channel);
  }

  kill(signal: number): void {
    this.#program.kill(signal);
  }

  resize(rows: number, columns: number): void {
    this.#program.resize(rows, columns);
  }
}

/** Gives a program its input, as fast as it takes it. `over`: it takes no more. Throws what the body throws. */
export class Feeder {
  readonly #program: () => Program;
  #wake: (() => void) | undefined;
  #over = false;
  /** Nobody else ends a stream that has nothing to give just now. */
  #leave = (): void => undefined;

  constructor(program: () => Program) {
    this.#program = program;
  }

  room(): void {
    this.#wake?.();
  }

  end(): void {
    this.#over = true;
    this.#wake?.();
    this.#leave();
  }

  get over(): boolean {
    return this.#over;
  }

  /** Resolves when all of it is on its way. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length && !this.#over; ) {
      const count = this.#program().write(bytes.subarray(done));
      done += count;
      if (done < bytes.length && !this.#over) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async writeAll(body: Body): Promise<void> {
    const source = bytesOf(body, (reader) => {
      this.#leave = () => void reader.cancel().catch(() => undefined);
      if (this.#over) this.#leave();
    });
    for await (const bytes of source) {
      if (!(bytes instanceof Uint8Array)) throw new VmError("EINVAL", "input is to be Uint8Arrays");
      await this.write(bytes);
      if (this.#over) break;
    }
    this.#program().endInput();
  }

  /** Feeds the program while it runs, and gives how it ended. Where its input cannot be had, it is not run on with half of it. */
  async toTheEnd(input: Body | undefined): Promise<ExitStatus> {
    const program = this.#program();
    const fed = input === undefined ? undefined : this.writeAll(input);
    const broken = new Promise<never>((_, reject) =>
      fed?.catch((error: unknown) => {
        program.kill(9);
        reject(error);
      }),
    );
    const status = await Promise.race([program.finished, broken]);
    this.end();
    return status;
  }
}

function settler<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    [resolve, reject] = [yes, no];
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function asError({ command, user, cwd, builtIn }: AgentRequest, errno: number, step: number): VmError {
  const [program = ""] = command;
  if (step === FailedStep.program) {
    const why = errno === 2 ? "the guest has no such program" : errnoWords(errno);
    return new VmError("EXEC_FAILED", `${program} cannot be run: ${why}`, { errno });
  }
  if (step === FailedStep.user) {
    const what = errno === 2 ? "has no user or group of that name" : `does not let it: ${errnoWords(errno)}`;
    return new VmError("NO_USER", `${program} cannot be run as ${user}: the guest ${what}`, { errno });
  }
  if (step === FailedStep.folder) {
    return new VmError("NO_FOLDER", `${program} cannot be run in ${cwd}: ${errnoWords(errno)}`, { errno });
  }
  return systemError(errno, builtIn ? program : `running ${program}`);
}

/** Of what the agent did itself, whose status is an errno. */
export function throwIfFailed({ exitCode, signal }: ExitStatus, title: string): void {
  if (exitCode === 0) return;
  if (exitCode !== null) throw systemError(exitCode, title);
  throw new VmError("EINTR", `interrupted by ${typeof signal === "number" ? `signal ${signal}` : signal}, ${title}`, {
    errno: 4,
  });
}

/** `console`: what the guest's console last said. */
export const agentFailed = (error: Error, console: readonly string[] = []): VmError =>
  new VmError("AGENT_FAILED", `the guest's agent cannot be understood: ${error.message}`, { cause: error, console });

/** What a call was given wrong, and what a guest said wrong, as a VmError. */
export function misuse(error: unknown): unknown {
  if (error instanceof AgentProtocolError) return agentFailed(error);
  return error instanceof KvmError
    ? new VmError(error.code, error.message.slice(error.code.length + 2), { errno: error.errno, cause: error })
    : error;
}

export const signal = optional(having({ aborted: boolean }));
/** Of calls that know themselves what else they take. */
const abortable = having({ signal });

/** VmError, EINVAL. */
export function requireOptions(options: unknown, call: string, check: Check = abortable): void {
  try {
    check(options, call, "options");
  } catch (error) {
    throw misuse(error);
  }
}
