/** Machines for `createVm` in a page: each in a worker of its own, which this half talks to. */
import { bytesIn } from "../api/bytes.js";
import { notSupported, VmError } from "../api/error.js";
import { memoryShares } from "../api/memory-limit.js";
import type { BootPlan, Platform, RunningMachine } from "../api/platform.js";
import type { FileSource } from "../api/types.js";
import { Errno, type ErrnoName, KvmError } from "../base/errors.js";
import type { Outcome } from "../vmm/core/machine.js";
import type { ConsolePort, ConsolePortEnd } from "../vmm/devices/virtio/console.js";
import { VmmError } from "../vmm/errors.js";
import { kvmMemory, machineForGuest, machineRow } from "../vmm/machines/machines.js";
import type { Destination } from "../vmm/network/policy.js";
import { anyPlatform } from "../vmm/snapshot/platform.js";
import type { Snapshot } from "../vmm/snapshot/snapshot.js";
import type { Hardware } from "./hardware.js";
import { type FromMachine, type MachinePlan, type SentError, type ToMachine, window } from "./messages.js";
import type { NearStreams } from "./near-streams.js";
import { type SureWorker, sureWorker } from "./sure-worker.js";

/** How long a worker may take to end its machine before it is ended itself, milliseconds. */
const patience = 10_000;
/** Of its vCPUs' threads so many are made before its machine is; how many there may be, the machine says. */
const mostEarly = 16;

export const webPlatform: Platform = {
  boot: (plan) => new NearMachine(plan).start(undefined),
  restore: (plan, snapshot) => new NearMachine(plan).start(snapshot),
  snapshots: {
    platform: anyPlatform,
    read: () => Promise.reject(unnamed("a name or a file as snapshot", "give a URL or a Blob")),
    write: () => Promise.reject(unnamed("snapshot: the option name", "keep what its blob() gives")),
  },
};

const unnamed = (what: string, instead: string): VmError => notSupported(`${what} in a page`, instead);

/** A port as the page has it: the guest's is in the worker. */
class NearPort implements ConsolePort {
  open = false;
  readonly #end: ConsolePortEnd;
  readonly #index: number;
  readonly #post: (message: ToMachine, transfer?: Transferable[]) => void;
  /** Bytes that were sent and that the guest has not. */
  #unsent = 0;
  /** Somebody had more than there was room for. */
  #waits = false;
  /** Nothing is sent. */
  #shut = false;
  /** Bytes of output that are not said to be taken until `resume`. */
  #held = 0;
  #stopped = false;

  constructor(end: ConsolePortEnd, index: number, post: (message: ToMachine, transfer?: Transferable[]) => void) {
    this.#end = end;
    this.#index = index;
    this.#post = post;
  }

  send(bytes: Uint8Array): number {
    const room = this.open && !this.#shut ? window - this.#unsent : 0;
    const part = bytes.slice(0, Math.max(0, room));
    // What was handed over has no length any more.
    const { length } = part;
    this.#waits = length < bytes.length;
    if (length === 0) return 0;
    this.#unsent += length;
    this.#post({ type: "send", port: this.#index, bytes: part }, [part.buffer]);
    return length;
  }

  resume(): void {
    this.#stopped = false;
    if (this.#held > 0) this.#post({ type: "took", port: this.#index, length: this.#held });
    this.#held = 0;
  }

  /** Of the guest. */
  output(bytes: Uint8Array): void {
    this.#held += bytes.length;
    if (!this.#end.output(bytes)) this.#stopped = true;
    if (!this.#stopped) this.resume();
  }

  opened(open: boolean, byReset: boolean): void {
    this.open = open;
    this.#end.opened?.(open, byReset);
  }

  sent(length: number): void {
    this.#unsent -= length;
    this.#drained();
  }

  /** Nothing is sent until it is open again. */
  set shut(shut: boolean) {
    this.#shut = shut;
    if (!shut) this.#drained();
  }

  #drained(): void {
    if (!this.#waits || this.#shut || !this.open) return;
    this.#waits = false;
    this.#end.drained?.();
  }
}

interface Capturing {
  halted(): void;
  captured(snapshot: Snapshot): void;
  failed(error: unknown): void;
}

class NearMachine {
  readonly #plan: BootPlan;
  #worker: SureWorker<ToMachine> | undefined;
  readonly #ports: readonly NearPort[];
  readonly #ended: Promise<Outcome>;
  /** Of a machine with a network. */
  #streams: NearStreams | undefined;
  readonly #typed: (() => void)[] = [];
  readonly #pausing: ((error: unknown) => void)[] = [];
  readonly #counting: ((generatedCode: number) => void)[] = [];
  #capturing: Capturing | undefined;
  #captures: Promise<unknown> = Promise.resolve();
  #end: (outcome: Outcome) => void = () => undefined;
  #started: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;

  constructor(plan: BootPlan) {
    this.#plan = plan;
    this.#ports = plan.ports.map((end, index) => new NearPort(end, index, this.#post));
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  readonly #post = (message: ToMachine, transfer?: Transferable[]): void => this.#worker?.post(message, transfer);

  async start(snapshot: Snapshot | undefined): Promise<RunningMachine> {
    const { signal } = this.#plan;
    const onAbort = (): void => {
      this.#failed(signal.reason);
      this.#over({ kind: "stopped" });
    };
    signal.addEventListener("abort", onAbort, { once: true });
    let plan: MachinePlan;
    try {
      signal.throwIfAborted();
      const { disks = [], network } = this.#plan.options;
      // What few need is loaded by those who do. What was made elsewhere says how.
      const { hardware } = snapshot ?? {};
      const made =
        hardware === undefined
          ? undefined
          : (await import("./hardware.js")).hardwareOf(hardware, disks.length > 0, network !== undefined);
      plan = machinePlan(this.#plan, snapshot, made);
      if (disks.length > 0) {
        const { sentDisk } = await import("./near-disks.js");
        plan = { ...plan, disks: disks.map(sentDisk) };
      }
      if (network) {
        const { NearStreams, networkPlan } = await import("./near-streams.js");
        plan = { ...plan, network: networkPlan(network) };
        this.#streams = new NearStreams((stream, event, transfer) =>
          this.#post({ type: "net", stream, event }, transfer),
        );
      }
      signal.throwIfAborted();
      this.#plan.connected(this.#ports);
      const early = Math.min(plan.cpus, mostEarly);
      this.#worker = sureWorker<ToMachine, FromMachine>(
        () => new Worker(new URL("./machine-worker.js", import.meta.url), { type: "module", name: `unikvm ${early}` }),
        (message) => this.#hear(message),
        (why) => this.#over({ kind: "failed", message: `the machine's worker failed: ${why}` }),
      );
      await new Promise<void>((resolve, reject) => {
        [this.#started, this.#failed] = [resolve, reject];
        this.#post({ type: "start", plan, snapshot });
      });
    } catch (error) {
      this.#over({ kind: "stopped" });
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    const { cpus } = plan;
    const { disks = [], network } = this.#plan.options;
    return {
      cpus,
      connect: network && ((port, attach) => this.#streams?.dial(port, attach)),
      captureDisks: () => Promise.reject(unnamed("snapshot: memory false", "keep the disks' files")),
      describe: async () => {
        if (disks.length > 0) throw unnamed("vm.snapshot of a VM with disks", "fork it, or leave them out");
        const network = this.#plan.options.network !== undefined;
        return { made: "unikvm", cpus, own: 1, models: [], disks: [], network } satisfies Hardware;
      },
      input: (bytes) => this.#input(bytes),
      pause: () =>
        new Promise<void>((resolve, reject) => {
          this.#pausing.push((error) => (error === undefined ? resolve() : reject(error)));
          this.#post({ type: "pause" });
          void this.#ended.then(() => reject(new VmmError("the machine has ended")));
        }),
      resume: () => this.#post({ type: "resume" }),
      generatedCode: () =>
        new Promise<number>((resolve, reject) => {
          this.#counting.push(resolve);
          this.#post({ type: "count" });
          void this.#ended.then(() => reject(new VmmError("the machine has ended")));
        }),
      stop: () => this.#stop(),
      ended: this.#ended,
      capture: (also) => this.#capture(also),
      twins: async (count, also) => {
        const { snapshot, ...rest } = await this.#capture(also);
        return { ...rest, twins: Array<Snapshot>(count).fill(snapshot) };
      },
    };
  }

  #hear(message: FromMachine): void {
    if (message.type === "output") this.#ports[message.port]?.output(message.bytes);
    else if (message.type === "sent") this.#ports[message.port]?.sent(message.length);
    else if (message.type === "opened") this.#ports[message.port]?.opened(message.open, message.byReset);
    else if (message.type === "console") {
      this.#plan.output(message.bytes);
      this.#post({ type: "tookConsole", length: message.bytes.length });
    } else if (message.type === "inputTaken") this.#typed.shift()?.();
    else if (message.type === "progress") this.#plan.progress(message.step);
    else if (message.type === "report") this.#plan.report(message.sentence);
    else if (message.type === "ports") {
      for (const [index, port] of this.#ports.entries()) port.open = message.open[index] ?? false;
    } else if (message.type === "running") this.#started();
    else if (message.type === "failed") this.#failed(asError(message.error));
    else if (message.type === "paused") this.#pausing.shift()?.(message.error && asError(message.error));
    else if (message.type === "counted") this.#counting.shift()?.(message.generatedCode);
    else if (message.type === "net") this.#streams?.hear(message.stream, message.event);
    else if (message.type === "asks") void this.#answer(message.id, message.to);
    else if (message.type === "halted") this.#capturing?.halted();
    else if (message.type === "captured") this.#capturing?.captured(message.snapshot);
    else if (message.type === "notCaptured") this.#capturing?.failed(asError(message.error));
    else this.#over(message.outcome);
  }

  /** Everything is gone. */
  #over(outcome: Outcome): void {
    this.#worker?.terminate();
    const why = new VmmError(outcome.kind === "failed" ? outcome.message : "the machine has ended");
    this.#failed(why);
    this.#capturing?.failed(why);
    for (const taken of this.#typed.splice(0)) taken();
    this.#streams?.close();
    this.#end(outcome);
  }

  /** Whether the guest may begin a connection. */
  async #answer(id: number, to: Destination): Promise<void> {
    let may = false;
    try {
      may = (await this.#plan.options.network?.onConnect?.(to)) === true;
    } catch {
      // Whoever cannot say does not allow it, as in Node.js.
    }
    this.#post({ type: "mayConnect", id, may });
  }

  #stop(): void {
    this.#post({ type: "stop" });
    const late = setTimeout(() => this.#over({ kind: "stopped" }), patience);
    void this.#ended.then(() => clearTimeout(late));
  }

  #input(bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    this.#post({ type: "input", bytes: copy }, [copy.buffer]);
    return new Promise((resolve) => this.#typed.push(resolve));
  }

  /** One after the other. */
  #capture<T>(also: () => T): Promise<{ readonly snapshot: Snapshot; readonly also: T }> {
    const captured = this.#captures.then(() => this.#captureNow(also));
    this.#captures = captured.catch(() => undefined);
    return captured;
  }

  async #captureNow<T>(also: () => T): Promise<{ readonly snapshot: Snapshot; readonly also: T }> {
    // From here on what is to be sent stays with whoever sends it, and is part of what that saves.
    for (const port of this.#ports) port.shut = true;
    try {
      return await new Promise((resolve, reject) => {
        let taken: { readonly also: T } | undefined;
        this.#capturing = {
          halted: () => {
            try {
              taken = { also: also() };
            } catch (error) {
              reject(error);
            }
            this.#post({ type: "capture", wanted: taken !== undefined });
          },
          captured: (snapshot) => taken && resolve({ snapshot, ...taken }),
          failed: reject,
        };
        this.#post({ type: "halt" });
      });
    } finally {
      this.#capturing = undefined;
      for (const port of this.#ports) port.shut = false;
    }
  }
}

/** Without disks and a network; `made`, how the snapshot's machine was made. VmError, NOT_SUPPORTED, EINVAL: what a page has not. */
function machinePlan(
  { options, ports }: BootPlan,
  from: Snapshot | undefined,
  made: Hardware | undefined,
): MachinePlan {
  const { image, kernel, initrd, memory, type, cpu, append, limits = {} } = options;
  const { guest } = options;
  if (!from && kernel === undefined && (image === undefined || image === "debian-busybox")) {
    const instead = "give it as image what `unikvm guest export` wrote, or kernel and initrd";
    throw new VmError("EINVAL", `createVm: a page has no guest of its own; ${instead}`);
  }
  const cpus = made?.cpus ?? options.cpus ?? 1;
  return {
    ...{ guest, memory, cpus, image: sendable(image), kernel: sendable(kernel), initrd: sendable(initrd) },
    disks: [],
    diskLimit: limits.disk === undefined ? undefined : bytesIn(limits.disk, "limits.disk"),
    cpuLimit: limits.cpu,
    memoryShares: memoryShares(options, {
      ram: memory,
      kvm: kvmMemory(from ? machineRow(from.state.machine) : machineForGuest(guest), cpus),
    }),
    ports: ports.map(({ name }) => name),
    ...{ type, cpu, append },
  };
}

/** As the worker can have it: a URL is told from where this page is. */
function sendable(source: FileSource | undefined): Exclude<FileSource, URL> | undefined {
  if (typeof source !== "string" && !(source instanceof URL)) return source;
  try {
    return new URL(source, globalThis.document?.baseURI ?? globalThis.location.href).href;
  } catch (cause) {
    throw new VmError("EINVAL", `createVm: ${JSON.stringify(source)} is no URL`, { cause });
  }
}

/** What went wrong in the worker, as the same kind of error. */
function asError({ name, message, code, errno }: SentError): Error {
  const words = code !== undefined && message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
  if (name === "VmError" && code !== undefined) return new VmError(code, words, errno === undefined ? {} : { errno });
  if (code !== undefined && Object.hasOwn(Errno, code)) return new KvmError(code as ErrnoName, words);
  return new VmmError(message);
}
