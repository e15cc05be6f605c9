/** Starts worker threads for vCPUs and is what runs in them. */
import { isMainThread, parentPort } from "node:worker_threads";
import { collectGarbage } from "../base/garbage.js";
import type { PlatformThread, VcpuThreadMessage, VcpuThreadStart } from "../vmm/core/machine.js";
import {
  giveBack,
  noteStart,
  type ThreadPreloading,
  type ThreadRest,
  type ThreadWarming,
  takeWorker,
} from "./spare-threads.js";
import { type BesideStart, type BesideWork, serveBeside, workBeside } from "./thread-beside.js";

/** The first message of such a thread. */
interface ThreadStart {
  readonly start: VcpuThreadStart;
  readonly beside: BesideStart | undefined;
}

/** Makes a thread that waits for its start message. */
export function spawnVcpuThread(): PlatformThread {
  const worker = takeWorker();
  let expected = false;
  let hasFinished = false;
  worker.on("message", ({ type }: VcpuThreadMessage) => {
    hasFinished ||= type === "finished";
  });
  let endBeside = async (): Promise<void> => undefined;
  return {
    post: (start) => {
      noteStart(start);
      // Only one of the implementations has work to give away. A guest that goes on may have little of it left.
      const beside = start.vm.implementation === "hv" ? workBeside(start.vm, start.latent !== undefined) : undefined;
      if (beside) endBeside = beside.end;
      const message: ThreadStart = { start, beside: beside?.start };
      worker.postMessage(message, beside ? [beside.start.port] : []);
    },
    onMessage: (listener) => void worker.on("message", listener),
    onDeath: (listener) => {
      worker.on("error", (error) => listener(error.message));
      worker.on("exit", (code) => {
        if (!expected && code !== 0) listener(`exit code ${code}`);
      });
    },
    terminate: async () => {
      expected = true;
      // One that has done its work can do more.
      await Promise.all([(hasFinished && giveBack(worker)) || worker.terminate(), endBeside()]);
    },
  };
}

/**
 * On a worker thread: calls `body` with the start message of a vCPU's thread, of one after the other; `warmUp` if it is to be
 * ready for one, `preload` if there will be one; or works beside such threads, if the messages are about that.
 */
export function serveVcpuThread(
  body: (
    start: VcpuThreadStart,
    beside: BesideStart | undefined,
    post: (message: VcpuThreadMessage) => void,
  ) => Promise<void>,
  warmUp: (warming: ThreadWarming) => Promise<void>,
  preload: (implementation: string) => Promise<unknown>,
): void {
  const port = parentPort;
  if (isMainThread || !port) throw new Error("this file is for worker threads");
  port.on("message", (message: ThreadStart | ThreadWarming | ThreadPreloading | ThreadRest | BesideWork) => {
    // What cannot be loaded now is met by who starts the thread.
    if ("warm" in message) void warmUp(message).catch(() => undefined);
    else if ("preload" in message) void preload(message.preload).catch(() => undefined);
    else if ("rest" in message) setImmediate(collectGarbage);
    else if ("start" in message) {
      void body(message.start, message.beside, (said) => port.postMessage(said)).finally(() => {
        message.beside?.port.close();
      });
    } else void serveBeside(message);
  });
}
