/**
 * Threads for vCPUs that have loaded their code and wait for a start message. Loading takes a thread longer than all else that a
 * twin waits for. They are there while somebody keeps VMs that may be forked, and no sooner than these have lived a while and
 * the process has nothing else to do: what runs one command and ends does not pay for them, nor do the commands of a VM that
 * runs one after the other. The thread of a VM that ends is one, too, while others live.
 */
import { Worker } from "node:worker_threads";
import { thisPackage } from "../base/package.js";
import { ProcessWide } from "../base/process-wide.js";
import type { SharedVm } from "../kvm/uapi.js";
import type { VcpuThreadStart } from "../vmm/core/machine.js";
import { threadArguments } from "./thread-arguments.js";

/** What such a thread loads; goes through postMessage. */
export interface ThreadWarming {
  /** As a VM's that is on its way here: it has no memory of its own, so that no VM's memory is kept. */
  readonly warm: SharedVm;
  readonly kind: string | undefined;
}

/** After the first VM was made, and after a spare thread was taken, ms. */
const patience = { first: 2000, next: 500 } as const;
/**
 * The process is quiet that took less than this share of a processor's time for so long, ms. It is looked at so often at most: who
 * has always something to do has it made beside that once, and twins without a delay.
 */
const quiet = { share: 0.3, milliseconds: 250, looks: 16 } as const;
const mostSpares = 2;
/** Bytes of WebAssembly's pages that stand for a VM's memory. */
const smallMemory = { initial: 16, maximum: 16, shared: true } as const;

/** A bundle can have this file twice: in the part that begins a thread early, and in the rest. */
const kept = new ProcessWide<Worker[]>(`unikvm.spareThreads ${thisPackage.url}`);
kept.value ??= [];
const spares = kept.value;
let wanted = 0;
let warming: ThreadWarming | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

/** MB of young heap. A vCPU's thread makes hardly any garbage, and V8 would keep what loading the code took: 11 MB. */
const resourceLimits = { maxYoungGenerationSizeMb: 3 };

const newWorker = (): Worker =>
  new Worker(new URL("./vcpu-worker.js", import.meta.url), { ...threadArguments(), resourceLimits });

/** How many there are. */
export const spareThreads = (): number => spares.length;

/** What a thread is told that waits for another VM: nothing of the last one is to stay, its memory above all. */
export interface ThreadRest {
  readonly rest: true;
}

/** What a thread loads before there is a VM; goes through postMessage. */
export interface ThreadPreloading {
  /** The implementation of the VM that will be. */
  readonly preload: string;
}

/**
 * Begins a thread at once, unless there is one, which loads its code while the caller makes the VM that it is for. What it gives
 * is called if nothing comes of that VM. Such code is there for the default guest's machine alone. The command line begins with
 * this file, before it loads any machine.
 */
export function beginThread(implementation: string): () => void {
  if (spares.length > 0) return () => undefined;
  const worker = idle(newWorker());
  worker.postMessage({ preload: implementation } satisfies ThreadPreloading);
  spares.push(worker);
  return () => {
    const at = spares.indexOf(worker);
    if (at < 0 || wanted > 0) return;
    spares.splice(at, 1);
    void worker.terminate();
  };
}

/**
 * Leaves alone what Node.js itself listens for ("newListener"): by that it begins again to take messages, which it stops when the
 * last who listens for them goes. Without, the thread's first word is never heard.
 */
function forget(worker: Worker): void {
  for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
}

/** A spare one, or a new one. */
export function takeWorker(): Worker {
  const spare = spares.pop();
  if (!spare) return newWorker();
  forget(spare);
  spare.ref();
  later(patience.next);
  return spare;
}

/** A thread that has done its work becomes a spare one, if another is wanted. */
export function giveBack(worker: Worker): boolean {
  if (spares.length >= Math.min(wanted, mostSpares)) return false;
  forget(worker);
  worker.postMessage({ rest: true } satisfies ThreadRest);
  spares.push(idle(worker));
  return true;
}

/** What the next spare threads load is what this one was started for. */
export function noteStart({ vm, kind }: Pick<VcpuThreadStart, "vm" | "kind">): void {
  const memory = new WebAssembly.Memory(smallMemory);
  // A generation that no memory has: the thread does what it can before the VM comes.
  warming = { warm: { ...vm, memory, generation: -1 }, kind };
  later(patience.first);
}

/** Has spare threads made until the call's answer is called. */
export function keepSpareThreads(): () => void {
  wanted++;
  later(patience.first);
  let kept = true;
  return () => {
    if (!kept) return;
    kept = false;
    if (--wanted > 0) return;
    clearTimeout(timer);
    timer = undefined;
    warming = undefined;
    for (const worker of spares.splice(0)) void worker.terminate();
  };
}

function later(delay: number): void {
  if (timer === undefined && wanted > 0) after(delay, () => makeWhenQuiet(quiet.looks));
}

/** `then`, if a spare thread is still to be made. */
function after(delay: number, then: (start: ThreadWarming) => void): void {
  timer = setTimeout(() => {
    timer = undefined;
    if (wanted > 0 && warming && spares.length < Math.min(wanted, mostSpares)) then(warming);
  }, delay);
  timer.unref();
}

function makeWhenQuiet(looks: number): void {
  const before = process.cpuUsage();
  const begin = performance.now();
  after(quiet.milliseconds, (start) => {
    const { user, system } = process.cpuUsage(before);
    const share = (user + system) / 1000 / (performance.now() - begin);
    if (share > quiet.share && looks > 1) return makeWhenQuiet(looks - 1);
    spares.push(warmed(start));
    later(patience.next);
  });
}

function warmed(start: ThreadWarming): Worker {
  const worker = idle(newWorker());
  worker.postMessage(start);
  return worker;
}

/** It keeps no process alive. */
function idle(worker: Worker): Worker {
  const gone = (): void => {
    const at = spares.indexOf(worker);
    if (at >= 0) spares.splice(at, 1);
  };
  // Who needs one makes one then, and meets the error.
  worker.on("error", gone);
  worker.on("exit", gone);
  worker.unref();
  return worker;
}
