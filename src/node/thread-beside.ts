/**
 * One thread of the process that works beside all vCPUs' threads: it translates for them what is hot, while they run on.
 * A vCPU's thread talks to it without its event loop, in which it never is.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { collectGarbage } from "../base/garbage.js";
import { serveBesideVm } from "../kernel/attach.js";
import type { SharedVm } from "../kvm/uapi.js";
import { gathers, prepareOptimiser } from "../wasm/node/v8.js";
import { threadArguments } from "./thread-arguments.js";

/** What a vCPU's thread gets; goes through postMessage, with the port. */
export interface BesideStart {
  readonly port: MessagePort;
  /** i32s, see `Word`. */
  readonly words: SharedArrayBuffer;
}

/** What the thread beside gets for each vCPU. */
export interface BesideWork extends BesideStart {
  readonly vm: SharedVm;
  /** The request that it began for, if it did; the port has those behind it. */
  readonly first?: unknown;
}

/** `answers`: how many were posted; `dead`: 1 once the thread has died. */
const Word = { answers: 0, dead: 1 } as const;

/**
 * MB of heap. 20 to 30 live; without a limit V8 lets garbage grow to 120. A thread that needs more dies, and the vCPUs' do
 * its work.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 96 };

interface Running {
  readonly worker: Worker;
  /** Of the vCPUs that it works for. */
  readonly users: Set<Int32Array>;
}

let running: Running | undefined;

function start(): Running {
  const worker = new Worker(new URL("./vcpu-worker.js", import.meta.url), {
    ...threadArguments(),
    resourceLimits,
  });
  const started: Running = { worker, users: new Set() };
  const died = (): void => {
    if (running === started) running = undefined;
    for (const words of started.users) Atomics.store(words, Word.dead, 1);
  };
  // No harm: the vCPUs' threads then do without, and meet the error, if there is one, themselves.
  worker.on("error", died);
  worker.on("exit", died);
  worker.unref();
  return started;
}

/**
 * Has the thread beside work for one more vCPU of this VM: at once, or (`late`) from its first request on, since loading its
 * code costs more than a guest that goes on for one command runs.
 */
export function workBeside(
  vm: SharedVm,
  late: boolean,
): { readonly start: BesideStart; readonly end: () => Promise<void> } {
  const { port1, port2 } = new MessageChannel();
  const words = new SharedArrayBuffer(8);
  const view = new Int32Array(words);
  let mine: Running | undefined;
  const begin = (first?: unknown) => {
    running ??= start();
    mine = running;
    mine.users.add(view);
    mine.worker.postMessage({ vm, port: port1, words, first } satisfies BesideWork, [port1]);
  };
  if (late) {
    port1.once("message", begin);
    port1.unref();
  } else begin();
  return {
    start: { port: port2, words },
    end: async () => {
      if (!mine) return port1.close();
      const { worker, users } = mine;
      if (!users.delete(view) || users.size > 0) return;
      if (running === mine) running = undefined;
      await worker.terminate();
    },
  };
}

/** The thread beside, for a vCPU's thread: `ThreadBeside` of what attaches to the VM. */
export function threadBeside({ port, words }: BesideStart) {
  const view = new Int32Array(words);
  let taken = 0;
  return {
    gathers,
    get alive() {
      return Atomics.load(view, Word.dead) === 0;
    },
    post: (request: unknown) => port.postMessage(request),
    take: (): unknown => {
      if (Atomics.load(view, Word.answers) === taken) return undefined;
      const received = receiveMessageOnPort(port);
      if (received) taken = (taken + 1) | 0;
      return received?.message as unknown;
    },
  };
}

/** After a vCPU's thread has ended, ms: others of its VM end, too. */
const soon = 50;
let collecting: ReturnType<typeof setTimeout> | undefined;

/** A VM's memory is freed when all threads that had it have collected garbage. This one would long have no reason to. */
function collectSoon(): void {
  if (collecting !== undefined) return;
  collecting = setTimeout(() => {
    collecting = undefined;
    collectGarbage();
  }, soon).unref();
}

/** What the thread beside does for a vCPU, until that one's thread ends. */
export async function serveBeside({ vm, port, words, first }: BesideWork): Promise<void> {
  const view = new Int32Array(words);
  port.once("close", collectSoon);
  prepareOptimiser();
  const told = await serveBesideVm(vm, (answer) => {
    port.postMessage(answer);
    Atomics.add(view, Word.answers, 1);
  });
  if (told) {
    if (first !== undefined) told(first);
    port.on("message", told);
  } else Atomics.store(view, Word.dead, 1);
}
