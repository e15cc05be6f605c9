/** Runs one vCPU of a VM that it is sent, and says what the first exit is. */
import { parentPort } from "node:worker_threads";
import { attachVm } from "../../../kernel/attach.js";
import type { SharedVm } from "../../../kvm/uapi.js";

export interface GuestWorkerStart {
  readonly vm: SharedVm;
  readonly cpu: number;
  /** Goes on after an interruption, unless it is by immediateExit. */
  readonly persist?: boolean;
}

parentPort?.once("message", async ({ vm, cpu, persist = false }: GuestWorkerStart) => {
  const vcpu = (await attachVm(vm)).vcpu(cpu);
  parentPort?.postMessage("ready");
  let exit = vcpu.run();
  while (persist && exit.reason === "intr" && !vcpu.immediateExit) exit = vcpu.run();
  parentPort?.postMessage({ exit, stats: vcpu.stats() });
});
