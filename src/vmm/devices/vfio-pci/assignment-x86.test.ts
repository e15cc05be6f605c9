/** Devices of the host in an x86 VM: all of its RAM is there for them, and the VM and its module stay while they are open. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { kvmIntelModule, type X86KvmOffer } from "../../../arch/x86/module-intel.js";
import { errno } from "../../../base/errno.test-support.js";
import { fileTable } from "../../../base/files.js";
import {
  type Device,
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  KVM_DEV_VFIO_FILE_DEL,
  KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../../../kvm/uapi.js";
import { ModuleLoader } from "../../../modules/loader.js";
import { vac } from "../../../vac/module.js";
import { fakeDevice } from "../../../vfio/fake-device.test-support.js";
import { VFIO_TYPE1v2_IOMMU, type Vfio, vfio } from "../../../vfio/index.js";
import { assignVfio } from "./assignment.js";

const size = 1 << 20;

async function machine() {
  const loader = new ModuleLoader([vac, kvmIntelModule({ implementations: ["pr"], memory: "unshared" }), vfio]);
  await loader.modprobe("kvm_intel");
  await loader.modprobe("vfio");
  const offer = loader.offer<Vfio>("vfio");
  const host = fakeDevice("a");
  const unregister = offer.registerDevice(host, 1, null);
  const vm = loader.offer<X86KvmOffer>("kvm_intel").open().createVm();
  const ram = vm.allocate(size);
  const slot = { slot: 0, flags: KVM_MEM_LOG_DIRTY_PAGES, guestPhysAddr: 0n, userspaceAddr: ram };
  vm.setUserMemoryRegion({ ...slot, memorySize: BigInt(size) });
  const close = async (): Promise<void> => {
    unregister();
    await loader.rmmod("vfio");
    await loader.rmmod("kvm_intel");
    assert.equal(fileTable().size, 0);
  };
  return { loader, offer, host, vm, ram, close };
}

test("addresses on the bus are the guest's, of all RAM and nothing else, and the dirty log has what was written", async () => {
  const { offer, host, vm, ram, close } = await machine();
  // Memory of the VM that is no RAM of the guest's.
  const other = vm.allocate(65536);
  const assignment = assignVfio(offer, ["a"])({ vm, ram: { address: ram, size }, iommu: "none", wake: () => {} });
  const bus = host.bus!;
  vm.getDirtyLog(0);
  assert.equal(bus.write(0x1_2345n, Uint8Array.of(1, 2, 3)), true);
  assert.deepEqual([...vm.bytes(ram + 0x1_2345, 3)], [1, 2, 3]);
  assert.deepEqual([vm.getDirtyLog(0)[0], vm.getDirtyLog(0)[0]], [2, 0]);
  const bytes = new Uint8Array(4);
  assert.equal(bus.read(BigInt(size) - 4n, bytes), true);
  for (const address of [
    BigInt(size) - 3n,
    BigInt(size),
    BigInt(other),
    BigInt(other - ram),
    0xfee0_0000n,
    (1n << 64n) - 4n,
  ]) {
    assert.equal(bus.read(address, bytes), false, `0x${address.toString(16)}`);
    assert.equal(bus.write(address, bytes), false, `0x${address.toString(16)}`);
  }
  assert.throws(
    () => assignVfio(offer, ["a"])({ vm, ram: { address: ram, size }, iommu: "none", wake: () => {} }),
    /EBUSY/,
  );
  // More than the VM has: nothing is left behind.
  const wrong = { vm, ram: { address: ram, size: 1 << 30 }, iommu: "none", wake: () => {} } as const;
  assignment.close();
  assert.throws(() => assignVfio(offer, ["a"])(wrong), /EFAULT/);
  vm.close();
  await close();
});

test("M16: kvm_intel stays while VFIO has a device open for its VM, in whichever order the rest goes", async () => {
  for (const vmFirst of [true, false]) {
    const { loader, offer, vm, ram, close } = await machine();
    const device = vm.createDevice(KVM_DEV_TYPE_VFIO) as Device;
    const container = offer.openContainer(vm);
    const group = offer.openGroup(1);
    const fd = BigInt(group.fd);
    const set = (attribute: bigint) => device.setAttr(KVM_DEV_VFIO_FILE, attribute, fd);
    assert.throws(() => set(KVM_DEV_VFIO_FILE_DEL), errno("ENOENT"));
    assert.throws(() => set(KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE), errno("ENXIO"));
    assert.equal(device.hasAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD), true);
    assert.equal(device.hasAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE), false);
    set(KVM_DEV_VFIO_FILE_ADD);
    assert.throws(() => set(KVM_DEV_VFIO_FILE_ADD), errno("EEXIST"));
    group.setContainer(container.fd);
    container.setIommu(VFIO_TYPE1v2_IOMMU);
    container.mapDma({ flags: 3, vaddr: ram, iova: 0n, size: BigInt(size) });
    const opened = group.getDeviceFd("a");
    const others = [() => device.close(), () => group.close(), () => container.close()];
    const parts = vmFirst ? [() => vm.close(), ...others] : [...others, () => vm.close()];
    for (const part of parts) {
      part();
      assert.throws(() => loader.rmmod("kvm_intel"), errno("EBUSY"));
    }
    opened.close();
    await close();
  }
});
