import { HcallStatus, hcall } from "./hcall.js";

/** Wakes a processor that ceded, or makes its next H_CEDE return at once. */
export const prod = hcall(0xe8, "H_PROD", { enabled: true }, (vcpu, [target]) => {
  const other = vcpu.vm.vcpu(target);
  if (!other) return HcallStatus.parameter;
  other.prod();
  return HcallStatus.success;
});
