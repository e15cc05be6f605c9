import { byteSwap } from "../../../base/bits.js";
import { HcallStatus, hcall, tooHard } from "./hcall.js";
import { isAccessSize, writeBig } from "./logical-ci.js";

/** Stores to a real address. What is neither memory nor an ioeventfd nor the XIVE's is the user side's. */
export const logicalCiStore = hcall(0x40, "H_LOGICAL_CI_STORE", { enabled: false }, (vcpu, [size, address, value]) => {
  const { vm } = vcpu;
  if (!isAccessSize(size) || address & (size - 1n)) return HcallStatus.parameter;
  const view = vm.memory.write(address, Number(size));
  if (view) {
    writeBig(view, size, value);
    vm.memory.codeWritten(address, Number(size));
    return HcallStatus.success;
  }
  const data = byteSwap(BigInt.asUintN(Number(size) * 8, value), Number(size));
  return vm.busWrite(vcpu, address, Number(size), data) ? HcallStatus.success : tooHard;
});
