/** A VM's state out of its memory, and into the memory again in this version's layout. No vCPU runs meanwhile. */
import { KvmError } from "../base/errors.js";
import type { Arch } from "./arch.js";
import { free, freeRanges, type Range } from "./heap.js";
import type { VcpuInside, VmInside } from "./inside.js";
import { getRoutes, setRoutes } from "./irq-routing.js";
import { vmLayout } from "./layout.js";
import { restoreFields, type SavedVm, savedFormat, saveFields } from "./saved.js";
import * as layout from "./state.js";

const { vmState, vmStruct, vcpuRecord } = layout;

/** Fields of the VM that are made anew or saved in another way. */
const vmDerived = [
  "lock",
  "heapLock",
  "routes",
  "routesSet",
  "userCount",
  "user",
  "freeCount",
  "free",
  "deviceTypes",
  "vcpuRecords",
  "codeBytes",
] as const;
export const vcpuDerived = ["id", "index", "state", "running", "incomplete"] as const;

/** What of a VM is read and written here beside what everybody may. */
export interface SavableVm extends VmInside {
  readonly arch: Arch;
  createVcpuCore(id: number, options: { restored: boolean }): VcpuInside;
  userRanges(): Range[];
  keepUserRanges(ranges: readonly Range[]): void;
  dirtyRings(): Range[];
}

/** The devices that the VM has, by type. */
const deviceTypes = (vm: SavableVm): number[] => {
  const types = vm.mem.i32(vmState.deviceTypes);
  return Array.from({ length: 32 }, (_, type) => type).filter((type) => types & (1 << type));
};

/** EBUSY: a device whose state cannot be saved. */
export function saveVm(vm: SavableVm): SavedVm {
  const { mem, arch } = vm;
  const ids = Array.from({ length: layout.eventFdMax }, (_, id) => id);
  const fds = ids.filter((id) => mem.i32(layout.eventFdAt(id) + layout.eventFd.offset.state) !== 0);
  const bindings = Array.from({ length: mem.i32(vmState.ioeventfdEnd) }, (_, i) => layout.ioeventfdAt(i));
  const bound = bindings.filter((at) => mem.i32(at + layout.ioeventfd.offset.state) !== 0);
  const routes = getRoutes(mem);
  return {
    format: savedFormat,
    arch: arch.name,
    clockBase: mem.f64(vmLayout.clockBase),
    core: saveFields(mem, vmStruct, vmLayout.heap, vmDerived),
    slots: vm.slots.list(),
    eventFds: fds.map((id) => [id, saveFields(mem, layout.eventFd, layout.eventFdAt(id))]),
    ioeventfds: bound.map((at) => saveFields(mem, layout.ioeventfd, at)),
    routes: routes ?? [],
    routed: routes !== undefined,
    devices: deviceTypes(vm).map((type) => [type, saveDevice(vm, type)]),
    vcpus: vm.vcpus().map((vcpu) => ({
      id: vcpu.id,
      core: saveFields(mem, vcpuRecord, vcpu.record, vcpuDerived),
      arch: arch.saveVcpu(vcpu),
    })),
    archVm: arch.saveVm(vm),
    user: vm.userRanges(),
    kept: [...vm.slots.bitmaps(), ...vm.dirtyRings(), ...arch.keptRanges(vm)],
    free: freeRanges(mem),
    heapNext: mem.u32(vmLayout.heapNext),
  };
}

function saveDevice(vm: SavableVm, type: number): unknown {
  const row = vm.arch.devices.find((device) => device.type === type);
  if (!row?.save)
    throw new KvmError(
      "EBUSY",
      `the VM has a device of type ${type}, which cannot move to another kvm; close it first`,
    );
  return row.save(vm);
}

/**
 * Fills in a VM that has just been made over the same memory; all fixed addresses of its layout are 0, and `heapNext` is
 * where the allocator stood.
 */
export function restoreVm(vm: SavableVm, saved: SavedVm): void {
  const { mem, arch } = vm;
  restoreFields(mem, vmStruct, vmLayout.heap, saved.core, vmDerived);
  vm.keepUserRanges(saved.user);
  // What the other kvm had free can be taken now; its own data only when all of this has succeeded.
  free(mem, saved.free);
  arch.createVm(vm);
  mem.setF64(vmLayout.clockBase, saved.clockBase);
  vm.slots.restore(saved.slots);
  for (const [id, fields] of saved.eventFds) restoreFields(mem, layout.eventFd, layout.eventFdAt(id), fields);
  for (const [i, fields] of saved.ioeventfds.entries()) {
    restoreFields(mem, layout.ioeventfd, layout.ioeventfdAt(i), fields);
  }
  mem.setI32(vmState.ioeventfdEnd, saved.ioeventfds.length);
  arch.restoreVm(vm, saved.archVm);
  if (saved.routed ?? saved.routes.length > 0) setRoutes(mem, saved.routes, arch.irqchipPins(vm));
  for (const { id, core, arch: registers } of saved.vcpus) {
    const vcpu = vm.createVcpuCore(id, { restored: true });
    restoreFields(mem, vcpuRecord, vcpu.record, core, vcpuDerived);
    arch.restoreVcpu(vcpu, registers);
  }
  for (const [type, state] of saved.devices) {
    const row = arch.devices.find((device) => device.type === type && device.present(vm));
    if (!row?.restore)
      throw new KvmError("ENODEV", `this kvm has no device of type ${type} that can take another's state`);
    row.restore(vm, state);
    mem.setI32(vmState.deviceTypes, mem.i32(vmState.deviceTypes) | (1 << type));
  }
  free(mem, gaps([...saved.user, ...saved.kept, ...saved.free], layout.heapStart, saved.heapNext));
}

/** What of the addresses from `start` to `end` no range takes. */
function gaps(ranges: readonly Range[], start: number, end: number): Range[] {
  const free: Range[] = [];
  let at = start;
  for (const { address, bytes } of [...ranges].sort((a, b) => a.address - b.address)) {
    if (address > at) free.push({ address: at, bytes: address - at });
    at = Math.max(at, address + bytes);
  }
  if (end > at) free.push({ address: at, bytes: end - at });
  return free;
}
