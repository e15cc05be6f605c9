import { type RtasCall, RtasStatus } from "./rtas-call.js";

/** Sends a source to a server with a priority. */
export const setXive: RtasCall = {
  name: "ibm,set-xive",
  arguments: 3,
  results: 1,
  handler: ({ xics }, [irq = 0, server = 0, priority = 0]) => [
    xics?.configure(irq, { server, priority: priority & 0xff }) ? RtasStatus.success : RtasStatus.parameterError,
  ],
};
