/** A VM that runs, as programs have it. */

import { anything, boolean, oneOf, optional, options as optionsOf, recordOf, text, time } from "../base/takes.js";
import { type AgentConnection, type AgentProgram, type ProgramEvents, unheard } from "../vmm/agent/connection.js";
import { AgentProtocolError, type AgentRequest } from "../vmm/agent/frames.js";
import type { Outcome } from "../vmm/core/machine.js";
import { packings } from "../vmm/snapshot/packing.js";
import { bytesIn, requireBody, usualMemory } from "./bytes.js";
import type { ConsoleLog } from "./console.js";
import { VmError } from "./error.js";
import { Events } from "./events.js";
import { execute } from "./exec.js";
import { GuestFiles, readProc } from "./fs.js";
import { GuestNet, noNetwork } from "./net.js";
import type { PackTree, RunningMachine } from "./platform.js";
import { adopt, begin, inTerminal } from "./process.js";
import { limitProcesses } from "./processes.js";
import { agentFailed, misuse, type Runner, requireOptions, signal } from "./program.js";
import { signalName, signalNumber } from "./signals.js";
import type { Taking } from "./snapshot.js";
import type {
  Abort,
  Duplex,
  ExecOptions,
  ExecResult,
  Process,
  Snapshot,
  SnapshotOptions,
  SpawnOptions,
  TerminalSize,
  Vm,
  VmEnd,
  VmEvent,
  VmFs,
  VmNet,
  VmOptions,
  VmStats,
} from "./types.js";

const usualOutput = 8 << 20;
const usualGrace = 2000;
/** After its grace, for what is to be written to disks, milliseconds. */
const shutDownPatience = 5000;
const usualTerminal: TerminalSize = { rows: 24, columns: 80 };

/** What a VM is made of. */
export interface VmParts {
  readonly machine: RunningMachine;
  readonly agent: AgentConnection;
  readonly log: ConsoleLog;
  readonly options: VmOptions;
  readonly packTree: PackTree | undefined;
  /** Is told in a sentence what was asked for and is not so. */
  readonly report: (sentence: string) => void;
  /** Makes twins. Rejects with KvmError, VmmError or VmError. */
  readonly fork: (count: number) => Promise<readonly Vm[]>;
  /** Rejects with VmError, or the signal's reason. */
  readonly snapshot: (taking: Taking) => Promise<Snapshot>;
}

const checkSnapshotOptions = optionsOf<SnapshotOptions>({
  name: optional(text),
  memory: optional(boolean),
  packing: optional(oneOf(...packings)),
  signal,
});
/** Numbers are looked at where they are used. */
const programOptions = {
  cwd: optional(text),
  env: optional(recordOf(text)),
  user: optional(text),
  stdin: anything,
  timeout: anything,
  signal,
};
const checkExecOptions = optionsOf<ExecOptions>({
  ...programOptions,
  maxOutput: anything,
  check: optional(boolean),
});
const checkSpawnOptions = optionsOf<SpawnOptions>({ ...programOptions, pty: anything });
const checkCloseOptions = optionsOf<{ readonly grace?: number }>({ grace: optional(time) });
const checkAbort = optionsOf<Abort>({ signal });

const unlessMissing = (error: unknown): void => {
  if (!(error instanceof VmError && error.code === "EXEC_FAILED")) throw error;
};

/** Each takes memory as the VM does. */
const mostTwins = 64;

/** How a machine's end looks to who waits for something of it. */
export function endError({ kind, message, console }: VmEnd): VmError {
  if (kind === "crash") return new VmError("CRASHED", message, { console });
  return new VmError(kind === "failed" ? "AGENT_FAILED" : "VM_CLOSED", message, { console });
}

export class LinuxVm implements Vm {
  readonly fs: VmFs;
  readonly net: VmNet;
  readonly console: Duplex;
  readonly closed: Promise<VmEnd>;
  readonly #parts: VmParts;
  readonly #runner: Runner;
  readonly #events = new Events();
  readonly #begin = performance.now();
  readonly #processes = new Map<AgentProgram, Promise<Process>>();
  #end: VmEnd | undefined;
  /** It stands still, or is about to. */
  #paused: Promise<void> | undefined;
  /** Why it was ended from here. */
  #ending: Pick<VmEnd, "kind" | "message"> | undefined;

  constructor(parts: VmParts) {
    this.#parts = parts;
    const { machine, agent, log, options } = parts;
    this.#runner = {
      run: (request, events) => {
        this.#check();
        try {
          const told = request.builtIn ? events : this.#watched(request, events);
          return agent.spawn(request, { ...told, lost: (error) => told.lost(this.#asLost(error)) });
        } catch (error) {
          throw misuse(error instanceof Error ? this.#asLost(error) : error);
        }
      },
    };
    this.fs = new GuestFiles(this.#runner, parts.packTree);
    this.net = new GuestNet((port, attach) => {
      this.#check();
      if (!machine.connect) throw noNetwork();
      machine.connect(port, attach);
    });
    for (const program of agent.programs) this.#takeOver(program);
    this.console = {
      readable: log.readable,
      writable: new WritableStream<Uint8Array>({
        write: (bytes) => {
          this.#check();
          return machine.input(bytes);
        },
      }),
    };
    const { lifetime } = options.limits ?? {};
    const timer =
      lifetime === undefined
        ? undefined
        : setTimeout(
            () => this.#stop({ kind: "lifetime", message: `its lifetime of ${lifetime} ms is over` }),
            lifetime,
          );
    this.closed = machine.ended.then((outcome) => {
      clearTimeout(timer);
      this.#end = { ...(this.#ending ?? describe(outcome, log.panic)), console: log.lines };
      log.end();
      agent.lose(endError(this.#end));
      this.#events.tell({ type: "ended", end: this.#end });
      return this.#end;
    });
  }

  /** Of an agent that has gone, or broken the rules: with what the console last said. */
  #asLost(error: Error): Error {
    return error instanceof AgentProtocolError ? agentFailed(error, this.#parts.log.lines) : error;
  }

  /** For an `AgentRelay`, by which somebody else talks to the agent. */
  get programs(): Pick<AgentConnection, "spawn"> {
    return { spawn: (request, events) => this.#runner.run(request, events) };
  }

  /** The agent has broken the rules: nothing more can be had of this machine. */
  failed(error: Error): void {
    if (this.#end) return;
    this.#stop({ kind: "failed", message: `the guest's agent cannot be understood: ${error.message}` });
  }

  /** The guest has let go of its devices. If it is to end now, its end says why; else the agent is lost, and that is told. */
  agentTaken(error: Error): void {
    const { agent } = this.#parts;
    const timer = setTimeout(() => agent.lose(error), usualGrace);
    this.closed.then(() => clearTimeout(timer));
  }

  /** As `limitProcesses`; where it does not hold for root, the console says so. */
  async limitProcesses(most: number): Promise<void> {
    if (await limitProcesses(this.#runner, most)) return;
    this.#parts.report(
      "the guest's kernel counts no processes: limits.processes holds for users other than root alone",
    );
  }

  async exec(command: string | readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    requireOptions(options, "exec", checkExecOptions);
    const { stdin = "ignore", maxOutput = this.#parts.options.limits?.output ?? usualOutput, check = false } = options;
    if (stdin === "pipe")
      throw new VmError("EINVAL", 'exec: stdin is "pipe"; give it what is to be read, or use spawn');
    const input = stdin === "ignore" ? undefined : stdin;
    const request = this.#request("exec", command, options, input === undefined);
    return execute(this.#runner, {
      request,
      input,
      ...limits(options, "exec"),
      maxOutput: bytesIn(maxOutput, "maxOutput"),
      check,
      title: typeof command === "string" ? command : command.join(" "),
    });
  }

  async spawn(command: string | readonly string[], options: SpawnOptions = {}): Promise<Process> {
    requireOptions(options, "spawn", checkSpawnOptions);
    const { stdin = "pipe", pty = false } = options;
    const request = this.#request("spawn", command, options, stdin === "ignore");
    const [rows, columns] = pty === false ? [] : inTerminal(pty === true ? usualTerminal : pty);
    let program: AgentProgram | undefined;
    const runner: Runner = {
      run: (asked, events) => {
        program = this.#runner.run(asked, events);
        return program;
      },
    };
    const process = begin(runner, {
      request: rows === undefined || columns === undefined ? request : { ...request, terminal: { rows, columns } },
      input: stdin === "pipe" || stdin === "ignore" ? undefined : stdin,
      ...limits(options, "spawn"),
    });
    if (program) this.#keep(program, process);
    return process;
  }

  /** Until it has ended. */
  #keep(program: AgentProgram, process: Promise<Process>): void {
    const forget = (): void => void this.#processes.delete(program);
    this.#processes.set(program, process);
    process.then((one) => one.exited).then(forget, forget);
  }

  /** A program of the VM that this one goes on from. */
  #takeOver(program: AgentProgram): void {
    const { phase, builtIn } = program;
    // What waits for a call about files is not here.
    if (!builtIn && (phase === "running" || phase === "asked")) {
      this.#keep(program, adopt(program));
      return;
    }
    if (builtIn) program.kill(signalNumber("SIGKILL"));
    program.endOutput(1);
    program.endOutput(2);
    program.takeOver(unheard);
  }

  /** Tells of a program what is to be told. */
  #watched({ command }: AgentRequest, events: ProgramEvents): ProgramEvents {
    let pid = 0;
    return {
      ...events,
      spawned: (number) => {
        pid = number;
        this.#events.tell({ type: "spawned", pid, command });
        events.spawned(number);
      },
      exited: (code, signal) => {
        events.exited(code, signal);
        const [exitCode, name] = signal === 0 ? [code, null] : [null, signalName(signal)];
        this.#events.tell({ type: "exited", pid, exitCode, signal: name });
      },
    };
  }

  #check(): void {
    if (this.#end) throw endError(this.#end);
  }

  async snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    requireOptions(options, "snapshot", checkSnapshotOptions);
    const { name, memory = true, packing = "deflate", signal } = options;
    if (name === "") throw new VmError("EINVAL", "snapshot: name is empty");
    signal?.throwIfAborted();
    this.#check();
    // An image without such a program has its disks as after a loss of power.
    if (!memory) await this.exec(["sync"], signal ? { signal } : {}).catch(unlessMissing);
    return this.#parts.snapshot({ name, memory, packing, ...(signal ? { signal } : {}) }).catch((error: unknown) => {
      throw this.#end && !signal?.aborted ? endError(this.#end) : error;
    });
  }

  /** The platform has copied it, for which it stood still so many milliseconds; undefined: nobody knows. */
  wasCopied(stopped: number | undefined): void {
    if (stopped !== undefined) this.#events.tell({ type: "copied", stopped });
  }

  async fork(count = 1): Promise<readonly Vm[]> {
    if (!(Number.isInteger(count) && count >= 1 && count <= mostTwins)) {
      throw new VmError("EINVAL", `fork: count is ${count}, not a number from 1 to ${mostTwins}`);
    }
    if (this.#end) throw endError(this.#end);
    return this.#parts.fork(count).catch((error: unknown) => {
      throw this.#end ? endError(this.#end) : error;
    });
  }

  async processes(): Promise<readonly Process[]> {
    this.#check();
    const running = [...this.#processes].filter(([{ phase }]) => phase === "asked" || phase === "running");
    const all = await Promise.allSettled(running.map(([, process]) => process));
    return all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  }

  async pause(): Promise<void> {
    this.#check();
    if (this.#paused) return this.#paused;
    this.#paused = this.#parts.machine.pause();
    try {
      await this.#paused;
      this.#events.tell({ type: "paused" });
    } catch (error) {
      this.#paused = undefined;
      this.#check();
      throw error;
    }
  }

  async resume(): Promise<void> {
    this.#check();
    await this.#paused?.catch(() => undefined);
    if (!this.#paused || this.#end) return;
    this.#paused = undefined;
    this.#parts.machine.resume();
    this.#events.tell({ type: "resumed" });
  }

  async stats(): Promise<VmStats> {
    this.#check();
    const { agent, machine, options } = this.#parts;
    const { guestStats } = await import("./stats.js");
    const paused = this.#paused !== undefined;
    return {
      uptime: performance.now() - this.#begin,
      paused,
      memory: options.memory === undefined ? usualMemory : bytesIn(options.memory, "memory"),
      generatedCode: await machine.generatedCode(),
      ...{ programs: agent.programs.length, sent: agent.sent, received: agent.received },
      guest: paused ? undefined : await guestStats((path) => readProc(this.#runner, path)),
    };
  }

  events(options: Abort = {}): AsyncIterableIterator<VmEvent> {
    requireOptions(options, "events", checkAbort);
    this.#check();
    return this.#events.read(options.signal);
  }

  async close(options: { readonly grace?: number } = {}): Promise<VmEnd> {
    requireOptions(options, "close", checkCloseOptions);
    const { grace = usualGrace } = options;
    if (!Number.isFinite(grace) || grace < 0) throw new VmError("EINVAL", `close: grace is ${grace}, not milliseconds`);
    const { machine, agent } = this.#parts;
    this.#ending ??= { kind: "closed", message: "the VM was closed" };
    // What stands still does not turn itself off.
    if (!this.#end) await this.resume();
    const most = Math.min(Math.ceil(grace), 0x7fff_ffff - shutDownPatience);
    if (most > 0) agent.shutDown(most);
    const timer = setTimeout(() => machine.stop(), most > 0 ? most + shutDownPatience : 0);
    try {
      return await this.closed;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #stop(why: Pick<VmEnd, "kind" | "message">): void {
    this.#ending ??= why;
    this.#parts.machine.stop();
  }

  #request(
    call: string,
    command: string | readonly string[],
    { cwd, env, user, stdin }: SpawnOptions,
    noInput: boolean,
  ): AgentRequest {
    const { options } = this.#parts;
    const isList = Array.isArray(command) && command.length > 0 && command.every((one) => typeof one === "string");
    if (typeof command !== "string" && !isList) {
      throw new VmError("EINVAL", `${call}: a command is a string for the shell, or a program and its arguments`);
    }
    if (stdin !== undefined && stdin !== "pipe" && stdin !== "ignore") requireBody(stdin, `${call}: stdin`);
    const who = user ?? options.user;
    // A variable that is not set, in a script, is not to mean root.
    if (who === "") throw new VmError("EINVAL", `${call}: user is empty`);
    const variables = { ...options.env, ...env };
    for (const name of Object.keys(variables)) {
      if (name === "" || name.includes("="))
        throw new VmError("EINVAL", `${call}: env has no variable ${JSON.stringify(name)}`);
    }
    return {
      command: typeof command === "string" ? ["/bin/sh", "-c", command] : command,
      env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      cwd: cwd ?? options.cwd,
      user: who,
      noInput,
    };
  }
}

function limits({ signal, timeout }: SpawnOptions, call: string): Pick<SpawnOptions, "signal" | "timeout"> {
  if (timeout !== undefined && !(typeof timeout === "number" && timeout > 0 && timeout <= 0x7fff_ffff)) {
    throw new VmError("EINVAL", `${call}: timeout is ${String(timeout)}, not milliseconds from 1 to 2147483647`);
  }
  return { ...(signal ? { signal } : {}), ...(timeout === undefined ? {} : { timeout }) };
}

/** `panic`: what the guest's kernel gave up for, if it said so; where its machine is not told of that, it starts again. */
function describe(outcome: Outcome, panic: string | undefined): Pick<VmEnd, "kind" | "message"> {
  switch (outcome.kind) {
    case "powerOff":
      return { kind: "powerOff", message: "the guest has turned itself off" };
    case "reboot":
      if (panic !== undefined) return { kind: "crash", message: `the guest crashed: Kernel panic: ${panic}` };
      return { kind: "reboot", message: "the guest wanted to start again, which ends a VM" };
    case "crash":
      return { kind: "crash", message: `the guest crashed: ${outcome.message}` };
    case "failed":
      return { kind: "failed", message: outcome.message };
    default:
      return { kind: "closed", message: "the VM was closed" };
  }
}
