/** The type 1 IOMMU under a container: what is mapped, what is refused, what a device reaches. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fileTable } from "../base/files.js";
import { fakeDevice, fakeMemory, loadVfio } from "./fake-device.test-support.js";
import * as api from "./uapi.js";

const [read, write] = [api.VFIO_DMA_MAP_FLAG_READ, api.VFIO_DMA_MAP_FLAG_WRITE];
const both = read | write;

async function assigned() {
  const { vfio, loader } = await loadVfio();
  const host = fakeDevice("a");
  const unregister = vfio.registerDevice(host, 1, null);
  const mm = fakeMemory();
  const container = vfio.openContainer(mm);
  const group = vfio.openGroup(1);
  group.setContainer(container.fd);
  container.setIommu(api.VFIO_TYPE1v2_IOMMU);
  const device = group.getDeviceFd("a");
  const map = (iova: bigint, vaddr: number, size: bigint, flags = both) =>
    container.mapDma({ flags, vaddr, iova, size });
  const reaches = (iova: bigint, length = 1) => host.bus?.read(iova, new Uint8Array(length));
  const close = (): void => {
    device.close();
    group.close();
    container.close();
    unregister();
    loader.rmmod("vfio");
    assert.equal(fileTable().size, 0);
  };
  return { host, mm, container, group, device, map, reaches, close };
}

test("a device reaches what is mapped, as it is allowed, over the ends of mappings, and nothing else", async () => {
  const { host, mm, map, reaches, close } = await assigned();
  map(0x10000n, 0x2000, 0x2000n);
  map(0x12000n, 0x8000, 0x1000n, read);
  map(0x13000n, 0x9000, 0x1000n, write);
  mm.ram.set([1, 2, 3, 4], 0x3ffe);
  mm.ram.set([5, 6], 0x8000);
  const bytes = new Uint8Array(4);
  assert.equal(host.bus?.read(0x11ffen, bytes), true);
  assert.deepEqual([...bytes], [1, 2, 5, 6]);
  assert.equal(host.bus?.write(0x11000n, Uint8Array.of(9, 8)), true);
  assert.deepEqual([...mm.ram.subarray(0x3000, 0x3002)], [9, 8]);
  assert.equal(host.bus?.write(0x12000n, bytes), false, "to be read only");
  assert.equal(host.bus?.read(0x13000n, bytes), false, "to be written only");
  assert.equal(host.bus?.write(0x13ffcn, bytes), true);
  assert.equal(host.bus?.write(0x13ffdn, bytes), false, "beyond the last");
  for (const iova of [0n, 0xffffn, 0x14000n, 1n << 48n, (1n << 64n) - 1n]) assert.equal(reaches(iova), false);
  assert.equal(reaches((1n << 64n) - 2n, 4), false);
  close();
});

test("VFIO_IOMMU_MAP_DMA: what is refused, and then nothing is mapped", async () => {
  const { container, map, reaches, close } = await assigned();
  const { iovaRanges, dmaAvail, iovaPgsizes } = container.iommuGetInfo();
  assert.equal(iovaPgsizes & 0x1fffn, 0x1000n);
  for (const [iova, vaddr, size, flags] of [
    ...[
      [0n, 0, 0n],
      [1n, 0, 0x1000n],
      [0n, 1, 0x1000n],
      [0n, 0, 0x1001n],
      [-0x1000n, 0, 0x1000n],
      [0n, -4096, 0x1000n],
    ],
    ...[
      [0n, 0, -0x1000n],
      [(1n << 64n) - 0x1000n, 0, 0x2000n],
      [0n, 0, 1n << 40n],
      [0n, 2 ** 53, 0x1000n],
    ],
    ...[
      [0n, 0, 0x1000n, 0],
      [0n, 0, 0x1000n, 4],
      [0n, 0, 0x1000n, 7],
    ],
    // Where messages go, and what the IOMMU has no bits for.
    ...[
      [0xfee0_0000n, 0, 0x1000n],
      [0xfedf_f000n, 0, 0x2000n],
      [1n << 48n, 0, 0x1000n],
      [(1n << 48n) - 0x1000n, 0, 0x2000n],
    ],
  ] as [bigint, number, bigint, number?][]) {
    assert.throws(() => map(iova, vaddr, size, flags), errno("EINVAL"), `${iova} ${vaddr} ${size} ${flags}`);
  }
  assert.throws(() => map(0n, 0x10_0000, 0x1000n), errno("EFAULT"));
  assert.throws(() => map(0n, 0xf_f000, 0x2000n), errno("EFAULT"));
  assert.equal(reaches(0n), false);
  map(0x4000n, 0, 0x4000n);
  for (const [iova, size] of [
    [0x4000n, 0x4000n],
    [0x3000n, 0x2000n],
    [0x7000n, 0x1000n],
    [0n, 0x1_0000n],
  ] as const) {
    assert.throws(() => map(iova, 0, size), errno("EEXIST"));
  }
  for (const { start, end } of iovaRanges) if (start !== 0n) map(end - 0xfffn, 0, 0x1000n);
  assert.equal(container.iommuGetInfo().dmaAvail, dmaAvail - iovaRanges.length);
  close();
});

test("VFIO_IOMMU_UNMAP_DMA: whole mappings, as many as there are, and how much that was", async () => {
  const { container, map, reaches, close } = await assigned();
  const unmap = (iova: bigint, size: bigint, flags = 0) => container.unmapDma({ iova, size, flags });
  map(0x1000n, 0, 0x2000n);
  map(0x4000n, 0, 0x1000n);
  map(0x8000n, 0, 0x1000n);
  for (const [iova, size] of [
    [0x1000n, 0x1000n],
    [0x2000n, 0x1000n],
    [0x2000n, 0x3000n],
    [0n, 0x2000n],
  ] as const) {
    assert.throws(() => unmap(iova, size), errno("EINVAL"));
  }
  for (const [iova, size] of [
    [0n, 0n],
    [1n, 0x1000n],
    [0n, 0xfffn],
    [-0x1000n, 0x1000n],
  ] as const) {
    assert.throws(() => unmap(iova, size), errno("EINVAL"));
  }
  assert.equal(reaches(0x1000n, 0x2000), true);
  assert.equal(unmap(0x9000n, 0x1000n), 0n);
  assert.equal(unmap(0n, 0x7000n), 0x3000n);
  assert.deepEqual(
    [0x1000n, 0x4000n, 0x8000n].map((iova) => reaches(iova)),
    [false, false, true],
  );
  const all = api.VFIO_DMA_UNMAP_FLAG_ALL;
  assert.throws(() => unmap(0n, 0x1000n, all), errno("EINVAL"));
  assert.throws(() => unmap(0n, 0n, all | 1), errno("EINVAL"));
  assert.equal(unmap(0n, 0n, all), 0x1000n);
  assert.equal(reaches(0x8000n), false);
  close();
});

test("there are no more mappings than the module allows", async () => {
  const { container, map, close } = await assigned();
  const { dmaAvail } = container.iommuGetInfo();
  for (let i = 0; i < dmaAvail; i++) map(BigInt(i) * 0x1000n, 0, 0x1000n);
  assert.throws(() => map(BigInt(dmaAvail) * 0x1000n, 0, 0x1000n), errno("ENOSPC"));
  assert.equal(
    container.unmapDma({ iova: 0n, size: 0n, flags: api.VFIO_DMA_UNMAP_FLAG_ALL }),
    BigInt(dmaAvail) * 0x1000n,
  );
  close();
});

test("each IOMMU has its own calls, and the last group takes what was mapped with it", async () => {
  const { container, group, device, map, close } = await assigned();
  for (const call of [
    () => container.spaprTceGetInfo(),
    () => container.spaprTceCreate({ pageShift: 12, windowSize: 4096n, levels: 1 }),
    () => container.spaprTceRemove({ startAddr: 0n }),
    () => container.enable(),
    () => container.disable(),
    () => container.spaprRegisterMemory({ vaddr: 0, size: 65536 }),
    () => container.spaprUnregisterMemory({ vaddr: 0, size: 65536 }),
  ]) {
    assert.throws(call, errno("ENOTTY"));
  }
  assert.throws(() => container.setIommu(api.VFIO_TYPE1v2_IOMMU), errno("EINVAL"));
  map(0n, 0, 0x1000n);
  device.close();
  group.unsetContainer();
  group.setContainer(container.fd);
  assert.throws(() => container.iommuGetInfo(), errno("EINVAL"));
  container.setIommu(api.VFIO_SPAPR_TCE_v2_IOMMU);
  assert.throws(() => container.iommuGetInfo(), errno("ENOTTY"));
  group.unsetContainer();
  group.setContainer(container.fd);
  container.setIommu(api.VFIO_TYPE1v2_IOMMU);
  map(0n, 0x1000, 0x1000n);
  close();
});
