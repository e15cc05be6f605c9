/** The XIVE as KVM_CREATE_DEVICE makes it (CONFIG_KVM_XIVE). */

import { KvmError } from "../../../base/errors.js";
import type { DeviceType } from "../../../kvm/arch.js";
import { KVM_DEV_TYPE_XIVE } from "../../../kvm/constants.js";
import { xiveDevice } from "../interrupts/xive/device.js";
import { loadXive, restoreXive, type SavedXive, saveXive } from "../interrupts/xive/save.js";
import { Xive } from "../interrupts/xive/xive.js";
import { ppcVmOf, requireNoController } from "../vm/ppc-vm.js";
import { ppcVm } from "../vm/state.js";

const xive: DeviceType = {
  type: KVM_DEV_TYPE_XIVE,
  present: () => true,
  save: (vm) => saveXive(vm.mem, vm.mem.u32(ppcVmOf(vm).address + ppcVm.offset.xive)),
  restore: (vm, saved) =>
    vm.mem.store(ppcVmOf(vm).address + ppcVm.offset.xive, restoreXive(vm.mem, saved as SavedXive)),
  load: (vm, saved) => loadXive(vm.mem, vm.mem.u32(ppcVmOf(vm).address + ppcVm.offset.xive), saved),
  create: (vm) => {
    requireNoController(vm);
    vm.mem.store(ppcVmOf(vm).address + ppcVm.offset.xive, Xive.create(vm.mem));
    return xive.attach(vm);
  },
  attach: (vm) => {
    const controller = ppcVmOf(vm).xive;
    if (!controller) throw new KvmError("ENODEV", "the VM has no XIVE");
    return xiveDevice(controller, (address, bytes) =>
      vm.slots.list().some(({ base, size }) => base < address + bytes && address < base + size),
    );
  },
};

/** Empty where it is configured out. */
export const xiveDevices: readonly DeviceType[] = [xive];
