import { HcallStatus, hcall, tooHard } from "./hcall.js";

const mostTces = 512n;

/** Sets the TCEs of a range of bus addresses from a list in a page of memory. */
export const putTceIndirect = hcall(
  0x13c,
  "H_PUT_TCE_INDIRECT",
  { enabled: false },
  ({ vm }, [liobn, ioba, list, count]) => {
    const table = vm.tceTables.find(liobn);
    if (!table) return tooHard;
    if (count > mostTces || list & 0xfffn) return HcallStatus.parameter;
    const first = table.index(ioba, count);
    if (first === undefined) return HcallStatus.parameter;
    const view = vm.memory.read(list & ~3n, Number(count) * 8);
    if (!view) return HcallStatus.parameter;
    // Taken once, since the guest can change them meanwhile; and all looked at before any is set.
    const tces = Array.from({ length: Number(count) }, (_, i) => view.getBigUint64(8 * i));
    if (!tces.every((tce) => table.valid(tce))) return HcallStatus.parameter;
    for (const [i, tce] of tces.entries()) table.put(first + BigInt(i), tce);
    return HcallStatus.success;
  },
);
