import { HpteR } from "../mmu/hpt.js";
import { HcallStatus, hcall } from "./hcall.js";
import { withValid } from "./hpt.js";

/** Clears the change bit of an entry; r4 is its second doubleword as it was. */
export const clearMod = hcall(0x10, "H_CLEAR_MOD", { enabled: false }, (vcpu, [, index]) =>
  withValid(vcpu.vm, index, (hpt, at) => {
    vcpu.setGpr(4, hpt.change(at, HpteR.changed, 0n));
    return HcallStatus.success;
  }),
);
