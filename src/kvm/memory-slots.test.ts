import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fakeVm } from "./fake-arch.test-support.js";
import { vmState } from "./state.js";
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from "./uapi.js";

const page = 65536n;

function ready(pages = 4) {
  const { vm, it } = fakeVm();
  const size = BigInt(pages) * page;
  const address = vm.allocate(Number(size));
  const region = { slot: 0, guestPhysAddr: 0n, memorySize: size, userspaceAddr: address };
  vm.setUserMemoryRegion(region);
  return { vm, it, region, address, size };
}

test("slots refuse what Linux refuses", () => {
  const { vm, region, address } = ready();
  const set = (change: object) => () => vm.setUserMemoryRegion({ ...region, ...change });
  const second = { slot: 1, guestPhysAddr: 0x100000n };
  assert.throws(set({ slot: 1, guestPhysAddr: 3n * page }), errno("EEXIST"));
  assert.throws(set({ guestPhysAddr: 1n }), errno("EINVAL"));
  assert.throws(set({ ...second, memorySize: 100n }), errno("EINVAL"));
  assert.throws(set({ ...second, userspaceAddr: address + 8 }), errno("EINVAL"));
  assert.throws(set({ ...second, userspaceAddr: 0xf0000000 }), errno("EFAULT"));
  assert.throws(set({ ...second, guestPhysAddr: (1n << 64n) - page }), errno("EINVAL"));
  assert.throws(set({ flags: 64 }), errno("EINVAL"));
  assert.throws(set({ slot: 0x10000 }), errno("EINVAL"));
  assert.throws(set({ slot: -1 }), errno("EINVAL"));
  assert.throws(set({ memorySize: page }), errno("EINVAL"));
  assert.throws(set({ userspaceAddr: vm.allocate(Number(4n * page)) }), errno("EINVAL"));
  assert.throws(set({ flags: KVM_MEM_READONLY }), errno("EINVAL"));
  assert.throws(set({ slot: 3, memorySize: 0n }), errno("EINVAL"));
  set({})();
  set(second)();
  set({ guestPhysAddr: 0x10000000n })();
  set({ memorySize: 0n })();
  assert.throws(set({ memorySize: 0n }), errno("EINVAL"));
});

test("slots are kept in order of their base", () => {
  const { vm, region } = ready();
  vm.setUserMemoryRegion({ ...region, slot: 9, guestPhysAddr: 0x40000000n });
  vm.setUserMemoryRegion({ ...region, slot: 4, guestPhysAddr: 0x20000000n });
  assert.deepEqual(
    vm.slots.list().map(({ slot }) => slot),
    [0, 4, 9],
  );
  assert.equal(vm.slots.find(0x20000010n, 8)?.slot.slot, 4);
  assert.equal(vm.slots.find(4n * page - 4n, 8), undefined);
});

test("the dirty log gives what was written, once", () => {
  const { vm, it, region } = ready(100);
  assert.throws(() => vm.getDirtyLog(0), errno("ENOENT"));
  assert.throws(() => vm.getDirtyLog(5), errno("ENOENT"));
  vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
  const slot = vm.slots.find(0n, 1)?.slot;
  assert.ok(slot);
  vm.slots.markDirty(slot, 3n * page + 5n, 8);
  vm.slots.markDirty(slot, 64n * page - 1n, 2);
  const flushes = it.flushes;
  const log = vm.getDirtyLog(0);
  assert.equal(it.flushes, flushes + 1);
  assert.equal(log.length, 16);
  assert.deepEqual([log[0], log[7], log[8]], [8, 0x80, 1]);
  assert.ok(vm.getDirtyLog(0).every((byte) => byte === 0));
});

test("a device's write is logged in each slot it goes over, and told to the architecture; a wrong one does nothing", () => {
  const { vm, region, it } = ready(2);
  const logged = { ...region, flags: KVM_MEM_LOG_DIRTY_PAGES };
  vm.setUserMemoryRegion(logged);
  vm.setUserMemoryRegion({ ...logged, slot: 1, guestPhysAddr: 2n * page });
  vm.guestWritten(2n * page - 1n, 65538);
  assert.deepEqual([vm.getDirtyLog(0)[0], vm.getDirtyLog(1)[0]], [2, 3]);
  assert.throws(() => vm.guestWritten(3n * page, 65537), errno("EFAULT"));
  assert.throws(() => vm.guestWritten(-1n, 2), errno("EFAULT"));
  assert.throws(() => vm.guestWritten(0n, Number.NaN), errno("EINVAL"));
  assert.equal(vm.getDirtyLog(1)[0], 0);
  assert.deepEqual(it.written, [[2n * page - 1n, 65538n]]);
});

test("a write by an address in the VM's memory is one to each slot that has it, and to none else", () => {
  const { vm, region, it } = ready(2);
  const { userspaceAddr } = region;
  vm.setUserMemoryRegion(region);
  // The second half once more, elsewhere.
  const half = { userspaceAddr: userspaceAddr + Number(page), memorySize: page };
  vm.setUserMemoryRegion({ ...region, ...half, slot: 1, guestPhysAddr: 16n * page });
  vm.hostWritten(userspaceAddr + Number(page) - 2, 4);
  assert.deepEqual(it.written, [
    [page - 2n, 4n],
    [16n * page, 2n],
  ]);
  vm.hostWritten(userspaceAddr - 4, 4);
  vm.hostWritten(userspaceAddr + 2 * Number(page), 4);
  vm.hostWritten(userspaceAddr, 0);
  assert.equal(it.written.length, 2);
  for (const wrong of [-1, 0.5, Number.NaN]) assert.throws(() => vm.hostWritten(0, wrong), errno("EINVAL"));
});

test("with manual protection, pages are cleared by hand", () => {
  const { vm, region } = ready(100);
  vm.mem.store(vmState.manualDirtyLog, 1);
  vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
  const slot = vm.slots.find(0n, 1)?.slot;
  assert.ok(slot);
  vm.slots.markDirty(slot, 0n, 65537);
  assert.equal(vm.getDirtyLog(0)[0], 3);
  assert.equal(vm.getDirtyLog(0)[0], 3);
  const clear = (change: object) => () =>
    vm.clearDirtyLog({ slot: 0, firstPage: 0n, numPages: 64, bitmap: new Uint8Array(8).fill(2), ...change });
  assert.throws(clear({ firstPage: 3n }), errno("EINVAL"));
  assert.throws(clear({ numPages: 10 }), errno("EINVAL"));
  assert.throws(clear({ firstPage: 64n, numPages: 64 }), errno("EINVAL"));
  assert.throws(clear({ bitmap: new Uint8Array(1) }), errno("EFAULT"));
  assert.throws(clear({ slot: 2 }), errno("ENOENT"));
  clear({ firstPage: 64n, numPages: 36 })();
  clear({})();
  assert.equal(vm.getDirtyLog(0)[0], 1);
});

test("all pages can start out dirty", () => {
  const { vm, region } = ready(3);
  vm.mem.store(vmState.manualDirtyLog, 3);
  vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
  assert.equal(vm.getDirtyLog(0)[0], 7);
});

test("what is written from outside is noted, and nothing is fetched for that", () => {
  const { vm, region, address } = ready(2);
  vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
  const fetched: number[] = [];
  vm.withholdPages(address, Number(2n * page), Uint8Array.of(3));
  vm.fillPages((place) => void fetched.push(place));
  vm.guestWritten(page, 8);
  assert.deepEqual(fetched, []);
  assert.equal(vm.getDirtyLog(0)[0], 2);
  // Who looks for it has it.
  vm.slots.find(page, 8);
  assert.deepEqual(fetched, [address + Number(page)]);
});
