/**
 * What a VM's guest would miss, as plain values, and into another VM that was made in the same way: of any version of this
 * package and either implementation. Nothing in it is an address of the VM's memory: what the user side makes (memory, its
 * contents, vCPUs, devices, TCE tables, eventfds, routes), it makes again, and this fills in what the kernel side holds.
 * So a state from a hostile file can make nothing but a guest that does not work.
 */
import { KvmError } from "../base/errors.js";
import { anything, having, integer, listOf, recordOf, text, time } from "../base/takes.js";
import type { Arch } from "./arch.js";
import { hostNow } from "./clock.js";
import type { VmInside } from "./inside.js";
import { vmLayout } from "./layout.js";
import { vcpuDerived } from "./save-vm.js";
import { restoreFields, type SavedVcpu, savedFormat, savedValue, saveFields } from "./saved.js";
import { vcpuRecord, vmState } from "./state.js";
import type { VmState } from "./uapi.js";

/** What `VmState` is inside this package. */
interface State extends VmState {
  /** How long the time base has counted, ms. */
  readonly clock: number;
  readonly vcpus: readonly SavedVcpu[];
  readonly archVm: unknown;
  readonly devices: readonly (readonly [type: number, unknown])[];
}

/** The most that a guest's time can be, ms: 139 years, which every architecture's counters hold. */
const latestClock = 2 ** 42;

const vcpuCheck = having({ id: integer(0, 0xffff), core: recordOf(savedValue), arch: anything });
const stateCheck = having({
  format: integer(1, 0xffff),
  arch: text,
  clock: time,
  vcpus: listOf(vcpuCheck),
  archVm: anything,
  devices: listOf(listOf(anything)),
});

export interface StatefulVm extends VmInside {
  readonly arch: Arch;
  /** hostNow() when it was paused, or undefined. */
  readonly pausedSince: number | undefined;
}

/** EBUSY: a vCPU runs or has an exit to complete; a device cannot be saved. */
export function saveState(vm: StatefulVm): State {
  const { mem, arch } = vm;
  requireStopped(vm, "saved");
  return {
    format: savedFormat,
    arch: arch.name,
    clock: (vm.pausedSince ?? hostNow()) - mem.f64(vmLayout.clockBase),
    vcpus: vm.vcpus().map((vcpu) => ({
      id: vcpu.id,
      core: saveFields(mem, vcpuRecord, vcpu.record, vcpuDerived),
      arch: arch.saveVcpu(vcpu),
    })),
    archVm: arch.saveState(vm),
    devices: deviceTypes(vm).map((type) => [type, saveDevice(vm, type)]),
  };
}

/** EINVAL: it is not the state of such a VM. EBUSY: a vCPU runs or has an exit to complete. */
export function loadState(vm: StatefulVm, state: unknown): void {
  stateCheck(state, "vm.loadState", "state");
  const { format, arch: name, clock, vcpus, archVm, devices } = state as State;
  const { mem, arch } = vm;
  requireStopped(vm, "filled in");
  if (format !== savedFormat)
    refuse(`has format ${format}, and this version reads ${savedFormat}; update the older one`);
  if (name !== arch.name) refuse(`is of an architecture "${name}", and this VM of ${arch.name}`);
  if (!(clock >= 0 && clock <= latestClock)) refuse(`says that the guest's time is ${clock} ms`);
  const ids = (of: readonly { readonly id: number }[]): string => of.map(({ id }) => id).join(", ");
  if (ids(vcpus) !== ids(vm.vcpus())) refuse(`has the vCPUs ${ids(vcpus)}, and this VM ${ids(vm.vcpus())}`);
  const types = devices.map(([type]) => Number(type)).join(", ");
  const here = deviceTypes(vm).join(", ");
  if (types !== here) refuse(`has devices of the types ${types || "none"}, and this VM ${here || "none"}`);
  arch.loadState(vm, archVm);
  for (const [index, vcpu] of vm.vcpus().entries()) {
    const saved = vcpus[index] as SavedVcpu;
    arch.loadVcpu(vcpu, saved.arch);
    restoreFields(mem, vcpuRecord, vcpu.record, saved.core, vcpuDerived);
  }
  for (const [type, saved] of devices) {
    const row = arch.devices.find((device) => device.type === type);
    if (!row?.load) refuse(`has a device of type ${type}, whose state this version cannot take`);
    else row.load(vm, saved);
  }
  mem.setF64(vmLayout.clockBase, (vm.pausedSince ?? hostNow()) - clock);
}

const refuse = (what: string): never => {
  throw new KvmError("EINVAL", `vm.loadState: the state ${what}`);
};

function requireStopped(vm: StatefulVm, what: string): void {
  const { mem } = vm;
  const open = vm.vcpus().some(({ record }) => mem.load(record + vcpuRecord.offset.incomplete) !== 0);
  if (!open && mem.load(vmLayout.runners) === 0) return;
  throw new KvmError("EBUSY", `the VM's state cannot be ${what} while a vCPU runs; pause() it first`);
}

const deviceTypes = (vm: VmInside): number[] => {
  const types = vm.mem.i32(vmState.deviceTypes);
  return Array.from({ length: 32 }, (_, type) => type).filter((type) => types & (1 << type));
};

function saveDevice(vm: StatefulVm, type: number): unknown {
  const row = vm.arch.devices.find((device) => device.type === type);
  if (row?.save && row.load) return row.save(vm);
  throw new KvmError("EBUSY", `the VM has a device of type ${type}, which cannot be saved; close it first`);
}
