import { RtasStatus, rtas } from "./rtas.js";

/** The calling CPU is done with its error log: it can take another machine check. */
export const nmiInterlock = rtas(0x202b, "ibm,nmi-interlock", [0, 1], (host, { cpu }) =>
  host.releaseNmi(cpu) ? RtasStatus.success : RtasStatus.parameterError,
);
