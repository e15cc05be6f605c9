/** Devices of the host in a real VM: DMA through the guest's TCE tables, as the bridge's windows come and go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../base/errno.test-support.js";
import { fileTable } from "../../../base/files.js";
import { openKvm } from "../../../kernel.js";
import {
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
  KVM_MEM_READONLY,
  kvmVfioSpaprTce,
} from "../../../kvm/uapi.js";
import { fakeDevice, loadVfio } from "../../../vfio/fake-device.test-support.js";
import { VFIO_DEVICE_FLAGS_PCI, VFIO_SPAPR_TCE_v2_IOMMU } from "../../../vfio/index.js";
import { assignVfio } from "./assignment.js";

const kvm = await openKvm({ implementations: ["pr"], memory: "unshared" });
const page = 4096n;
const size = 1 << 20;

async function machine(names: readonly string[] = ["a"]) {
  const { vfio, loader } = await loadVfio();
  const host = fakeDevice("a");
  const unregister = vfio.registerDevice(host, 1, null);
  const vm = kvm.createVm();
  const ram = vm.allocate(size);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(size), userspaceAddr: ram });
  const assign = () =>
    assignVfio(vfio, names)({ vm, ram: { address: ram, size }, iommu: "spapr-tce" as const, wake: () => {} });
  /** A guest's table of 256 pages, and the window that the bridge makes of it. */
  const table = (liobn: bigint, start: bigint) => {
    const made = vm.createSpaprTce({ liobn, pageShift: 12, offset: start / page, size: 256n });
    const put = (index: number, tce: bigint): void => {
      new BigUint64Array(vm.memory.buffer, made.address, 256)[index] = tce;
    };
    return { made, put, range: { start, size: 256n * page, pageShift: 12, fd: made.fd } };
  };
  const close = (): void => {
    vm.close();
    unregister();
    loader.rmmod("vfio");
    assert.equal(fileTable().size, 0);
  };
  return { vfio, host, vm, ram, assign, table, close };
}

test("a device reaches what the guest's table says, and only memory that it may", async () => {
  const { host, vm, ram, assign, table, close } = await machine();
  // Memory that the container was not given, and memory that is read only.
  const more = vm.allocate(131072);
  vm.setUserMemoryRegion({ slot: 1, guestPhysAddr: 0x200000n, memorySize: 65536n, userspaceAddr: more });
  const assignment = assign();
  const { made, put, range } = table(1n, 0n);
  assignment.windowCreated(range);
  const bus = host.bus!;
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const back = new Uint8Array(4);
  assert.equal(bus.read(0n, back), false, "an empty table");
  put(3, 0x5000n | 3n);
  assert.equal(bus.write(3n * page + 8n, bytes), true);
  assert.deepEqual(vm.bytes(ram + 0x5008, 4), bytes);
  assert.equal(bus.read(3n * page + 8n, back), true);
  assert.deepEqual(back, bytes);
  assert.equal(bus.read(4n * page - 2n, back), false, "the next page is not mapped");
  put(4, 0x9000n | 1n);
  assert.equal(bus.read(4n * page - 2n, back), true);
  assert.equal(bus.write(4n * page, bytes), false, "to be read only");
  for (const tce of [0x200000n | 3n, BigInt(size) | 3n, (1n << 62n) | 3n, 0xffff_ffff_ffff_f003n, 0x6000n]) {
    put(5, tce);
    assert.equal(bus.read(5n * page, back), false, `TCE 0x${tce.toString(16)}`);
  }
  for (const address of [256n * page, 1n << 59n, (1n << 64n) - 4n]) assert.equal(bus.read(address, back), false);
  made.close();
  assert.equal(bus.read(3n * page, back), false, "the table is closed");
  assignment.close();
  close();
});

test("windows come and go in any order", async () => {
  const { host, assign, table, close } = await machine();
  const assignment = assign();
  const [low, high] = [table(1n, 0n), table(2n, 1n << 59n)];
  low.put(0, 0x1003n);
  high.put(0, 0x2003n);
  const reached = () => [0n, 1n << 59n].map((address) => host.bus?.read(address, new Uint8Array(1)));
  const steps: [string, () => void, boolean[]][] = [
    ["the first", () => assignment.windowCreated(low.range), [true, false]],
    ["both", () => assignment.windowCreated(high.range), [true, true]],
    ["without the first", () => assignment.windowRemoved(0n), [false, true]],
    ["without any", () => assignment.windowRemoved(1n << 59n), [false, false]],
    ["the second alone", () => assignment.windowCreated(high.range), [false, true]],
    ["the first again", () => assignment.windowCreated(low.range), [true, true]],
    ["without the second", () => assignment.windowRemoved(1n << 59n), [true, false]],
    ["both again", () => assignment.windowCreated(high.range), [true, true]],
  ];
  for (const [what, act, expected] of steps) {
    act();
    assert.deepEqual(reached(), expected, what);
  }
  assignment.close();
  close();
});

test("the VM stays while it has a device, and what fails leaves nothing", async () => {
  const { vfio, vm, ram, assign, close } = await machine(["a", "b"]);
  assert.throws(assign, /VFIO has no device "b" of the host; there is a/);
  const notPci = { ...fakeDevice("c"), flags: 0 };
  const undo = vfio.registerDevice(notPci, 2, null);
  const host = { vm, ram: { address: ram, size }, iommu: "spapr-tce" as const, wake: () => {} };
  assert.throws(() => assignVfio(vfio, ["a", "c"])(host), /c is not a PCI device/);
  undo();
  const assignment = assignVfio(vfio, ["a"])(host);
  assert.throws(() => assignVfio(vfio, ["a"])(host), /vfio-pci: EBUSY/);
  assignment.close();
  close();
});

test("KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: whose table, and which window", async () => {
  const { vfio, vm, table, close } = await machine();
  const device = vm.createDevice(KVM_DEV_TYPE_VFIO)!;
  const container = vfio.openContainer(vm);
  const group = vfio.openGroup(1);
  const set = (tablefd: number) => () =>
    device.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE, kvmVfioSpaprTce(group.fd, tablefd));
  device.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(group.fd));
  const { made, range } = table(1n, 0n);
  assert.throws(set(made.fd), errno("EINVAL"), "no container");
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  assert.throws(set(99), errno("EBADF"));
  assert.throws(set(made.fd + 1), errno("EBADF"));
  assert.throws(set(group.fd), errno("EINVAL"), "no table");
  assert.throws(set(made.fd), errno("EINVAL"), "no window of that size");
  container.spaprTceRemove({ startAddr: 0n });
  container.spaprTceCreate({ pageShift: 12, windowSize: range.size, levels: 1 });
  set(made.fd)();
  set(made.fd)();
  container.spaprRegisterMemory({ vaddr: made.address - (made.address % 65536), size: 65536 });
  const map = { flags: 3, vaddr: made.address - (made.address % 65536), iova: 0n, size: page };
  assert.throws(() => container.mapDma(map), errno("EBUSY"), "the guest's table rules");
  device.close();
  container.mapDma(map);
  made.close();
  for (const each of [group, container]) each.close();
  close();
});

test("memory that is read only to the guest is read only to the device", async () => {
  const { host, vm, ram, assign, table, close } = await machine();
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: ram });
  const rom = { slot: 0, flags: KVM_MEM_READONLY, guestPhysAddr: 0n, memorySize: BigInt(size), userspaceAddr: ram };
  vm.setUserMemoryRegion(rom);
  assert.equal(host.flags, VFIO_DEVICE_FLAGS_PCI);
  const assignment = assign();
  const { put, range } = table(1n, 0n);
  assignment.windowCreated(range);
  put(0, 0x1003n);
  assert.equal(host.bus?.read(0n, new Uint8Array(4)), true);
  assert.equal(host.bus?.write(0n, new Uint8Array(4)), false);
  assignment.close();
  close();
});
