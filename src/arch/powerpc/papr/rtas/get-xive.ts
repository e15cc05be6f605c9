import { type RtasCall, RtasStatus } from "./rtas-call.js";

/** A source's server and priority. */
export const getXive: RtasCall = {
  name: "ibm,get-xive",
  arguments: 1,
  results: 3,
  handler: ({ xics }, [irq = 0]) => {
    const config = xics?.configuration(irq);
    return config ? [RtasStatus.success, config.server, config.priority] : [RtasStatus.parameterError];
  },
};
