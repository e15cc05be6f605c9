import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../../base/errno.test-support.js";
import { vmLayout } from "../../../../kvm/layout.js";
import { VmMemory } from "../../../../kvm/memory.js";
import { heapStart } from "../../../../kvm/state.js";
import {
  KVM_DEV_XICS_GRP_CTRL,
  KVM_DEV_XICS_GRP_SOURCES,
  KVM_DEV_XICS_NR_SERVERS,
  KVM_XICS_LEVEL_SENSITIVE,
  KVM_XICS_MASKED,
  KVM_XICS_PENDING,
  KVM_XICS_PRIORITY_SHIFT,
} from "../../uapi/registers.js";
import { xicsDevice } from "./device.js";
import { masked } from "./state.js";
import { Xics } from "./xics.js";

const edge = 0x1000;
const level = 0x1001;

function ready() {
  const memory = VmMemory.create(heapStart, 1 << 24, false);
  memory.setI32(vmLayout.heapNext, heapStart);
  const lines = [false, false];
  const ended: number[] = [];
  const xics = new Xics(memory, Xics.create(memory), {
    setExternal: (index, asserted) => {
      lines[index] = asserted;
    },
    ended: (irq) => ended.push(irq),
  });
  xics.connect(0, 0);
  xics.connect(1, 1);
  const state = { server: 0, priority: 5, masked: false, pending: false, presented: false };
  xics.setSourceState(edge, { ...state, level: false });
  xics.setSourceState(level, { ...state, level: true });
  return { xics, lines, ended };
}

test("a message is presented, taken and ended", () => {
  const { xics, lines, ended } = ready();
  xics.setPriority(0, 0xff);
  assert.ok(xics.setIrq(edge, true));
  assert.deepEqual(lines, [true, false]);
  assert.deepEqual(xics.poll(0), { xirr: 0xff001000, mfrr: masked });
  assert.equal(xics.accept(0), 0xff001000);
  assert.deepEqual(lines, [false, false]);
  // Nothing more is there, and the priority is the interrupt's.
  assert.equal(xics.accept(0), 0x05000000);
  xics.end(0, 0xff001000);
  assert.equal(xics.serverState(0)?.cppr, 0xff);
  assert.deepEqual(ended, [edge]);
  assert.ok(!xics.setIrq(0x2000, true));
});

test("what is not favoured enough waits for the priority to fall", () => {
  const { xics, lines } = ready();
  xics.setIrq(edge, true);
  assert.deepEqual(lines, [false, false]);
  assert.equal(xics.sourceState(edge)?.pending, true);
  xics.setPriority(0, 5);
  assert.deepEqual(lines, [false, false]);
  xics.setPriority(0, 6);
  assert.deepEqual(lines, [true, false]);
  // A less favoured priority takes the presented one back, and it comes again.
  xics.setPriority(0, 2);
  assert.deepEqual(lines, [false, false]);
  xics.setPriority(0, 0xff);
  assert.equal(xics.accept(0), 0xff001000);
});

test("a more favoured one replaces what is presented, which comes afterwards", () => {
  const { xics } = ready();
  xics.setPriority(0, 0xff);
  xics.setIrq(edge, true);
  xics.setMfrr(0, 4);
  assert.equal(xics.accept(0), 0xff000002);
  xics.setMfrr(0, 0xff);
  xics.end(0, 0xff000002);
  assert.equal(xics.accept(0), 0xff001000);
});

test("a level source comes again while its line is up", () => {
  const { xics, lines } = ready();
  xics.setPriority(0, 0xff);
  xics.setIrq(level, true);
  xics.setIrq(level, true);
  assert.equal(xics.accept(0), 0xff001001);
  xics.end(0, 0xff001001);
  assert.deepEqual(lines, [true, false]);
  xics.accept(0);
  xics.setIrq(level, false);
  xics.end(0, 0xff001001);
  assert.deepEqual(lines, [false, false]);
});

test("an inter-processor interrupt goes to the server that is named", () => {
  const { xics, lines } = ready();
  xics.setPriority(1, 0xff);
  assert.ok(xics.setMfrr(1, 4));
  assert.deepEqual(lines, [false, true]);
  assert.equal(xics.accept(1), 0xff000002);
  xics.setMfrr(1, 0xff);
  xics.end(1, 0xff000002);
  assert.deepEqual(lines, [false, false]);
  assert.ok(!xics.setMfrr(7, 4));
  assert.ok(!xics.setMfrr(5000, 4));
});

test("RTAS masks, unmasks and moves sources; what came meanwhile is kept", () => {
  const { xics, lines } = ready();
  for (const server of [0, 1]) xics.setPriority(server, 0xff);
  assert.ok(xics.off(edge));
  assert.deepEqual(xics.configuration(edge), { server: 0, priority: masked });
  xics.setIrq(edge, true);
  assert.deepEqual(lines, [false, false]);
  assert.ok(xics.on(edge));
  assert.deepEqual(lines, [true, false]);
  xics.accept(0);
  xics.end(0, 0xff001000);
  xics.off(level);
  xics.setIrq(level, true);
  assert.ok(xics.configure(level, { server: 1, priority: 3 }));
  assert.deepEqual(lines, [false, true]);
  assert.ok(!xics.configure(level, { server: 9, priority: 3 }));
  assert.ok(!xics.configure(0x3000, { server: 0, priority: 3 }));
  assert.ok(!xics.on(0x3000) && !xics.off(0x3000) && !xics.configuration(0x3000));
});

test("the device's attributes carry a source's state", () => {
  const { xics } = ready();
  const device = xicsDevice(xics);
  const priority = 5n << KVM_XICS_PRIORITY_SHIFT;
  assert.equal(device.getAttr(KVM_DEV_XICS_GRP_SOURCES, 0x1001n), KVM_XICS_LEVEL_SENSITIVE | priority);
  const state = 1n | priority | KVM_XICS_MASKED | KVM_XICS_PENDING;
  device.setAttr(KVM_DEV_XICS_GRP_SOURCES, 0x1800n, state);
  assert.equal(device.getAttr(KVM_DEV_XICS_GRP_SOURCES, 0x1800n), state);
  assert.ok(device.hasAttr(KVM_DEV_XICS_GRP_SOURCES, 0x1234n));
  assert.ok(!device.hasAttr(KVM_DEV_XICS_GRP_SOURCES, 2n));
  assert.ok(device.hasAttr(KVM_DEV_XICS_GRP_CTRL, BigInt(KVM_DEV_XICS_NR_SERVERS)));
  assert.throws(() => device.getAttr(KVM_DEV_XICS_GRP_SOURCES, 0x2000n), errno("ENOENT"));
  assert.throws(() => device.getAttr(KVM_DEV_XICS_GRP_SOURCES, 2n), errno("ENXIO"));
  assert.throws(() => device.getAttr(9, 0x1000n), errno("ENXIO"));
  assert.throws(() => device.setAttr(KVM_DEV_XICS_GRP_SOURCES, 0x1800n, 9n | priority), errno("EINVAL"));
  const servers = (count: bigint) => () =>
    device.setAttr(KVM_DEV_XICS_GRP_CTRL, BigInt(KVM_DEV_XICS_NR_SERVERS), count);
  assert.throws(servers(0n), errno("EINVAL"));
  assert.throws(servers(5000n), errno("EINVAL"));
  assert.throws(servers(4n), errno("EBUSY"));
});

test("servers are connected once", () => {
  const { xics } = ready();
  assert.throws(() => xics.connect(1, 1), errno("EEXIST"));
  assert.throws(() => xics.connect(2048, 1), errno("EINVAL"));
});

test("a server's state can be saved and restored", () => {
  const { xics, lines } = ready();
  xics.setPriority(0, 0xff);
  xics.setIrq(edge, true);
  const state = xics.serverState(0);
  assert.deepEqual(state, { cppr: 0xff, xisr: edge, mfrr: masked, pendingPriority: 5 });
  assert.ok(state);
  xics.restoreServer(1, state);
  assert.deepEqual(lines, [true, true]);
  assert.equal(xics.accept(1), 0xff001000);
});
