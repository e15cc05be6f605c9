import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** Sets the TCE of a bus address. */
export const putTce = hcall(0x20, "H_PUT_TCE", { enabled: true }, ({ vm }, [liobn, ioba, tce]) => {
  const table = vm.tceTables.find(liobn);
  if (!table) return tooHard;
  const index = table.index(ioba, 1n);
  if (index === undefined || !table.valid(tce)) return HcallStatus.parameter;
  table.put(index, tce);
  return HcallStatus.success;
});
