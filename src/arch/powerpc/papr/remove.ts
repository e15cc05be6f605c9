import { HcallStatus, hcall } from "./hcall.js";
import { avpnOf, HptFlag, withValid } from "./hpt.js";

/** Takes an entry out of the page table; r4 and r5 are what it was, with R and C as the MMU left them. */
export const remove = hcall(0x04, "H_REMOVE", { enabled: true }, (vcpu, [flags, index, avpn]) =>
  withValid(vcpu.vm, index, (hpt, at, entry) => {
    if (flags & HptFlag.avpn && avpnOf(entry) !== avpn) return HcallStatus.notFound;
    if (flags & HptFlag.andCondition && entry.v & avpn) return HcallStatus.notFound;
    const { v, r } = hpt.remove(at);
    vcpu.setGpr(4, v);
    vcpu.setGpr(5, r);
    return HcallStatus.success;
  }),
);
