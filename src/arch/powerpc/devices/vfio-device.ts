/** The KVM-VFIO device, which knows sPAPR's TCE tables here (CONFIG_KVM_VFIO). */
import type { DeviceType } from "../../../kvm/arch.js";
import { vfioDeviceType } from "../../../kvm/vfio.js";
import { vfioTable } from "../vio/vfio-table.js";
import { ppcVmOf } from "../vm/ppc-vm.js";

/** Empty where it is configured out. */
export const vfioDevices: readonly DeviceType[] = [
  vfioDeviceType({ spaprTceTable: (vm, tablefd) => vfioTable(vm, ppcVmOf(vm).tceTables, tablefd) }),
];
