import { CpuState, RtasStatus, rtas } from "./rtas.js";

/** Starts a stopped CPU: its number, the real address of its first instruction, what it finds in r3. */
export const startCpu = rtas(0x2006, "start-cpu", [3, 1], (host, { inputs: [cpu = 0, address = 0, argument = 0] }) => {
  const state = host.cpuState(cpu);
  if (state === undefined) return RtasStatus.parameterError;
  if (state !== CpuState.stopped) return RtasStatus.hardwareError;
  host.startCpu(cpu, address, argument);
  return RtasStatus.success;
});
