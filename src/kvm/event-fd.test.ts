import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fakeVm } from "./fake-arch.test-support.js";
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IOEVENTFD_FLAG_PIO,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
} from "./uapi.js";

function withController() {
  const { vm, it } = fakeVm();
  it.controller = true;
  return { vm, it };
}

test("an eventfd counts, and is known by its id", () => {
  const { vm } = fakeVm();
  const fd = vm.createEventFd();
  fd.signal();
  vm.eventFd(fd.id).signal(4n);
  assert.equal(fd.read(), 5n);
  assert.equal(fd.read(), 0n);
  fd.close();
  assert.throws(() => fd.signal(), errno("EBADF"));
  assert.throws(() => vm.eventFd(fd.id), errno("EBADF"));
  assert.throws(() => vm.eventFd(-1), errno("EBADF"));
});

for (const shared of [false, true]) {
  test(`listeners hear signals (${shared ? "shared" : "unshared"} memory)`, async () => {
    const { vm } = fakeVm({ shared });
    const fd = vm.createEventFd();
    const heard: bigint[] = [];
    const end = fd.onSignal((count) => heard.push(count));
    fd.signal();
    fd.signal();
    await new Promise((resolve) => setTimeout(resolve, 20));
    fd.signal();
    await new Promise((resolve) => setTimeout(resolve, 20));
    end();
    fd.signal();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(heard, [2n, 1n]);
    assert.equal(fd.read(), 1n);
    fd.close();
  });
}

test("a listener that is signalled without rest leaves others their turn", async () => {
  const { vm } = fakeVm({ shared: true });
  const fd = vm.createEventFd();
  const start = performance.now();
  let timers = 0;
  const timer = setInterval(() => timers++, 1);
  // As a guest does that writes to a device's doorbell again while the device works.
  const end = fd.onSignal(() => {
    if (performance.now() - start < 1000) fd.signal();
  });
  fd.signal();
  while (performance.now() - start < 1000) await new Promise((resolve) => setTimeout(resolve, 1));
  clearInterval(timer);
  end();
  fd.close();
  assert.ok(timers > 10, `${timers} timers in a second`);
});

test("irqfd raises an edge when signalled", () => {
  const { vm, it } = withController();
  const fd = vm.createEventFd();
  fd.signal();
  vm.irqfd({ fd, gsi: 7 });
  // What was signalled before the binding counts.
  assert.deepEqual(it.irqs, [
    [7, true],
    [7, false],
  ]);
  fd.signal();
  assert.equal(it.irqs.length, 4);
  vm.irqfd({ fd, gsi: 7, flags: KVM_IRQFD_FLAG_DEASSIGN });
  fd.signal();
  assert.equal(it.irqs.length, 4);
  assert.equal(fd.read(), 1n);
});

test("irqfd with resampling keeps the line up until the guest ends the interrupt", () => {
  const { vm, it } = withController();
  const fd = vm.createEventFd();
  const resamplefd = vm.createEventFd();
  vm.irqfd({ fd, gsi: 7, flags: KVM_IRQFD_FLAG_RESAMPLE, resamplefd });
  fd.signal();
  assert.deepEqual(it.irqs, [[7, true]]);
  vm.eventFds.resample(8);
  assert.equal(resamplefd.read(), 0n);
  vm.eventFds.resample(7);
  assert.deepEqual(it.irqs.at(-1), [7, false]);
  assert.equal(resamplefd.read(), 1n);
});

test("irqfd refuses what Linux refuses", () => {
  const { vm, it } = withController();
  const fd = vm.createEventFd();
  vm.irqfd({ fd, gsi: 7 });
  assert.throws(() => vm.irqfd({ fd, gsi: 8 }), errno("EBUSY"));
  assert.throws(() => vm.irqfd({ fd, gsi: 8, flags: 8 }), errno("EINVAL"));
  assert.throws(() => vm.irqfd({ fd, gsi: -1 }), errno("EINVAL"));
  const other = vm.createEventFd();
  assert.throws(() => vm.irqfd({ fd: other, gsi: 8, flags: KVM_IRQFD_FLAG_RESAMPLE }), errno("EBADF"));
  other.close();
  assert.throws(() => vm.irqfd({ fd: other, gsi: 8 }), errno("EBADF"));
  it.controller = false;
  assert.throws(() => vm.irqfd({ fd: vm.createEventFd(), gsi: 8 }), errno("EAGAIN"));
});

test("ioeventfd matches address, length and data", () => {
  const { vm } = fakeVm();
  const fd = vm.createEventFd();
  const any = vm.createEventFd();
  vm.ioeventfd({ fd, addr: 0x1000n, len: 2, flags: KVM_IOEVENTFD_FLAG_DATAMATCH, datamatch: 3n });
  vm.ioeventfd({ fd: any, addr: 0x2000n, len: 0 });
  const write = (...args: [bigint, number, bigint]) => vm.eventFds.busWrite(...args);
  assert.equal(write(0x1000n, 2, 3n), true);
  assert.equal(write(0x1000n, 2, 4n), false);
  assert.equal(write(0x1000n, 4, 3n), false);
  assert.equal(write(0x1001n, 2, 3n), false);
  assert.equal(write(0x2000n, 8, 99n), true);
  assert.equal(fd.read(), 1n);
  assert.equal(any.read(), 1n);
});

test("ioeventfd refuses what Linux refuses", () => {
  const { vm } = fakeVm();
  const fd = vm.createEventFd();
  const bind = (change: object) => () => vm.ioeventfd({ fd, addr: 0x1000n, len: 4, ...change });
  const match = { flags: KVM_IOEVENTFD_FLAG_DATAMATCH, datamatch: 1n };
  assert.throws(bind({ len: 3 }), errno("EINVAL"));
  assert.throws(bind({ addr: (1n << 64n) - 2n }), errno("EINVAL"));
  assert.throws(bind({ flags: 64 }), errno("EINVAL"));
  assert.throws(bind({ flags: KVM_IOEVENTFD_FLAG_PIO }), errno("EINVAL"));
  assert.throws(bind({ ...match, len: 0 }), errno("EINVAL"));
  assert.throws(bind({ flags: KVM_IOEVENTFD_FLAG_DEASSIGN }), errno("ENOENT"));
  bind(match)();
  bind({ ...match, datamatch: 2n })();
  assert.throws(bind(match), errno("EEXIST"));
  assert.throws(bind({}), errno("EEXIST"));
  assert.throws(bind({ len: 0 }), errno("EEXIST"));
  bind({ len: 8 })();
  bind({ ...match, flags: KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN })();
  assert.throws(bind({ flags: KVM_IOEVENTFD_FLAG_DEASSIGN }), errno("ENOENT"));
  fd.close();
  assert.throws(bind({}), errno("EBADF"));
  assert.equal(vm.eventFds.busWrite(0x1000n, 4, 2n), false);
});

test("interrupt lines, routes and messages", () => {
  const { vm, it } = fakeVm();
  assert.throws(() => vm.irqLine(3, 1), errno("ENXIO"));
  assert.throws(() => vm.signalMsi({ address: 0n, data: 1 }), errno("EINVAL"));
  it.controller = true;
  vm.irqLine(3, 1);
  assert.throws(() => vm.irqLine(100, 1), errno("EINVAL"));
  assert.equal(vm.signalMsi({ address: 16n, data: 9 }), 1);
  vm.setGsiRouting([
    { gsi: 3, type: "irqchip", irqchip: 0, pin: 12 },
    { gsi: 4, type: "msi", address: 32n, data: 77 },
  ]);
  vm.irqLine(3, 0);
  vm.irqLine(4, 1);
  vm.irqLine(4, 0);
  vm.irqLine(5, true);
  assert.deepEqual(it.irqs, [
    [3, true],
    [100, true],
    [12, false],
    [5, true],
  ]);
  assert.deepEqual(it.messages, [
    [16n, 9],
    [32n, 77],
  ]);
  const route = { gsi: 3, type: "irqchip", irqchip: 0, pin: 1 } as const;
  assert.throws(() => vm.setGsiRouting([route, route]), errno("EINVAL"));
  assert.throws(() => vm.setGsiRouting([{ ...route, irqchip: 1 }]), errno("EINVAL"));
  assert.throws(() => vm.setGsiRouting([{ ...route, gsi: -1 }]), errno("EINVAL"));
  assert.throws(() => vm.setGsiRouting([{ ...route, type: "other" as "irqchip" }]), errno("EINVAL"));
  assert.throws(() => vm.setGsiRouting(Array.from({ length: 4097 }, (_, gsi) => ({ ...route, gsi }))), errno("EINVAL"));
});
