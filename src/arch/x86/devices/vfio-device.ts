/** The KVM-VFIO device, which has nothing of x86's own (CONFIG_KVM_VFIO). */
import type { DeviceType } from "../../../kvm/arch.js";
import { vfioDeviceType } from "../../../kvm/vfio.js";

export const vfioDevices: readonly DeviceType[] = [vfioDeviceType({})];
