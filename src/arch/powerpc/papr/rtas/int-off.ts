import { type RtasCall, RtasStatus } from "./rtas-call.js";

/** Masks a source. */
export const intOff: RtasCall = {
  name: "ibm,int-off",
  arguments: 1,
  results: 1,
  handler: ({ xics }, [irq = 0]) => [xics?.off(irq) ? RtasStatus.success : RtasStatus.parameterError],
};
