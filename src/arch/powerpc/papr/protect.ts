import { HpteR } from "../mmu/hpt.js";
import { HcallStatus, hcall } from "./hcall.js";
import { avpnOf, HptFlag, withValid } from "./hpt.js";

const changed = HpteR.pp0 | HpteR.pp | HpteR.noExecute | HpteR.keyHigh | HpteR.keyLow;

/** Sets the protection and the key of an entry, which the flags carry. */
export const protect = hcall(0x18, "H_PROTECT", { enabled: true }, ({ vm }, [flags, index, avpn]) =>
  withValid(vm, index, (hpt, at, entry) => {
    if (flags & HptFlag.avpn && avpnOf(entry) !== avpn) return HcallStatus.notFound;
    const low = flags & (HpteR.pp | HpteR.noExecute | HpteR.keyLow);
    hpt.change(at, changed, low | ((flags << 55n) & HpteR.pp0) | ((flags << 48n) & HpteR.keyHigh));
    return HcallStatus.success;
  }),
);
