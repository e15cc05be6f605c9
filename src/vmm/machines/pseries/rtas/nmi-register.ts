import { RtasStatus, rtas } from "./rtas.js";

/** The real addresses of the guest's handlers of System Reset and Machine Check. */
export const nmiRegister = rtas(
  0x202a,
  "ibm,nmi-register",
  [2, 1],
  (host, { inputs: [systemReset = 0, machineCheck = 0] }) =>
    host.registerNmi(systemReset, machineCheck) ? RtasStatus.success : RtasStatus.parameterError,
);
