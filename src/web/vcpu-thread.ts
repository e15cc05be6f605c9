/** Starts worker threads for vCPUs in a page. */
import type { PlatformThread, VcpuThreadMessage } from "../vmm/core/machine.js";

/**
 * Makes a thread that waits for its start message. Needs a page that is cross-origin isolated (COOP, COEP). Called in a worker,
 * Firefox may never come back from it (machine-worker.ts).
 */
export function spawnVcpuThread(): PlatformThread {
  const worker = new Worker(new URL("./vcpu-worker.js", import.meta.url), { type: "module" });
  const death = new Promise<string>((resolve) =>
    worker.addEventListener("error", ({ message }) => resolve(message || "it could not start")),
  );
  return {
    post: (start) => worker.postMessage(start),
    onMessage: (listener) =>
      worker.addEventListener("message", ({ data }: MessageEvent<VcpuThreadMessage>) => listener(data)),
    onDeath: (listener) => void death.then(listener),
    terminate: async () => worker.terminate(),
  };
}
