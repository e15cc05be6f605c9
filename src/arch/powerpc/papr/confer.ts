import { HcallStatus, hcall } from "./hcall.js";

const everyone = BigInt.asUintN(64, -1n);

/**
 * Gives this processor's time to another. Where every vCPU has a thread of the host there is nothing to hand over: the host
 * schedules whoever can run. Where they share one, the others come first.
 */
export const confer = hcall(0xe4, "H_CONFER", { enabled: true }, (vcpu, [target]) => {
  if (target !== everyone && !vcpu.vm.vcpu(target)) return HcallStatus.parameter;
  vcpu.giveWay();
  return HcallStatus.success;
});
