import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** The TCE of a bus address, in r4. */
export const getTce = hcall(0x1c, "H_GET_TCE", { enabled: true }, (vcpu, [liobn, ioba]) => {
  const table = vcpu.vm.tceTables.find(liobn);
  if (!table) return tooHard;
  const index = table.index(ioba, 1n);
  if (index === undefined) return HcallStatus.parameter;
  vcpu.setGpr(4, table.at(index));
  return HcallStatus.success;
});
