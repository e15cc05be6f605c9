/** Starts worker threads for vCPUs in a page. */
import type { PlatformThread, VcpuThreadMessage } from "../vmm/core/machine.js";

/** Makes a thread that waits for its start message. Needs a page that is cross-origin isolated (COOP, COEP). */
export function spawnVcpuThread(): PlatformThread {
  const worker = new Worker(new URL("./vcpu-worker.js", import.meta.url), { type: "module" });
  return {
    post: (start) => worker.postMessage(start),
    onMessage: (listener) =>
      worker.addEventListener("message", ({ data }: MessageEvent<VcpuThreadMessage>) => listener(data)),
    onDeath: (listener) => worker.addEventListener("error", ({ message }) => listener(message || "it could not start")),
    terminate: async () => worker.terminate(),
  };
}
