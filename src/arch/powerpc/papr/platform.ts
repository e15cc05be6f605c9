/** The platform: random numbers, RTAS. */
import { type HcallHandlers, HcallStatus } from "./hcall.js";
import { rtas } from "./rtas.js";

export const platformHcalls = {
  /** 64 random bits in r4. */
  H_RANDOM: (vcpu) => {
    const [value = 0n] = crypto.getRandomValues(new BigUint64Array(1));
    vcpu.setGpr(4, value);
    return HcallStatus.success;
  },

  H_RTAS: rtas,
} satisfies HcallHandlers;
