/** What runs in a vCPU's worker thread. Nothing imports this file: vcpu-thread.ts starts it. */
import { loadDisassembler, preload, prepareAttachVm } from "../kernel/attach.js";
import { runVcpuThread } from "../vmm/core/vcpu-thread.js";
import { loadSide } from "../vmm/machines/machines.js";
import { readFile } from "../vmm/snapshot/node/stored-file.js";
import { threadBeside } from "./thread-beside.js";
import { threadTime } from "./thread-time.js";
import { serveVcpuThread } from "./vcpu-thread.js";

/** There will be a thread beside: what that one does is not loaded here. */
const noneYet = { alive: false, post: () => undefined, take: () => undefined };

serveVcpuThread(
  (start, beside, post) =>
    runVcpuThread(start, {
      prepareAttach: (vm) => prepareAttachVm(vm, beside && threadBeside(beside)),
      createSide: async (...side) => (await loadSide(start.kind))(...side),
      post,
      loadDisassembler: () => loadDisassembler(start.vm),
      readFile,
      threadTime,
    }),
  async ({ warm, kind }) => void (await Promise.all([prepareAttachVm(warm, noneYet), loadSide(kind)])),
  (implementation) => Promise.all([preload(implementation), loadSide(undefined)]),
);
