import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** Takes the interrupt presented: r4 is the processor's old priority << 24 | the source. */
export const xirr = hcall(0x74, "H_XIRR", { enabled: true }, (vcpu) => {
  const { server, vm } = vcpu;
  if (!vm.xics || server === undefined) return tooHard;
  const taken = vm.xics.accept(server);
  vcpu.trace("interrupt", "XIRR", { server, xirr: taken });
  vcpu.setGpr(4, BigInt(taken));
  return HcallStatus.success;
});
