import { HcallStatus, hcall } from "./hcall.js";

const everyone = BigInt.asUintN(64, -1n);

/**
 * Gives this processor's time to another. Every vCPU has a thread of the host, so there is nothing to hand over: the host
 * schedules whoever can run.
 */
export const confer = hcall(0xe4, "H_CONFER", { enabled: true }, (vcpu, [target]) =>
  target === everyone || vcpu.vm.vcpu(target) ? HcallStatus.success : HcallStatus.parameter,
);
