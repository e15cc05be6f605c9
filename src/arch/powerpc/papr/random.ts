import { HcallStatus, hcall } from "./hcall.js";

/** 64 random bits in r4. */
export const random = hcall(0x300, "H_RANDOM", { enabled: false }, (vcpu) => {
  const [value = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  vcpu.setGpr(4, value);
  return HcallStatus.success;
});
