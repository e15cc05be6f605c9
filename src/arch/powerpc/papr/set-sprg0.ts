import { HcallStatus, hcall } from "./hcall.js";

/** Writes SPRG0 of the calling processor. Its being there is what "hcall-sprg0" in the device tree promises. */
export const setSprg0 = hcall(0x24, "H_SET_SPRG0", { enabled: false }, (vcpu, [value]) => {
  vcpu.setRegister("sprg0", value);
  return HcallStatus.success;
});
