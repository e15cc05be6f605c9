/** What runs in the worker of a page's machine: all of the VM but its API. Nothing imports this file: platform.ts starts it. */

import { messageOf } from "../base/errors.js";
import { openKvm } from "../kernel.js";
import type { Outcome } from "../vmm/core/machine.js";
import type { Run } from "../vmm/core/run.js";
import type { ConsolePort, ConsolePortEnd } from "../vmm/devices/virtio/console.js";
import { VirtioConsole, type VirtioConsoleState } from "../vmm/devices/virtio/console.js";
import type { OpenDisks } from "../vmm/devices/virtio/disks.js";
import { VirtioPciDevice } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import { begin, deviceStates, goOn, type Started, type Starting } from "../vmm/machines/start.js";
import { capture, type Snapshot } from "../vmm/snapshot/snapshot.js";
import { bootFiles } from "./files.js";
import { type FromMachine, type MachinePlan, sentError, type ToMachine, window } from "./messages.js";
import type { PageNetwork } from "./network.js";
import { Greeting } from "./sure-worker.js";
import { spawnVcpuThread } from "./vcpu-thread.js";

/** How long a guest may take to read what was sent to it before a snapshot, milliseconds. */
const patience = 10_000;

const post = (message: FromMachine, transfer: Transferable[] = []): void => postMessage(message, { transfer });

/** The end of a port that the page has, as the device sees it. */
class FarEnd implements ConsolePortEnd {
  readonly name: string;
  readonly #index: number;
  #port: ConsolePort | undefined;
  /** What the page has sent and the guest has not. */
  #waiting: Uint8Array[] = [];
  /** Bytes that the page was sent and has not taken. */
  #untaken = 0;
  #stopped = false;
  #halted = false;
  #wake: (() => void) | undefined;

  constructor(name: string, index: number) {
    this.name = name;
    this.#index = index;
  }

  connect(port: ConsolePort): void {
    this.#port = port;
  }

  output(bytes: Uint8Array): boolean {
    const own = bytes.slice();
    this.#untaken += own.length;
    post({ type: "output", port: this.#index, bytes: own }, [own.buffer]);
    this.#stopped = this.#untaken >= window;
    return !this.#stopped;
  }

  took(length: number): void {
    this.#untaken -= length;
    this.#resume();
  }

  /** While the machine is captured nothing more is told of it. */
  set halted(halted: boolean) {
    this.#halted = halted;
    this.#resume();
  }

  #resume(): void {
    if (!this.#stopped || this.#halted || this.#untaken >= window) return;
    this.#stopped = false;
    this.#port?.resume();
  }

  opened(open: boolean, byReset: boolean): void {
    post({ type: "opened", port: this.#index, open, byReset });
    if (!open) this.#forget();
  }

  send(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (this.#waiting.length === 1) this.drained();
  }

  drained(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const length = this.#port?.send(first) ?? 0;
      if (length > 0) post({ type: "sent", port: this.#index, length });
      if (length < first.length) {
        this.#waiting[0] = first.subarray(length);
        return;
      }
      this.#waiting.shift();
    }
    this.#wake?.();
  }

  /** Resolves when nothing waits for the guest. */
  async empty(): Promise<void> {
    while (this.#waiting.length > 0) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #forget(): void {
    const length = this.#waiting.reduce((sum, bytes) => sum + bytes.length, 0);
    this.#waiting = [];
    if (length > 0) post({ type: "sent", port: this.#index, length });
    this.#wake?.();
  }
}

/** The guest's output, which waits in the machine while the page does not take it. */
class FarConsole {
  #untaken = 0;
  #room: (() => void) | undefined;

  readonly write = (bytes: Uint8Array): Promise<void> | undefined => {
    const copy = bytes.slice();
    this.#untaken += copy.length;
    post({ type: "console", bytes: copy }, [copy.buffer]);
    return this.#untaken < window ? undefined : new Promise((resolve) => (this.#room = resolve));
  };

  took(length: number): void {
    this.#untaken -= length;
    if (this.#untaken < window) this.#room?.();
  }
}

class FarMachine {
  readonly #console = new FarConsole();
  readonly #stop = new AbortController();
  #ends: readonly FarEnd[] = [];
  #run: Run | undefined;
  #disks: OpenDisks | undefined;
  #network: PageNetwork | undefined;

  async hear(message: ToMachine): Promise<void> {
    if (message.type === "start") await this.#start(message.plan, message.snapshot);
    else if (message.type === "send") this.#ends[message.port]?.send(message.bytes);
    else if (message.type === "took") this.#ends[message.port]?.took(message.length);
    else if (message.type === "tookConsole") this.#console.took(message.length);
    else if (message.type === "input") {
      await this.#run?.input(message.bytes);
      post({ type: "inputTaken" });
    } else if (message.type === "pause") await this.#pause();
    else if (message.type === "resume") this.#run?.resume();
    else if (message.type === "count") {
      post({ type: "counted", generatedCode: this.#run?.counts()["generatedCode"] ?? 0 });
    } else if (message.type === "net") this.#network?.hear(message.stream, message.event);
    else if (message.type === "mayConnect") this.#network?.answer(message.id, message.may);
    else if (message.type === "halt") await this.#halt();
    else if (message.type === "capture") await this.#capture(message.wanted);
    else {
      this.#stop.abort(new VmmError("the machine was stopped"));
      this.#run?.stop();
    }
  }

  async #pause(): Promise<void> {
    try {
      await this.#run?.pause();
      post({ type: "paused" });
    } catch (error) {
      post({ type: "paused", error: sentError(error) });
    }
  }

  async #start(plan: MachinePlan, snapshot: Snapshot | undefined): Promise<void> {
    try {
      const run = await this.#begin(plan, snapshot);
      this.#run = run;
      if (this.#stop.signal.aborted) run.stop();
      void run.ended.then(async ({ outcome }) => post({ type: "ended", outcome: (await this.#close()) ?? outcome }));
    } catch (error) {
      await this.#close();
      post({ type: "failed", error: sentError(error) });
    }
  }

  /** What a disk could not write at the end is how the machine ended. */
  async #close(): Promise<Outcome | undefined> {
    try {
      this.#network?.close();
      try {
        await this.#disks?.settle();
      } finally {
        this.#disks?.close();
      }
      return undefined;
    } catch (error) {
      return { kind: "failed", message: messageOf(error) };
    }
  }

  async #begin(plan: MachinePlan, snapshot: Snapshot | undefined): Promise<Run> {
    this.#ends = plan.ports.map((name, index) => new FarEnd(name, index));
    const state = snapshot && deviceStates(snapshot)[0];
    const console = new VirtioConsole(this.#ends, state?.device as VirtioConsoleState | undefined);
    for (const [index, port] of console.ports.entries()) this.#ends[index]?.connect(port);
    const { cpus, disks, network } = plan;
    const report = (sentence: string): void => post({ type: "report", sentence });
    const states = snapshot && deviceStates(snapshot);
    const saved = snapshot && states && { states: states.slice(1), images: snapshot.images };
    // What few need is loaded by those who do.
    if (disks.length > 0) {
      const { openPageDisks } = await import("./disks.js");
      this.#disks = await openPageDisks(disks, {
        cpus,
        report,
        saved,
        limit: plan.diskLimit,
        memory: plan.memoryShares?.disks,
      });
    }
    if (network) {
      const { PageNetwork } = await import("./network.js");
      this.#network = await PageNetwork.open(network, cpus, states?.at(-1), post);
    }
    const starting = {
      // Nothing is loaded for another implementation than what was asked for.
      openKvm: (guest: string) => openKvm(plan.type ? { guest, implementations: [plan.type] } : { guest }),
      implementation: plan.type,
      cpuLimit: plan.cpuLimit,
      codeLimit: plan.memoryShares?.code,
      devices: [
        new VirtioPciDevice(console, state),
        ...(this.#disks?.devices ?? []),
        ...(this.#network ? [this.#network.device] : []),
      ],
      spawn: () => threads.pop() ?? spawnVcpuThread(),
      output: this.#console.write,
      signal: this.#stop.signal,
    };
    post({ type: "ports", open: console.ports.map((port) => port.open) });
    const { run } = await (snapshot ? goOn(starting, snapshot) : this.#boot(plan, starting));
    post({ type: "running" });
    return run;
  }

  async #boot(plan: MachinePlan, starting: Starting): Promise<Started> {
    const aliases = [...new Set(starting.devices.flatMap((device) => device.aliases))];
    const files = await bootFiles(plan, aliases, (step) => post({ type: "progress", step }));
    const { guest, memory: memorySize, cpus, cpu: cpuModel } = plan;
    return begin(starting, { ...files, guest, memorySize, cpus, cpuModel });
  }

  /** What comes after `halted` the page has before it answers that. */
  async #halt(): Promise<void> {
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      const time = new Promise<never>((_, reject) => {
        const why = new VmmError(`the guest has not read in ${patience / 1000} s what was sent to it`);
        late = setTimeout(() => reject(why), patience);
      });
      await Promise.race([Promise.all(this.#ends.map((end) => end.empty())), time]);
      if (!this.#run) throw new VmmError("the machine does not run");
      await this.#run.pause();
      for (const end of this.#ends) end.halted = true;
      post({ type: "halted" });
    } catch (error) {
      post({ type: "notCaptured", error: sentError(error) });
    } finally {
      clearTimeout(late);
    }
  }

  /** It stands still meanwhile. */
  async #capture(wanted: boolean): Promise<void> {
    const run = this.#run;
    if (!run) return;
    try {
      if (!wanted) return;
      const { snapshot } = await capture(run, { images: () => this.#disks?.images() ?? {} });
      post({ type: "captured", snapshot }, buffersOf(snapshot));
    } catch (error) {
      post({ type: "notCaptured", error: sentError(error) });
    } finally {
      run.resume();
      for (const end of this.#ends) end.halted = false;
    }
  }
}

/** What need not be copied on its way. */
function buffersOf({ images }: Snapshot): ArrayBuffer[] {
  const all = Object.values(images).flatMap(({ runs }) => runs.map(({ bytes }) => bytes.buffer));
  return [...new Set(all)].filter((buffer): buffer is ArrayBuffer => buffer instanceof ArrayBuffer);
}

const machine = new FarMachine();
addEventListener("message", ({ data }: MessageEvent<ToMachine>) => void machine.hear(data));
// Where a worker makes a worker, Firefox may wait for ever: the new one's thread may take the notification that its maker waits
// for. So it is done before this worker has anything to lose, and the page makes another one if the second greeting does not come.
postMessage(Greeting.loaded);
const threads = crossOriginIsolated ? Array.from({ length: Number(self.name.slice(7)) }, spawnVcpuThread) : [];
postMessage(Greeting.ready);
