/** The KVM-VFIO device, with a file that stands for VFIO's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fileTable, OpenFile } from "../base/files.js";
import type { KvmReference, SpaprTceTable, VfioFile } from "../base/vfio.js";
import { fake, fakeMember, fakeModule } from "./fake-arch.test-support.js";
import {
  KVM_CREATE_DEVICE_TEST,
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  KVM_DEV_VFIO_FILE_DEL,
  KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
  kvmVfioSpaprTce,
} from "./uapi.js";
import { vfioDeviceType } from "./vfio.js";
import { VmCore } from "./vm.js";

const table = { pageShift: 12, offset: 0n, size: 1n } as SpaprTceTable;

function machine(tce = true) {
  const it = fake();
  const spaprTceTable = () => table;
  const arch = { ...it.arch, devices: [vfioDeviceType(tce ? { spaprTceTable } : {})] };
  const module = fakeModule();
  module.references = 1;
  const vm = VmCore.create({ ...it.implementation, arch }, fakeMember(), { shared: false }, module, () => module.put());
  return { it, vm, module };
}

function group() {
  const state = { kvm: undefined as KvmReference | undefined, tables: 0, released: 0 };
  const subject: VfioFile = {
    vfio: true,
    setKvm: (kvm) => {
      state.kvm = kvm;
    },
    attachSpaprTce: () => {
      state.tables++;
      return () => state.tables--;
    },
  };
  const fd = fileTable().install(new OpenFile(subject, () => state.released++));
  return { fd, state };
}

test("one per VM, until its handle is closed", () => {
  const { vm, it, module } = machine();
  assert.equal(vm.createDevice(KVM_DEV_TYPE_VFIO, KVM_CREATE_DEVICE_TEST), undefined);
  const device = vm.createDevice(KVM_DEV_TYPE_VFIO)!;
  assert.throws(() => vm.createDevice(KVM_DEV_TYPE_VFIO), errno("EBUSY"));
  assert.throws(() => vm.device(KVM_DEV_TYPE_VFIO), errno("ENODEV"));
  device.close();
  device.close();
  vm.createDevice(KVM_DEV_TYPE_VFIO)?.close();
  vm.close();
  assert.deepEqual([it.destroyed, module.references], [1, 0]);
});

test("attributes", () => {
  const { vm } = machine();
  const device = vm.createDevice(KVM_DEV_TYPE_VFIO)!;
  const set = (attr: bigint, value: bigint | number) => device.setAttr(KVM_DEV_VFIO_FILE, attr, BigInt(value));
  assert.deepEqual(
    [0n, 1n, 2n, 3n, 4n].map((attr) => device.hasAttr(KVM_DEV_VFIO_FILE, attr)),
    [false, true, true, true, false],
  );
  assert.equal(device.hasAttr(2, 1n), false);
  assert.throws(() => device.setAttr(2, 1n, 0n), errno("ENXIO"));
  assert.throws(() => set(4n, 0), errno("ENXIO"));
  assert.throws(() => device.getAttr(KVM_DEV_VFIO_FILE, 1n), errno("ENXIO"));
  assert.equal(machine(false).vm.createDevice(KVM_DEV_TYPE_VFIO)?.hasAttr(KVM_DEV_VFIO_FILE, 3n), false);

  const { fd, state } = group();
  const other = fileTable().install(new OpenFile({}, () => {}));
  for (const bad of [-1, 99, 2 ** 31]) {
    assert.throws(() => set(KVM_DEV_VFIO_FILE_ADD, bad), errno("EBADF"));
    assert.throws(() => set(KVM_DEV_VFIO_FILE_DEL, bad), errno("EBADF"));
    assert.throws(() => set(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, kvmVfioSpaprTce(bad, 1)), errno("EBADF"));
  }
  assert.throws(() => set(KVM_DEV_VFIO_FILE_ADD, other), errno("EINVAL"));
  assert.throws(() => set(KVM_DEV_VFIO_FILE_DEL, fd), errno("ENOENT"));
  assert.throws(() => set(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, kvmVfioSpaprTce(fd, 1)), errno("ENOENT"));
  set(KVM_DEV_VFIO_FILE_ADD, fd);
  assert.equal(state.kvm?.vm, vm);
  assert.throws(() => set(KVM_DEV_VFIO_FILE_ADD, fd), errno("EEXIST"));
  set(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, kvmVfioSpaprTce(fd, 1));
  set(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, kvmVfioSpaprTce(fd, 1));
  assert.equal(state.tables, 1);
  set(KVM_DEV_VFIO_FILE_DEL, fd);
  assert.deepEqual([state.kvm, state.tables], [undefined, 0]);

  // KVM keeps the file open, until the device goes.
  set(KVM_DEV_VFIO_FILE_ADD, fd);
  set(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, kvmVfioSpaprTce(fd, 1));
  fileTable().close(fd);
  assert.equal(state.released, 0);
  device.close();
  assert.deepEqual([state.kvm, state.tables, state.released], [undefined, 0, 1]);
  fileTable().close(other);
  assert.equal(fileTable().size, 0);
});

test("the last put ends the VM first, and only then lets the module go", () => {
  const { vm, it, module } = machine();
  const device = vm.createDevice(KVM_DEV_TYPE_VFIO)!;
  const { fd, state } = group();
  device.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(fd));
  const reference = state.kvm!;
  assert.equal(reference.get(), true);
  assert.equal(module.references, 2);
  const events: string[] = [];
  const { put } = module;
  module.put = () => {
    events.push(`put, destroyed ${it.destroyed}`);
    put.call(module);
  };
  device.close();
  vm.close();
  assert.deepEqual([it.destroyed, events], [0, []]);
  reference.put();
  // The VM's own reference, then the one of this get: both after the VM's end.
  assert.deepEqual(events, ["put, destroyed 1", "put, destroyed 1"]);
  assert.equal(module.references, 0);
  fileTable().close(fd);
});

test("a get on a dying VM or a leaving module fails and leaves the counts as they were", () => {
  const { vm, module } = machine();
  const device = vm.createDevice(KVM_DEV_TYPE_VFIO)!;
  const { fd, state } = group();
  device.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(fd));
  const reference = state.kvm!;
  module.going = true;
  assert.equal(reference.get(), false);
  assert.equal(module.references, 1);
  module.going = false;
  device.close();
  vm.close();
  assert.equal(module.references, 0);
  assert.equal(reference.get(), false);
  assert.equal(module.references, 0);
  fileTable().close(fd);
});
