/** The user side: machines, and what runs them. The public names of `unikvm/vmm`. */
export type {
  Machine,
  Outcome,
  PlatformThread,
  VcpuThreadMessage,
  VcpuThreadStart,
} from "./core/machine.js";
export { type Run, type RunMoveOptions, type RunOptions, runMachine } from "./core/run.js";
export { runVcpuThread } from "./core/vcpu-thread.js";
export { Nvram } from "./devices/nvram.js";
export { Rtc } from "./devices/rtc.js";
export { VmmError } from "./errors.js";
export type { ElfImage } from "./loaders/elf.js";
export { loadKernelImage } from "./loaders/kernel-image.js";
export { cpuModelNames } from "./machines/pseries/cpu-models.js";
export { createPseries, maximumMemory, minimumMemory } from "./machines/pseries/machine.js";
export { createPseriesVcpuSide } from "./machines/pseries/vcpu-side.js";
