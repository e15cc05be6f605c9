/**
 * M16 to M18 of docs/modules.md with the real x86 modules: what VFIO holds of a VM keeps its vendor's module, whatever is closed
 * first; a get on what is going fails; with every kvm loaded, each put goes to the one that owns the VM.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guestOf } from "../../../src/arch/x86/kvm.test-support.js";
import { KVM_X86_UNIKVM_PR, type X86Kvm } from "../../../src/arch/x86/uapi.js";
import { errno } from "../../../src/base/errno.test-support.js";
import { fileTable } from "../../../src/base/files.js";
import { createLoader, type KvmOffer } from "../../../src/kernel.js";
import { type Device, KVM_DEV_TYPE_VFIO, type Vm } from "../../../src/kvm/uapi.js";
import { fakeMemory } from "../../../src/vfio/fake-device.test-support.js";
import { addGroup, type Host, unload, vfioWith } from "../../../src/vfio/lifetime.test-support.js";
import { VFIO_TYPE1v2_IOMMU } from "../../../src/vfio/uapi.js";

const vendors = ["kvm_intel", "kvm_amd"] as const;
const names = [...vendors, "kvm"] as const;

/** A kernel with these modules, each under a name of its own in /dev. */
async function kernel(modules: readonly string[]) {
  const loader = createLoader({ memory: "unshared", implementations: ["pr"] });
  for (const name of modules) await loader.modprobe(name, { node: name });
  return {
    loader,
    open: (name: string) => loader.offer<KvmOffer>(name).open(),
    references: (name: string) => loader.lsmod().find((module) => module.name === name)?.references,
  };
}

/** Groups of the host's in one container. */
function groupsOf(host: Host, count: number) {
  const container = host.api.openContainer(fakeMemory());
  const groups = Array.from({ length: count }, (_, number) => host.api.openGroup(number));
  for (const group of groups) group.setContainer(container.fd);
  container.setIommu(VFIO_TYPE1v2_IOMMU);
  return { container, groups };
}

const handles = ["vm", "vcpu", "kvm-vfio", "container", "group", "device"] as const;
/** Each is closed first once, and last once. */
const orders = handles.flatMap((_, i) => {
  const order = [...handles.slice(i), ...handles.slice(0, i)];
  return [order, order.toReversed()];
});

for (const vendor of vendors) {
  test(`M16: ${vendor}: closed in any order, the module stays until the last that holds the VM`, async () => {
    const { loader, open, references } = await kernel([vendor]);
    for (const order of orders) {
      const host = await vfioWith([0]);
      const { container, groups } = groupsOf(host, 1);
      const [group] = groups;
      assert.ok(group);
      const { vm, cpu } = guestOf(open(vendor) as unknown as X86Kvm, KVM_X86_UNIKVM_PR);
      const kvmVfio = vm.createDevice(KVM_DEV_TYPE_VFIO) as Device;
      addGroup(kvmVfio, group);
      const device = group.getDeviceFd("d0");
      const opened = new Map<string, { close(): void }>(
        Object.entries({ vm, vcpu: cpu, "kvm-vfio": kvmVfio, container, group, device }),
      );
      for (const handle of order) {
        const held = opened.has("device") ? 1 : 0;
        const own = ["vm", "vcpu", "kvm-vfio"].some((name) => opened.has(name)) || held ? 1 : 0;
        assert.equal(references(vendor), own + held, `${order}: before ${handle}`);
        if (own > 0) assert.throws(() => loader.rmmod(vendor), errno("EBUSY"));
        opened.get(handle)?.close();
        opened.delete(handle);
      }
      assert.equal(references(vendor), 0);
      unload(host);
    }
    loader.rmmod(vendor);
    assert.equal(fileTable().size, 0);
  });

  test(`M17: ${vendor}: a get on a VM that has gone, or on a module that has, fails and leaves no reference`, async () => {
    const { loader, open, references } = await kernel([vendor]);
    const host = await vfioWith([0]);
    const { container, groups } = groupsOf(host, 1);
    const [group] = groups;
    assert.ok(group);
    const vm = open(vendor).createVm();
    const kvmVfio = vm.createDevice(KVM_DEV_TYPE_VFIO);
    // What VFIO was given, kept beyond what it may.
    let late = (): boolean => true;
    const file = fileTable().lookup(group.fd).subject as { setKvm(kvm: { get(): boolean } | undefined): void };
    const { setKvm } = file;
    file.setKvm = (reference) => {
      if (reference) late = () => reference.get();
      setKvm.call(file, reference);
    };
    addGroup(kvmVfio, group);
    kvmVfio?.close();
    vm.close();
    assert.deepEqual([late(), references(vendor)], [false, 0]);
    const device = group.getDeviceFd("d0");
    assert.equal(references(vendor), 0);
    loader.rmmod(vendor);
    assert.equal(late(), false, "the module has gone");
    for (const each of [device, group, container]) each.close();
    unload(host);
    assert.equal(fileTable().size, 0);
  });
}

test("M18: with both vendors' kvms and POWER's loaded, each put goes to the one that owns the VM", async () => {
  const { loader, open, references } = await kernel(names);
  const host = await vfioWith([0, 1, 2]);
  const { container, groups } = groupsOf(host, names.length);
  const vms: Vm[] = names.map((name) => open(name).createVm());
  const kvmVfios = vms.map((vm) => vm.createDevice(KVM_DEV_TYPE_VFIO));
  for (const [i, group] of groups.entries()) addGroup(kvmVfios[i], group);
  const devices = groups.map((group, i) => group.getDeviceFd(`d${i}`));
  for (const each of [...kvmVfios, ...vms]) each?.close();
  const counts = () => names.map(references);
  assert.deepEqual(counts(), [2, 2, 2]);
  for (const name of names) assert.throws(() => loader.rmmod(name), errno("EBUSY"));
  devices[1]?.close();
  assert.deepEqual(counts(), [2, 0, 2]);
  loader.rmmod("kvm_amd");
  assert.throws(() => loader.rmmod("kvm_intel"), errno("EBUSY"));
  devices[0]?.close();
  assert.deepEqual(counts(), [0, undefined, 2]);
  loader.rmmod("kvm_intel");
  devices[2]?.close();
  loader.rmmod("kvm");
  for (const each of [...groups, container]) each.close();
  unload(host);
  assert.equal(fileTable().size, 0);
});

test("x86: a VM that VFIO holds does not move to another kvm, and moves when it is let go", async () => {
  const [from, to] = [await kernel(["kvm_intel"]), await kernel(["kvm_intel"])];
  const host = await vfioWith([0]);
  const { container, groups } = groupsOf(host, 1);
  const [group] = groups;
  assert.ok(group);
  const vm = from.open("kvm_intel").createVm();
  const kvmVfio = vm.createDevice(KVM_DEV_TYPE_VFIO);
  addGroup(kvmVfio, group);
  const device = group.getDeviceFd("d0");
  const there = to.open("kvm_intel");
  await assert.rejects(() => vm.moveTo(there), errno("EBUSY"), "it has a KVM-VFIO device");
  kvmVfio?.close();
  await assert.rejects(() => vm.moveTo(there), errno("EBUSY"), "an open device holds it");
  device.close();
  await vm.moveTo(there);
  assert.deepEqual([from.references("kvm_intel"), to.references("kvm_intel")], [0, 1]);
  vm.close();
  for (const each of [group, container]) each.close();
  unload(host);
  for (const { loader } of [from, to]) loader.rmmod("kvm_intel");
});
