/** Runs one vCPU of a VM that it is sent, and says what the first exit is that is not an interruption. */
import { parentPort } from "node:worker_threads";
import type { SharedVm } from "../../../kvm/uapi.js";
import { attachVm } from "../module.js";

export interface GuestWorkerStart {
  readonly vm: SharedVm;
  readonly cpu: number;
}

parentPort?.once("message", async ({ vm, cpu }: GuestWorkerStart) => {
  const vcpu = (await attachVm(vm)).vcpu(cpu);
  parentPort?.postMessage("ready");
  let exit = vcpu.run();
  while (exit.reason === "intr" && !vcpu.immediateExit) exit = vcpu.run();
  parentPort?.postMessage({ exit, stats: vcpu.stats() });
});
