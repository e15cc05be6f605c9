import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** Sets one TCE (without permissions, usually) for a range of bus addresses. */
export const stuffTce = hcall(0x138, "H_STUFF_TCE", { enabled: false }, ({ vm }, [liobn, ioba, tce, count]) => {
  const table = vm.tceTables.find(liobn);
  if (!table) return tooHard;
  const first = table.index(ioba, count);
  if (first === undefined || !table.valid(tce)) return HcallStatus.parameter;
  // A page that a device may use must not be put at several addresses.
  if (tce & 3n) return HcallStatus.parameter;
  table.fill(first, count, tce);
  return HcallStatus.success;
});
