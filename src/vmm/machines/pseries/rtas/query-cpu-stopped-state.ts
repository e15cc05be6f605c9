import { RtasStatus, rtas } from "./rtas.js";

/** Whether a CPU is stopped, stopping or running. */
export const queryCpuStoppedState = rtas(
  0x2005,
  "query-cpu-stopped-state",
  [1, 2],
  (host, { inputs: [cpu = 0], outputs }) => {
    const state = host.cpuState(cpu);
    if (state === undefined) return RtasStatus.parameterError;
    outputs.push(state);
    return RtasStatus.success;
  },
);
