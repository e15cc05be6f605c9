import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** Asks for an inter-processor interrupt at a server, with a priority; 0xff takes it back. */
export const ipi = hcall(0x6c, "H_IPI", { enabled: true }, (vcpu, [server, priority]) => {
  const { xics } = vcpu.vm;
  if (!xics) return tooHard;
  if (server > 0xffffn) return HcallStatus.parameter;
  vcpu.trace("interrupt", "IPI", { server, priority });
  return xics.setMfrr(Number(server), Number(priority & 0xffn)) ? HcallStatus.success : HcallStatus.parameter;
});
