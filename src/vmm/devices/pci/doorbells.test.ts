import assert from "node:assert/strict";
import { test } from "node:test";
import type { PpcVm } from "../../../arch/powerpc/uapi.js";
import { type EventFd, type Ioeventfd, KVM_IOEVENTFD_FLAG_DEASSIGN, KvmError } from "../../../kvm/uapi.js";
import { VirtioPciDevice } from "../virtio/virtio-pci.js";
import { Doorbells } from "./doorbells.js";
import { PciFunction } from "./function.js";
import * as pci from "./registers.js";

const memory32Window = { space: "memory", start: 0x2000_8000_0000n, size: 0x8000_0000n, bus: 0x8000_0000n } as const;

/** A VM of which only eventfds are there, with room for so many of them and of their bindings. */
function fakeVm({ shared = true, eventFds = 8, bindings = 8 } = {}) {
  const bound = new Map<string, EventFd>();
  const listeners = new Map<EventFd, (count: bigint) => void>();
  const vm = {
    shared,
    createEventFd: () => {
      if (listeners.size >= eventFds) throw new KvmError("ENOMEM", "a VM has so many eventfds");
      const fd = {
        onSignal: (listener: (count: bigint) => void) => {
          listeners.set(fd, listener);
          return () => {};
        },
        close: () => void listeners.delete(fd),
      } as unknown as EventFd;
      return fd;
    },
    ioeventfd: ({ fd, addr, len, flags = 0 }: Ioeventfd) => {
      const key = `0x${addr.toString(16)} ${len}`;
      if (flags & KVM_IOEVENTFD_FLAG_DEASSIGN) assert.ok(bound.get(key) === fd && bound.delete(key));
      else if (bound.has(key)) throw new KvmError("EEXIST", "there is one");
      else if (bound.size >= bindings) throw new KvmError("ENOSPC", "a VM has so many");
      else bound.set(key, fd);
    },
  };
  const write = (key: string): boolean => {
    const fd = bound.get(key);
    if (fd) listeners.get(fd)?.(1n);
    return fd !== undefined;
  };
  return { vm: vm as unknown as PpcVm, bound, listeners, write };
}

const base = Number(memory32Window.bus) + 0x10000;
const real = `0x${(memory32Window.start + 0x10000n).toString(16)}`.slice(0, -4);

test("notifications of a virtio device are KVM's to take where the guest has put its BAR, and only while it decodes", () => {
  const { vm, bound, write } = fakeVm();
  const doorbells = new Doorbells(vm, [memory32Window], (error) => assert.fail(String(error)));
  const rung: number[] = [];
  const device = new VirtioPciDevice({
    ...{ id: 4, features: 0n, queues: [8, 8], config: new Uint8Array(0) },
    ...{ reset: () => {}, save: () => ({}), notify: () => {} },
  });
  const heard = { notify: device.write.bind(device) };
  device.write = (...args) => {
    rung.push(args[1]);
    heard.notify(...args);
  };
  const it = new PciFunction(device, {
    ...{ dma: () => false, setIntx: () => {}, message: () => {} },
    doorbell: (index, place, ring) => doorbells.place(String(index), place, ring),
  });
  const enable = (bits: number): void => it.writeConfig(pci.PCI_COMMAND, 2, bits);
  it.writeConfig(pci.PCI_BASE_ADDRESS_0, 4, base);
  assert.equal(bound.size, 0);
  enable(pci.PCI_COMMAND_MEMORY);
  assert.deepEqual([...bound.keys()], [`${real}3000 2`, `${real}3004 2`]);
  assert.ok(write(`${real}3004 2`));
  assert.deepEqual(rung, [0x3004]);
  it.writeConfig(pci.PCI_BASE_ADDRESS_0, 4, base + 0x10000);
  assert.ok(!write(`${real}3004 2`));
  assert.deepEqual(rung, [0x3004]);
  // Outside of the bridge's window no CPU reaches it.
  it.writeConfig(pci.PCI_BASE_ADDRESS_0, 4, 0x10000);
  assert.equal(bound.size, 0);
  it.writeConfig(pci.PCI_BASE_ADDRESS_0, 4, base);
  assert.ok(write(`${real}3004 2`));
  it.reset();
  assert.equal(bound.size, 0);
  it.writeConfig(pci.PCI_BASE_ADDRESS_0, 4, base);
  enable(pci.PCI_COMMAND_MEMORY);
  it.disconnect();
  assert.equal(bound.size, 0);
});

test("however often one exit moves a BAR, its doorbells are placed once, when the CPU has been answered", () => {
  const later: (() => void)[] = [];
  const placed: unknown[] = [];
  const it = new PciFunction(
    new VirtioPciDevice({
      ...{ id: 4, features: 0n, queues: [8, 8], config: new Uint8Array(0) },
      ...{ reset: () => {}, save: () => ({}), notify: () => {} },
    }),
    {
      ...{ dma: () => false, setIntx: () => {}, message: () => {} },
      soon: (work) => void later.push(work),
      doorbell: (_, place) => placed.push(place?.address),
    },
  );
  const answered = () => {
    for (const work of later.splice(0)) work();
    return placed.splice(0);
  };
  it.writeConfig(pci.PCI_COMMAND, 2, pci.PCI_COMMAND_MEMORY);
  for (let i = 0; i < 4096; i++) it.writeConfig(pci.PCI_BASE_ADDRESS_0, 4, base + 0x10000 * (i % 5));
  assert.deepEqual(placed, []);
  assert.deepEqual(answered(), [BigInt(base + 0x3000), BigInt(base + 0x3004)]);
  // It is pulled out before the CPU is answered.
  it.writeConfig(pci.PCI_BASE_ADDRESS_0, 4, base + 0x10000);
  it.disconnect();
  assert.deepEqual(answered(), [undefined, undefined]);
});

test("a guest that moves a doorbell a thousand times, or over another, makes no more of them", () => {
  const { vm, bound, listeners } = fakeVm();
  const doorbells = new Doorbells(vm, [memory32Window], () => {});
  for (let i = 0; i < 1000; i++) {
    const address = memory32Window.bus + BigInt(16 * (i % 7));
    for (const key of ["a", "b"]) doorbells.place(key, { address, length: 2 }, () => {});
  }
  assert.ok(listeners.size === 2 && bound.size === 1, `${listeners.size} ${bound.size}`);
  doorbells.place("b", undefined, () => {});
  doorbells.place("a", undefined, () => {});
  assert.equal(bound.size, 0);
  doorbells.close();
  assert.equal(listeners.size, 0);
});

test("where KVM has no room, or threads share no memory, writes stay exits; what a device throws is told", () => {
  const place = { address: memory32Window.bus, length: 2 };
  for (const limits of [{ eventFds: 0 }, { bindings: 0 }, { shared: false }]) {
    const { vm, bound } = fakeVm(limits);
    new Doorbells(vm, [memory32Window], () => {}).place("a", place, () => {});
    assert.equal(bound.size, 0);
  }
  const { vm, write } = fakeVm();
  const told: unknown[] = [];
  new Doorbells(vm, [memory32Window], (error) => told.push(error)).place("a", place, () => {
    throw new RangeError("broken");
  });
  assert.ok(write(`0x${memory32Window.start.toString(16)} 2`));
  assert.match(String(told), /broken/);
});
