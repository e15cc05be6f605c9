import { type RtasCall, RtasStatus } from "./rtas-call.js";

/** Gives a source back the priority that it had before ibm,int-off. */
export const intOn: RtasCall = {
  name: "ibm,int-on",
  arguments: 1,
  results: 1,
  handler: ({ xics }, [irq = 0]) => [xics?.on(irq) ? RtasStatus.success : RtasStatus.parameterError],
};
