/** The XICS as KVM_CREATE_DEVICE makes it (CONFIG_KVM_XICS). */

import { KvmError } from "../../../base/errors.js";
import type { DeviceType } from "../../../kvm/arch.js";
import { KVM_DEV_TYPE_XICS } from "../../../kvm/constants.js";
import { xicsDevice } from "../interrupts/xics/device.js";
import { loadXics, restoreXics, type SavedXics, saveXics } from "../interrupts/xics/save.js";
import { Xics } from "../interrupts/xics/xics.js";
import { ppcVmOf, requireNoController } from "../vm/ppc-vm.js";
import { ppcVm } from "../vm/state.js";

const xics: DeviceType = {
  type: KVM_DEV_TYPE_XICS,
  present: () => true,
  save: (vm) => saveXics(vm.mem, vm.mem.u32(ppcVmOf(vm).address + ppcVm.offset.xics)),
  restore: (vm, saved) =>
    vm.mem.store(ppcVmOf(vm).address + ppcVm.offset.xics, restoreXics(vm.mem, saved as SavedXics)),
  load: (vm, saved) => loadXics(vm.mem, vm.mem.u32(ppcVmOf(vm).address + ppcVm.offset.xics), saved),
  create: (vm) => {
    requireNoController(vm);
    vm.mem.store(ppcVmOf(vm).address + ppcVm.offset.xics, Xics.create(vm.mem));
    return xics.attach(vm);
  },
  attach: (vm) => {
    const controller = ppcVmOf(vm).xics;
    if (!controller) throw new KvmError("ENODEV", "the VM has no XICS");
    return xicsDevice(controller);
  },
};

/** Empty where it is configured out. */
export const xicsDevices: readonly DeviceType[] = [xics];
