import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fileTable } from "../base/files.js";
import type { EventFd } from "../kvm/uapi.js";
import { type FakeDevice, fakeDevice, fakeMemory, loadVfio } from "./fake-device.test-support.js";
import * as api from "./uapi.js";

const readWrite = api.VFIO_DMA_MAP_FLAG_READ | api.VFIO_DMA_MAP_FLAG_WRITE;

/** An eventfd that counts. */
function counter(): EventFd & { count: number; listener: ((count: bigint) => void) | undefined } {
  const fd = {
    id: 0,
    count: 0,
    listener: undefined as ((count: bigint) => void) | undefined,
    signal: () => {
      fd.count++;
      fd.listener?.(1n);
    },
    read: () => 0n,
    onSignal: (listener: (count: bigint) => void) => {
      fd.listener = listener;
      return () => {
        fd.listener = undefined;
      };
    },
    close: () => {},
  };
  return fd;
}

/** Everything open: container with the v2 IOMMU, group 1, device "a". */
async function assigned(type = api.VFIO_SPAPR_TCE_v2_IOMMU) {
  const { vfio, loader } = await loadVfio();
  const host: FakeDevice = fakeDevice("a");
  const unregister = vfio.registerDevice(host, 1, null);
  const mm = fakeMemory();
  const container = vfio.openContainer(mm);
  const group = vfio.openGroup(1);
  group.setContainer(container.fd);
  container.setIommu(type);
  const device = group.getDeviceFd("a");
  const close = (): void => {
    device.close();
    group.close();
    container.close();
    unregister();
    loader.rmmod("vfio");
    assert.equal(fileTable().size, 0);
  };
  return { vfio, loader, host, unregister, mm, container, group, device, close };
}

test("the module depends on nothing, and open files and devices keep it", async () => {
  const { vfio, loader } = await loadVfio();
  assert.deepEqual(
    loader.lsmod().map(({ name }) => name),
    ["vfio"],
  );
  const container = vfio.openContainer(fakeMemory());
  assert.throws(() => loader.rmmod("vfio"), errno("EBUSY"));
  container.close();
  container.close();
  const unregister = vfio.registerDevice(fakeDevice("a"), 1, null);
  assert.throws(() => loader.rmmod("vfio"), errno("EBUSY"));
  assert.throws(() => vfio.registerDevice(fakeDevice("a"), 2, null), errno("EEXIST"));
  assert.throws(() => vfio.registerDevice(fakeDevice("b"), -1, null), errno("EINVAL"));
  for (const owner of [undefined, {}, "mine"] as unknown as null[]) {
    assert.throws(() => vfio.registerDevice(fakeDevice("b"), 1, owner), errno("EINVAL"));
  }
  assert.deepEqual(vfio.groups(), [{ group: 1, devices: ["a"] }]);
  unregister();
  unregister();
  loader.rmmod("vfio");
  assert.throws(() => vfio.openContainer(fakeMemory()), errno("ENODEV"));
  assert.throws(() => vfio.openGroup(1), errno("ENODEV"));
  assert.throws(() => vfio.registerDevice(fakeDevice("a"), 1, null), errno("ENODEV"));
  assert.equal(fileTable().size, 0);
});

test("a container without a group or an IOMMU, and one that is closed", async () => {
  const { vfio, loader } = await loadVfio();
  const container = vfio.openContainer(fakeMemory());
  assert.equal(container.getApiVersion(), 0);
  const extensions = [1, 2, 3, 4, 5, 7, 8, -1, 1e9].map((extension) => container.checkExtension(extension));
  assert.deepEqual(extensions, [0, 1, 1, 0, 0, 1, 0, 0, 0]);
  assert.throws(() => container.setIommu(api.VFIO_SPAPR_TCE_v2_IOMMU), errno("EINVAL"));
  for (const call of [
    () => container.spaprTceGetInfo(),
    () => container.spaprTceCreate({ pageShift: 12, windowSize: 4096n, levels: 1 }),
    () => container.spaprTceRemove({ startAddr: 0n }),
    () => container.enable(),
    () => container.disable(),
    () => container.spaprRegisterMemory({ vaddr: 0, size: 65536 }),
    () => container.spaprUnregisterMemory({ vaddr: 0, size: 65536 }),
    () => container.mapDma({ flags: readWrite, vaddr: 0, iova: 0n, size: 4096n }),
    () => container.unmapDma({ iova: 0n, size: 4096n }),
  ]) {
    assert.throws(call, errno("EINVAL"));
  }
  container.close();
  assert.throws(() => container.setIommu(api.VFIO_SPAPR_TCE_v2_IOMMU), errno("EBADF"));
  loader.rmmod("vfio");
});

test("a group's way into a container and out", async () => {
  const { vfio, loader } = await loadVfio();
  const host = fakeDevice("a");
  const unregister = vfio.registerDevice(host, 7, null);
  const group = vfio.openGroup(7);
  assert.throws(() => vfio.openGroup(7), errno("EBUSY"));
  assert.throws(() => vfio.openGroup(8), errno("ENODEV"));
  assert.equal(group.getStatus(), api.VFIO_GROUP_FLAGS_VIABLE);
  assert.throws(() => group.setContainer(99), errno("EBADF"));
  assert.throws(() => group.setContainer(-1), errno("EBADF"));
  assert.throws(() => group.setContainer(group.fd), errno("EINVAL"));
  assert.throws(() => group.unsetContainer(), errno("EINVAL"));
  assert.throws(() => group.getDeviceFd("a"), errno("EINVAL"));
  const container = vfio.openContainer(fakeMemory());
  group.setContainer(container.fd);
  assert.equal(group.getStatus(), api.VFIO_GROUP_FLAGS_VIABLE | api.VFIO_GROUP_FLAGS_CONTAINER_SET);
  assert.throws(() => group.setContainer(container.fd), errno("EINVAL"));
  assert.throws(() => group.getDeviceFd("a"), errno("EINVAL"));
  assert.throws(() => container.setIommu(api.VFIO_TYPE1_IOMMU), errno("ENODEV"));
  container.setIommu(api.VFIO_SPAPR_TCE_v2_IOMMU);
  assert.throws(() => container.setIommu(api.VFIO_SPAPR_TCE_v2_IOMMU), errno("EINVAL"));
  assert.throws(() => group.getDeviceFd("b"), errno("ENODEV"));
  host.failOpen = true;
  assert.throws(() => group.getDeviceFd("a"), errno("EIO"));
  host.failOpen = false;
  const first = group.getDeviceFd("a");
  const second = group.getDeviceFd("a");
  assert.equal(host.opened, 1);
  assert.throws(() => group.unsetContainer(), errno("EBUSY"));
  first.close();
  first.close();
  assert.throws(() => group.unsetContainer(), errno("EBUSY"));
  // The container and the group live on under the device.
  container.close();
  group.close();
  assert.throws(() => group.getStatus(), errno("EBADF"));
  assert.throws(() => vfio.openGroup(7), errno("EBUSY"));
  assert.ok(host.bus);
  second.close();
  assert.equal(host.bus, undefined);
  vfio.openGroup(7).close();
  unregister();
  loader.rmmod("vfio");
  assert.equal(fileTable().size, 0);
});

test("version 1 takes one group and is enabled; version 2 takes several and neither", async () => {
  const { vfio } = await loadVfio();
  vfio.registerDevice(fakeDevice("a"), 1, null);
  vfio.registerDevice(fakeDevice("b"), 2, null);
  for (const type of [api.VFIO_SPAPR_TCE_IOMMU, api.VFIO_SPAPR_TCE_v2_IOMMU]) {
    const container = vfio.openContainer(fakeMemory());
    const one = vfio.openGroup(1);
    const two = vfio.openGroup(2);
    one.setContainer(container.fd);
    container.setIommu(type);
    if (type === api.VFIO_SPAPR_TCE_IOMMU) {
      assert.throws(() => two.setContainer(container.fd), errno("EBUSY"));
      assert.equal(two.getStatus(), api.VFIO_GROUP_FLAGS_VIABLE);
      const map = { flags: readWrite, vaddr: 0, iova: 0n, size: 4096n };
      assert.throws(() => container.mapDma(map), errno("EPERM"));
      container.enable();
      assert.throws(() => container.enable(), errno("EBUSY"));
      container.mapDma(map);
      assert.throws(() => container.mapDma({ ...map, vaddr: 1 << 20 }), errno("EFAULT"));
      container.unmapDma({ iova: 0n, size: 4096n });
      container.disable();
      assert.throws(() => container.unmapDma({ iova: 0n, size: 4096n }), errno("EPERM"));
      assert.equal(container.spaprTceGetInfo().flags, 0);
      for (const call of [
        () => container.spaprTceCreate({ pageShift: 12, windowSize: 4096n, levels: 1 }),
        () => container.spaprTceRemove({ startAddr: 0n }),
        () => container.spaprRegisterMemory({ vaddr: 0, size: 65536 }),
        () => container.spaprUnregisterMemory({ vaddr: 0, size: 65536 }),
      ]) {
        assert.throws(call, errno("ENOTTY"));
      }
    } else {
      two.setContainer(container.fd);
      assert.throws(() => container.enable(), errno("ENOTTY"));
      assert.throws(() => container.disable(), errno("ENOTTY"));
    }
    one.close();
    two.close();
    container.close();
  }
});

test("windows and mappings, and what the device reaches", async () => {
  const { container, host, mm, close } = await assigned();
  const info = container.spaprTceGetInfo();
  assert.deepEqual([info.dma32WindowStart, info.dma32WindowSize], [0, 2 ** 31]);
  assert.equal(info.flags, api.VFIO_IOMMU_SPAPR_INFO_DDW);
  const map = { flags: readWrite, vaddr: 65536, iova: 0x10000n, size: 8192n };
  assert.throws(() => container.mapDma(map), errno("EPERM"));

  const memory = { vaddr: 65536, size: 131072 };
  assert.throws(() => container.spaprRegisterMemory({ ...memory, flags: 1 }), errno("EINVAL"));
  assert.throws(() => container.spaprRegisterMemory({ ...memory, vaddr: 4096 }), errno("EINVAL"));
  assert.throws(() => container.spaprRegisterMemory({ ...memory, size: 0 }), errno("EINVAL"));
  assert.throws(() => container.spaprRegisterMemory({ vaddr: 1 << 20, size: 65536 }), errno("EFAULT"));
  container.spaprRegisterMemory(memory);
  assert.throws(() => container.spaprRegisterMemory(memory), errno("EBUSY"));
  assert.throws(() => container.spaprRegisterMemory({ vaddr: 131072, size: 131072 }), errno("EINVAL"));
  assert.throws(() => container.spaprUnregisterMemory({ vaddr: 131072, size: 65536 }), errno("ENOENT"));
  assert.throws(() => container.spaprUnregisterMemory({ ...memory, flags: 1 }), errno("EINVAL"));

  for (const [change, code] of [
    [{ flags: 4 }, "EINVAL"],
    [{ flags: 0 }, "EINVAL"],
    [{ vaddr: 65537 }, "EINVAL"],
    [{ vaddr: 0 }, "EINVAL"],
    [{ iova: 0x10001n }, "EINVAL"],
    [{ size: 0n }, "EINVAL"],
    [{ size: 4097n }, "EINVAL"],
    [{ iova: (1n << 31n) - 4096n }, "EINVAL"],
    [{ iova: 1n << 31n }, "ENXIO"],
    [{ iova: 1n << 62n }, "ENXIO"],
    [{ vaddr: 196608 - 4096 }, "EINVAL"],
  ] as const) {
    assert.throws(() => container.mapDma({ ...map, ...change }), errno(code), JSON.stringify(change, String));
  }
  container.mapDma(map);
  const bus = host.bus!;
  const bytes = new Uint8Array([1, 2, 3, 4]);
  assert.equal(bus.write(0x10ffen, bytes), true);
  assert.deepEqual(mm.ram.slice(65536 + 0xffe, 65536 + 0x1002), bytes);
  const back = new Uint8Array(4);
  assert.equal(bus.read(0x10ffen, back), true);
  assert.deepEqual(back, bytes);
  // Outside, across the end, negative.
  for (const address of [0n, 0x11ffen, 0x12000n, 1n << 40n, -4n]) assert.equal(bus.write(address, bytes), false);
  assert.throws(() => container.spaprUnregisterMemory(memory), errno("EBUSY"));
  assert.throws(() => container.unmapDma({ iova: 0x10000n, size: 8192n, flags: 1 }), errno("EINVAL"));
  assert.throws(() => container.unmapDma({ iova: 0x10000n, size: 100n }), errno("EINVAL"));
  container.unmapDma({ iova: 0x10000n, size: 8192n });
  assert.equal(bus.read(0x10000n, back), false);
  // One way only.
  container.mapDma({ ...map, flags: api.VFIO_DMA_MAP_FLAG_READ });
  assert.equal(bus.read(0x10000n, back), true);
  assert.equal(bus.write(0x10000n, back), false);
  container.mapDma({ ...map, flags: api.VFIO_DMA_MAP_FLAG_WRITE });
  assert.equal(bus.read(0x10000n, back), false);
  assert.equal(bus.write(0x10000n, back), true);

  const window = { pageShift: 16, windowSize: 1n << 20n, levels: 1 };
  for (const change of [
    { pageShift: 13 },
    { pageShift: -1 },
    { levels: 0 },
    { levels: 6 },
    { windowSize: 0n },
    { windowSize: -65536n },
    { windowSize: 3n << 16n },
    { windowSize: 4096n },
    { flags: 1 },
  ]) {
    assert.throws(() => container.spaprTceCreate({ ...window, ...change }), errno("EINVAL"));
  }
  const start = container.spaprTceCreate(window);
  assert.equal(start, 1n << 59n);
  assert.throws(() => container.spaprTceCreate(window), errno("ENOSPC"));
  container.mapDma({ flags: readWrite, vaddr: 131072, iova: start, size: 65536n });
  assert.equal(bus.write(start + 65532n, bytes), true);
  assert.deepEqual(mm.ram.slice(196604, 196608), bytes);
  assert.throws(() => container.spaprTceRemove({ startAddr: 1n << 40n }), errno("EINVAL"));
  assert.throws(() => container.spaprTceRemove({ startAddr: start, flags: 1 }), errno("EINVAL"));
  container.spaprTceRemove({ startAddr: start });
  assert.equal(bus.write(start, bytes), false);
  container.spaprTceRemove({ startAddr: 0n });
  assert.equal(bus.write(0x10000n, bytes), false);
  container.spaprUnregisterMemory(memory);
  assert.equal(container.spaprTceCreate(window), 0n);
  close();
});

test("a device that is closed, or whose group has left the container, reaches nothing", async () => {
  const { container, device, group, host, close } = await assigned();
  container.spaprRegisterMemory({ vaddr: 0, size: 65536 });
  container.mapDma({ flags: readWrite, vaddr: 0, iova: 0n, size: 4096n });
  const bus = host.bus!;
  assert.equal(bus.read(0n, new Uint8Array(4)), true);
  device.close();
  group.unsetContainer();
  assert.equal(bus.read(0n, new Uint8Array(4)), false);
  assert.throws(() => container.spaprTceGetInfo(), errno("EINVAL"));
  close();
});

test("a device's information and regions", async () => {
  const { device, host, close } = await assigned();
  assert.deepEqual(device.getInfo(), {
    flags: api.VFIO_DEVICE_FLAGS_PCI | api.VFIO_DEVICE_FLAGS_RESET,
    numRegions: 9,
    numIrqs: 5,
  });
  const bar = device.getRegionInfo(0);
  assert.deepEqual(bar, { index: 0, size: 256, flags: 3, offset: 0n });
  assert.equal(device.getRegionInfo(7).offset, 7n << 40n);
  assert.deepEqual(device.getRegionInfo(1).size, 0);
  for (const index of [9, -1, 1.5]) {
    assert.throws(() => device.getRegionInfo(index), errno("EINVAL"));
    assert.throws(() => device.getIrqInfo(index), errno("EINVAL"));
  }
  assert.equal(device.write(bar.offset + 252n, new Uint8Array([9, 8, 7, 6, 5])), 4);
  assert.deepEqual([...host.bar.subarray(252)], [9, 8, 7, 6]);
  const bytes = new Uint8Array(2);
  assert.equal(device.read(bar.offset + 253n, bytes), 2);
  assert.deepEqual([...bytes], [8, 7]);
  assert.throws(() => device.read(256n, bytes), errno("EINVAL"));
  assert.throws(() => device.read(-1n, bytes), errno("EINVAL"));
  assert.throws(() => device.read(1n << 40n, bytes), errno("EINVAL"));
  assert.throws(() => device.read(9n << 40n, bytes), errno("EINVAL"));
  assert.equal(device.read(6n << 40n, bytes), 2);
  assert.throws(() => device.write(6n << 40n, bytes), errno("EINVAL"));
  device.reset();
  assert.equal(host.resets, 1);
  delete (host as { reset?: unknown }).reset;
  assert.throws(() => device.reset(), errno("EINVAL"));
  device.close();
  assert.throws(() => device.read(0n, bytes), errno("EBADF"));
  assert.throws(() => device.getInfo(), errno("EBADF"));
  close();
});

const none = api.VFIO_IRQ_SET_DATA_NONE;
const eventfd = api.VFIO_IRQ_SET_DATA_EVENTFD;
const bool = api.VFIO_IRQ_SET_DATA_BOOL;
const trigger = api.VFIO_IRQ_SET_ACTION_TRIGGER;
const mask = api.VFIO_IRQ_SET_ACTION_MASK;
const unmask = api.VFIO_IRQ_SET_ACTION_UNMASK;

test("INTx masks itself until it is unmasked, however the device behaves", async () => {
  const { device, host, close } = await assigned();
  const fd = counter();
  const intx = (flags: number, more = {}) => device.setIrqs({ index: 0, start: 0, count: 1, flags, ...more });
  host.bus!.interrupt(0, 0, true);
  for (const flags of [none | trigger, none | mask, none | unmask]) assert.throws(() => intx(flags), errno("EINVAL"));
  intx(eventfd | trigger, { eventfds: [fd] });
  assert.equal(fd.count, 1, "the line was high");
  for (let i = 0; i < 100_000; i++) host.bus!.interrupt(0, 0, i % 2 === 0);
  assert.equal(fd.count, 1, "a storm is one interrupt");
  intx(none | unmask);
  assert.equal(fd.count, 1, "the line is low");
  host.bus!.interrupt(0, 0, true);
  assert.equal(fd.count, 2);
  intx(none | unmask);
  assert.equal(fd.count, 3, "still high");
  intx(bool | unmask, { bools: [false] });
  intx(none | mask);
  intx(bool | unmask, { bools: [true] });
  assert.equal(fd.count, 4);
  intx(none | trigger);
  assert.equal(fd.count, 5);
  const resample = counter();
  assert.throws(() => intx(eventfd | mask, { eventfds: [resample] }), errno("ENOTTY"));
  intx(eventfd | unmask, { eventfds: [resample] });
  resample.signal();
  assert.equal(fd.count, 6);
  device.setIrqs({ index: 0, start: 0, count: 0, flags: none | trigger });
  assert.equal(resample.listener, undefined);
  resample.signal();
  host.bus!.interrupt(0, 0, true);
  assert.equal(fd.count, 6);
  close();
});

test("messages", async () => {
  const { device, host, close } = await assigned();
  const fds = Array.from({ length: 4 }, counter);
  const set = (flags: number, start: number, count: number, more = {}) =>
    device.setIrqs({ index: 1, start, count, flags, ...more });
  assert.deepEqual(device.getIrqInfo(2), { index: 2, count: 8, flags: 9 });
  assert.throws(() => set(none | trigger, 0, 1), errno("EINVAL"));
  set(eventfd | trigger, 0, 4, { eventfds: fds });
  assert.throws(
    () => device.setIrqs({ index: 2, start: 0, count: 1, flags: eventfd | trigger, eventfds: [fds[0]] }),
    errno("EINVAL"),
  );
  for (const vector of [1, 1, 3, 4, -1]) host.bus!.interrupt(1, vector, true);
  host.bus!.interrupt(7, 0, true);
  assert.deepEqual(
    fds.map(({ count }) => count),
    [0, 2, 0, 1],
  );
  set(none | trigger, 0, 2);
  set(bool | trigger, 1, 2, { bools: [false, true] });
  assert.deepEqual(
    fds.map(({ count }) => count),
    [1, 3, 1, 1],
  );
  set(eventfd | trigger, 1, 1, { eventfds: [undefined] });
  host.bus!.interrupt(1, 1, true);
  assert.equal(fds[1]?.count, 3);
  assert.throws(() => set(none | mask, 0, 1), errno("ENOTTY"));
  assert.throws(() => set(none | unmask, 0, 1), errno("ENOTTY"));
  for (const [flags, start, count, more] of [
    [none | trigger, 4, 1, {}],
    [none | trigger, 3, 2, {}],
    [none | trigger, -1, 1, {}],
    [none | trigger, 0, 2 ** 32, {}],
    [none | bool | trigger, 0, 1, {}],
    [trigger, 0, 1, {}],
    [none, 0, 1, {}],
    [none | trigger | mask, 0, 1, {}],
    [none | trigger | 64, 0, 1, {}],
    [bool | trigger, 0, 2, { bools: [true] }],
    [eventfd | trigger, 0, 2, { eventfds: [] }],
    [eventfd | trigger, 0, 1, {}],
  ] as const) {
    assert.throws(() => set(flags, start, count, more), errno("EINVAL"));
  }
  for (const index of [3, 5, -1]) {
    assert.throws(() => device.setIrqs({ index, start: 0, count: 1, flags: none | trigger }), errno("EINVAL"));
  }
  set(none | trigger, 0, 0);
  host.bus!.interrupt(1, 0, true);
  assert.equal(fds[0]?.count, 1);
  close();
});

test("taking a device back asks its user to let go", async () => {
  const { device, group, unregister, close } = await assigned();
  const request = counter();
  device.setIrqs({ index: 4, start: 0, count: 1, flags: eventfd | trigger, eventfds: [request] });
  for (const count of [1, 2]) {
    assert.throws(() => unregister(), errno("EBUSY"));
    assert.equal(request.count, count);
  }
  // From the first time on nobody else gets it.
  assert.throws(() => group.getDeviceFd("a"), errno("ENODEV"));
  close();
});
