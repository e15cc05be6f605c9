import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** H_XIRR, and in r5 the time base at which it came. */
export const xirrX = hcall(0x2fc, "H_XIRR_X", { enabled: true }, (vcpu) => {
  const { server, vm } = vcpu;
  if (!vm.xics || server === undefined) return tooHard;
  vcpu.setGpr(4, BigInt(vm.xics.accept(server)));
  vcpu.setGpr(5, vcpu.timeBase());
  return HcallStatus.success;
});
