import { HpteR } from "../mmu/hpt.js";
import { HcallStatus, hcall } from "./hcall.js";
import { withValid } from "./hpt.js";

/** Clears the reference bit of an entry; r4 is its second doubleword as it was. */
export const clearRef = hcall(0x14, "H_CLEAR_REF", { enabled: false }, (vcpu, [, index]) =>
  withValid(vcpu.vm, index, (hpt, at) => {
    vcpu.setGpr(4, hpt.change(at, HpteR.referenced, 0n));
    return HcallStatus.success;
  }),
);
