/** What runs in a vCPU's worker thread of a page. Nothing imports this file: vcpu-thread.ts starts it. */
import { loadDisassembler, prepareAttachVm } from "../kernel/attach.js";
import type { VcpuThreadStart } from "../vmm/core/machine.js";
import { runVcpuThread } from "../vmm/core/vcpu-thread.js";
import { loadSide } from "../vmm/machines/machines.js";

addEventListener(
  "message",
  ({ data }: MessageEvent<VcpuThreadStart>) =>
    void runVcpuThread(data, {
      prepareAttach: prepareAttachVm,
      createSide: async (...side) => (await loadSide(data.kind))(...side),
      post: (message) => postMessage(message),
      loadDisassembler: () => loadDisassembler(data.vm),
    }),
  { once: true },
);
