/** A module's hypercalls, in a file of their own as the threads of vCPUs import them. */
import { HcallStatus, hcall } from "../papr/hcall.js";

/** r4 = twice r4. */
export const twice = hcall(0xf800, "H_TWICE", { enabled: true }, (vcpu, [value]) => {
  vcpu.setGpr(4, BigInt.asUintN(64, 2n * value));
  return HcallStatus.success;
});

export const hcalls = [twice];
