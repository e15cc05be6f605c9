import { HcallStatus, hcall } from "./hcall.js";

const msrEe = 0x8000n;

/** Gives the processor back until an interrupt or a prod, with external interrupts enabled. */
export const cede = hcall(0xe0, "H_CEDE", { enabled: true }, (vcpu) => {
  vcpu.setRegister("msr", vcpu.getRegister("msr") | msrEe);
  if (!vcpu.takeProd()) vcpu.halt();
  return HcallStatus.success;
});
