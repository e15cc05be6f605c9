import { byteSwap } from "../../../base/bits.js";
import { HcallStatus, hcall, tooHard } from "./hcall.js";
import { isAccessSize, readBig } from "./logical-ci.js";

/** Loads from a real address: r4 is the value. What is neither memory nor the XIVE's is the user side's. */
export const logicalCiLoad = hcall(0x3c, "H_LOGICAL_CI_LOAD", { enabled: false }, (vcpu, [size, address]) => {
  if (!isAccessSize(size) || address & (size - 1n)) return HcallStatus.parameter;
  const view = vcpu.vm.memory.read(address, Number(size));
  if (!view) {
    const found = vcpu.vm.busRead(vcpu, address, Number(size));
    if (found === undefined) return tooHard;
    vcpu.setGpr(4, byteSwap(found, Number(size)));
    return HcallStatus.success;
  }
  vcpu.setGpr(4, readBig(view, size));
  return HcallStatus.success;
});
