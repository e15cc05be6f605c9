/** Translation control entries, by which devices reach memory. Source: PAPR, "TCE Access Calls". */
import { type HcallHandlers, HcallStatus, tooHard } from "./hcall.js";

const mostTces = 512n;

export const dmaHcalls = {
  /** The TCE of a bus address, in r4. */
  H_GET_TCE: (vcpu, [liobn, ioba]) => {
    const table = vcpu.vm.tceTables.find(liobn);
    if (!table) return tooHard;
    const index = table.index(ioba, 1n);
    if (index === undefined) return HcallStatus.parameter;
    vcpu.setGpr(4, table.at(index));
    return HcallStatus.success;
  },

  /** Sets the TCE of a bus address. */
  H_PUT_TCE: ({ vm }, [liobn, ioba, tce]) => {
    const table = vm.tceTables.find(liobn);
    if (!table) return tooHard;
    const index = table.index(ioba, 1n);
    if (index === undefined || !table.valid(tce)) return HcallStatus.parameter;
    table.put(index, tce);
    return HcallStatus.success;
  },

  /** Sets one TCE (without permissions, usually) for a range of bus addresses. */
  H_STUFF_TCE: ({ vm }, [liobn, ioba, tce, count]) => {
    const table = vm.tceTables.find(liobn);
    if (!table) return tooHard;
    const first = table.index(ioba, count);
    if (first === undefined || !table.valid(tce)) return HcallStatus.parameter;
    // A page that a device may use must not be put at several addresses.
    if (tce & 3n) return HcallStatus.parameter;
    table.fill(first, count, tce);
    return HcallStatus.success;
  },

  /** Sets the TCEs of a range of bus addresses from a list in a page of memory. */
  H_PUT_TCE_INDIRECT: ({ vm }, [liobn, ioba, list, count]) => {
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
} satisfies HcallHandlers;
