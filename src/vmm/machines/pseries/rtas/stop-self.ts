import { RtasStatus, rtas } from "./rtas.js";

/** Stops the calling CPU until another starts it. */
export const stopSelf = rtas(0x2007, "stop-self", [0, 1], (host, { cpu }) => {
  host.stopCpu(cpu);
  return RtasStatus.success;
});
