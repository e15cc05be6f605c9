/** What runs in a vCPU's worker thread. Nothing imports this file: vcpu-thread.ts starts it. */
import { attachVm, loadDisassembler } from "../arch/powerpc/module.js";
import { runVcpuThread } from "../vmm/core/vcpu-thread.js";
import { createPseriesVcpuSide } from "../vmm/machines/pseries/vcpu-side.js";
import { serveVcpuThread } from "./vcpu-thread.js";

serveVcpuThread((start, post) =>
  runVcpuThread(start, { attach: attachVm, createSide: createPseriesVcpuSide, post, loadDisassembler }),
);
