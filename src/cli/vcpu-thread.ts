/** Starts worker threads for vCPUs and is what runs in them. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import type { PlatformThread, VcpuThreadMessage, VcpuThreadStart } from "../vmm/core/machine.js";

/** Makes a thread that waits for its start message. */
export function spawnVcpuThread(): PlatformThread {
  const worker = new Worker(new URL("./vcpu-worker.js", import.meta.url));
  let expected = false;
  return {
    post: (start) => worker.postMessage(start),
    onMessage: (listener) => void worker.on("message", listener),
    onDeath: (listener) => {
      worker.on("error", (error) => listener(error.message));
      worker.on("exit", (code) => {
        if (!expected && code !== 0) listener(`exit code ${code}`);
      });
    },
    terminate: async () => {
      expected = true;
      await worker.terminate();
    },
  };
}

/** Calls `body` with the start message, on a worker thread. */
export function serveVcpuThread(
  body: (start: VcpuThreadStart, post: (message: VcpuThreadMessage) => void) => Promise<void>,
): void {
  const port = parentPort;
  if (isMainThread || !port) throw new Error("this file is for worker threads");
  port.once("message", (start: VcpuThreadStart) => {
    void body(start, (message) => port.postMessage(message)).finally(() => port.close());
  });
}
