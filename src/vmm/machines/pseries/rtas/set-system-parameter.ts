import { RtasStatus, rtas } from "./rtas.js";

/** None of the platform's parameters can be set by the partition. */
export const setSystemParameter = rtas(0x2009, "ibm,set-system-parameter", [2, 1], () => {
  return RtasStatus.systemParameterNotWritable;
});
