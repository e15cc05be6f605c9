import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fake, fakeCap, fakeDevice, fakeModule, fakeVm, kvmOf } from "./fake-arch.test-support.js";
import { KVM_CREATE_DEVICE_TEST } from "./uapi.js";

test("a VM's type picks its implementation; each holds the module", () => {
  const module = fakeModule();
  const kvm = kvmOf([fake("hv", 1), fake("pr", 2)], module);
  assert.equal(kvm.getApiVersion(), 12);
  const vms = [0, 1, 2].map((type) => kvm.createVm(type, { shared: false }));
  assert.deepEqual(
    vms.map((vm) => vm.implementation),
    ["hv", "hv", "pr"],
  );
  assert.equal(module.references, 3);
  assert.throws(() => kvm.createVm(3), errno("EINVAL"));
  for (const vm of vms) vm.close();
  assert.equal(module.references, 0);
  assert.equal(kvmOf([fake("pr", 2)]).createVm(0, { shared: false }).implementation, "pr");
  assert.throws(() => kvmOf([fake("pr", 2)]).createVm(1, { shared: false }), errno("EINVAL"));
});

test("a VM that cannot be created leaves no reference; a module that goes gives none", () => {
  const module = fakeModule();
  const failing = fake();
  failing.failCreate = true;
  assert.throws(() => kvmOf([failing], module).createVm(0, { shared: false }), /no/);
  assert.throws(() => kvmOf([fake()], module).createVm(0, { memoryLimit: 5 }), errno("EINVAL"));
  for (const codeLimit of [0, 65535, 65536.5, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY, -65536]) {
    assert.throws(() => kvmOf([fake()], module).createVm(0, { codeLimit }), errno("EINVAL"), `${codeLimit}`);
  }
  assert.equal(module.references, 0);
  module.going = true;
  assert.throws(() => kvmOf([fake()], module).createVm(), errno("ENOENT"));
});

test("CHECK_EXTENSION answers for the VM's type, on the system for the default", () => {
  const kvm = kvmOf([fake("hv", 1), fake("pr", 2)]);
  assert.equal(kvm.checkExtension(fakeCap), 1);
  assert.equal(kvm.createVm(2, { shared: false }).checkExtension(fakeCap), 12);
  assert.equal(kvm.checkExtension(123456), 0);
});

test("a VM lives until its last handle is closed", () => {
  const { vm, it } = fakeVm();
  const vcpu = vm.createVcpu(0);
  const device = vm.createDevice(fakeDevice);
  vm.close();
  vm.close();
  assert.equal(it.destroyed, 0);
  assert.throws(() => vm.createVcpu(1), errno("EBADF"));
  vcpu.close();
  assert.throws(() => vcpu.run(), errno("EBADF"));
  device?.close();
  device?.close();
  assert.equal(it.destroyed, 1);
});

test("vCPUs are numbered", () => {
  const { vm } = fakeVm();
  assert.throws(() => vm.createVcpu(8), errno("EINVAL"));
  assert.throws(() => vm.createVcpu(-1), errno("EINVAL"));
  const vcpu = vm.createVcpu(5);
  assert.throws(() => vm.createVcpu(5), errno("EEXIST"));
  assert.equal(vm.vcpu(5), vcpu);
  assert.throws(() => vm.vcpu(4), errno("ENOENT"));
  vm.createVcpu(0);
  vm.createVcpu(1);
  assert.throws(() => vm.createVcpu(2), errno("EINVAL"));
});

test("memory is handed out by pages", () => {
  const { vm } = fakeVm({ shared: false, memoryLimit: 32 << 20 });
  const a = vm.allocate(65536);
  const b = vm.allocate(131072);
  assert.equal(a % 65536, 0);
  assert.ok(b >= a + 65536);
  assert.ok(vm.bytes(b, 131072).every((byte) => byte === 0));
  assert.throws(() => vm.allocate(0), errno("EINVAL"));
  assert.throws(() => vm.allocate(100), errno("EINVAL"));
  assert.throws(() => vm.allocate(64 << 20), errno("ENOMEM"));
  assert.throws(() => vm.allocate(2 ** 36), errno("ENOMEM"));
  assert.throws(() => vm.bytes(vm.memory.buffer.byteLength - 1, 2), errno("EFAULT"));
  assert.throws(() => vm.bytes(-1, 2), errno("EFAULT"));
});

test("devices are created once", () => {
  const { vm } = fakeVm();
  assert.throws(() => vm.createDevice(99), errno("ENODEV"));
  assert.throws(() => vm.createDevice(fakeDevice, 8), errno("EINVAL"));
  assert.equal(vm.createDevice(fakeDevice, KVM_CREATE_DEVICE_TEST), undefined);
  assert.equal(vm.createDevice(fakeDevice)?.getAttr(1, 2n), 9n);
  assert.throws(() => vm.createDevice(fakeDevice), errno("EEXIST"));
});

test("extensions are enabled without flags", () => {
  const { vm } = fakeVm();
  vm.enableCap({ cap: fakeCap });
  assert.throws(() => vm.enableCap({ cap: fakeCap, flags: 1 }), errno("EINVAL"));
  assert.throws(() => vm.enableCap({ cap: 1 }), errno("EINVAL"));
  assert.throws(() => vm.createVcpu(0).enableCap({ cap: fakeCap }), errno("EINVAL"));
});

test("an unshared VM cannot be given to another thread", () => {
  assert.throws(() => fakeVm().vm.share(), errno("ENOTTY"));
  const shared = fakeVm({ shared: true }).vm.share();
  assert.equal(shared.arch, "fake");
  assert.deepEqual(structuredClone({ ...shared, memory: 0 }).engine, { of: "hv" });
});
