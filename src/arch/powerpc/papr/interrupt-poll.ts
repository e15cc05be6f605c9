import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** What is presented at a server (r4) and its IPI's priority (r5), without taking it. */
export const interruptPoll = hcall(0x70, "H_IPOLL", { enabled: true }, (vcpu, [server]) => {
  const { xics } = vcpu.vm;
  if (!xics) return tooHard;
  const state = server <= 0xffffn ? xics.poll(Number(server)) : undefined;
  if (!state) return HcallStatus.parameter;
  vcpu.setGpr(4, BigInt(state.xirr));
  vcpu.setGpr(5, BigInt(state.mfrr));
  return HcallStatus.success;
});
