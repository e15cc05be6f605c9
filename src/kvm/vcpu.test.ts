import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fakeVm, kickOffset } from "./fake-arch.test-support.js";
import { vcpuRecord, vmState } from "./state.js";
import { type Exit, KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_HW_BP } from "./uapi.js";
import type { VcpuCore } from "./vcpu.js";

const soon = () => performance.now() + 20;

function one(options?: Parameters<typeof fakeVm>[0]) {
  const { vm, it } = fakeVm(options);
  return { vm, it, vcpu: vm.createVcpu(0) as VcpuCore };
}

test("run goes on until there is an exit, and completes it on the next entry", () => {
  const { it, vcpu } = one();
  const exit: Exit = { reason: "papr_hcall", nr: 4, ret: 0n, args: [] };
  it.exits.set(7, exit);
  it.codes = [0, 0, 7];
  assert.equal(vcpu.run(), exit);
  assert.deepEqual(it.completed, []);
  assert.equal(vcpu.run(), exit);
  assert.deepEqual(it.completed, [exit]);
  assert.equal(vcpu.stats()["exits.papr_hcall"], 2);
  assert.equal(vcpu.stats()["engineExits"], 4);
  assert.equal(vcpu.stats()["fake"], 1);
});

test("immediate exit is looked at once the last exit is complete", () => {
  const { it, vcpu } = one();
  const exit: Exit = { reason: "papr_hcall", nr: 4, ret: 0n, args: [] };
  it.exits.set(7, exit);
  it.codes = [7];
  vcpu.run();
  vcpu.immediateExit = true;
  assert.deepEqual(vcpu.run(), { reason: "intr" });
  assert.equal(it.completed.length, 1);
  assert.deepEqual(vcpu.run(), { reason: "intr" });
  vcpu.immediateExit = false;
  assert.equal(vcpu.run(), exit);
});

test("a request to leave counts once, also if it came before run, and kicks the engine", () => {
  const { vm, it, vcpu } = one();
  it.exits.set(7, { reason: "shutdown" });
  it.codes = [7];
  vcpu.requestExit();
  assert.equal(vm.mem.load(vcpu.state + kickOffset), 1);
  assert.deepEqual(vcpu.run(), { reason: "intr" });
  assert.deepEqual(vcpu.run(), { reason: "shutdown" });
});

test("the deadline ends a run", () => {
  const { vcpu } = one();
  assert.deepEqual(vcpu.run({ deadline: soon() }), { reason: "intr" });
});

test("only one thread runs a vCPU", () => {
  const { vm, vcpu } = one();
  vm.mem.store(vcpu.record + vcpuRecord.offset.running, 1);
  assert.throws(() => vcpu.run(), errno("EBUSY"));
});

test("a halted vCPU says until when, where it may not wait", () => {
  const { it, vcpu } = one();
  it.exits.set(1, () => {
    vcpu.halt();
    return undefined;
  });
  it.codes = [1];
  const time = performance.now() + 5000;
  it.wakeTime = performance.timeOrigin + time;
  const exit = vcpu.run();
  assert.equal(exit.reason, "hlt");
  assert.ok(exit.reason === "hlt" && Math.abs(exit.until - time) < 1);
  it.exits.set(2, { reason: "shutdown" });
  it.codes = [2];
  assert.equal(vcpu.run().reason, "hlt");
  it.runnable = true;
  assert.equal(vcpu.run().reason, "shutdown");
  assert.equal(vcpu.stats()["wakes"], 1);
  assert.throws(() => vcpu.run({ wait: true }), errno("EINVAL"));
});

test("a halted vCPU sleeps where it may, until its time or the deadline", () => {
  const { it, vcpu } = one({ shared: true });
  it.exits.set(1, () => {
    vcpu.halt();
    return undefined;
  });
  it.exits.set(2, { reason: "shutdown" });
  it.codes = [1, 2];
  assert.deepEqual(vcpu.run({ deadline: soon() }), { reason: "intr" });
  assert.ok((vcpu.stats()["haltTimeNs"] ?? 0) > 5e6);
  it.runnable = true;
  assert.equal(vcpu.run().reason, "shutdown");
});

test("guest debug steps, and stops at addresses", () => {
  const { it, vcpu } = one();
  vcpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP });
  assert.deepEqual(vcpu.run(), { reason: "debug", address: 4n, status: 0 });
  assert.deepEqual(vcpu.run(), { reason: "debug", address: 8n, status: 0 });
  assert.equal(it.steps, 2);
  // The architecture looks for hardware breakpoints; nothing is stepped for them.
  vcpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, breakpoints: [0x10n] });
  assert.deepEqual(vcpu.run({ deadline: soon() }), { reason: "intr" });
  assert.equal(it.steps, 2);
  vcpu.setGuestDebug({ control: 0 });
  assert.deepEqual(vcpu.run({ deadline: soon() }), { reason: "intr" });
  assert.throws(() => vcpu.setGuestDebug({ control: 4 }), errno("EINVAL"));
  assert.throws(
    () => vcpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE, breakpoints: Array(17).fill(0n) }),
    errno("EINVAL"),
  );
});

test("a step over what the user side answers ends with its answer", () => {
  const { it, vcpu } = one();
  vcpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP });
  it.exits.set(7, { reason: "mmio", physAddr: 0x10n, length: 4, isWrite: false, data: 0n });
  it.codes = [7, 0];
  assert.equal(vcpu.run().reason, "mmio");
  const { pc, steps } = it;
  assert.deepEqual(vcpu.run(), { reason: "debug", address: pc, status: 0 });
  assert.equal(it.steps, steps);
  assert.equal(vcpu.run().reason, "debug");
  assert.equal(it.steps, steps + 1);
});

test("exits are traced for who asks", () => {
  const { vm, it, vcpu } = one();
  it.exits.set(7, { reason: "mmio", physAddr: 0x10n, length: 4, isWrite: false, data: 0n });
  it.codes = [7];
  const seen: unknown[] = [];
  vm.setTrace({ categories: ["exit"], sink: (event) => seen.push(event) });
  vcpu.run();
  vm.setTrace({ categories: [], sink: () => {} });
  vcpu.run();
  const values = { physAddr: 16n, length: 4, isWrite: "false", data: 0n };
  assert.deepEqual(seen, [{ category: "exit", vcpu: 0, name: "mmio", values }]);
});

test("a vCPU that halts first looks for work, for as long as its VM has it", () => {
  const { vm, it, vcpu } = one({ shared: true });
  const polls = () => [vcpu.stats()["polls"], vcpu.stats()["pollsWon"]];
  const halt = () => {
    vcpu.halt();
    return vcpu.run({ deadline: soon() }).reason;
  };
  // What sleeps for longer than the VM has it does not look first.
  vm.mem.setI32(vmState.haltPollNs, 1_000_000);
  assert.equal(halt(), "intr");
  assert.deepEqual(polls(), [0, 0]);
  vm.mem.setI32(vmState.haltPollNs, -1);
  assert.equal(halt(), "intr");
  assert.deepEqual(polls(), [0, 0], "it is not known yet");
  assert.equal(halt(), "intr");
  assert.deepEqual(polls(), [1, 0]);
  // Work comes between the look at what there is to do and the sleep.
  it.exits.set(2, { reason: "shutdown" });
  it.codes = [2];
  Object.defineProperty(it, "wakeTime", {
    get: () => {
      vm.mem.add(vcpu.state + it.arch.wakeOffset, 1);
      it.runnable = true;
      return Number.POSITIVE_INFINITY;
    },
  });
  assert.equal(halt(), "shutdown");
  assert.deepEqual(polls(), [2, 1]);
});

test("accesses are ordered once a VM has two vCPUs, where the engine can do so and must", () => {
  const exit: Exit = { reason: "shutdown" };
  const runAll = (orders: boolean) => {
    const { vm, it, vcpu } = one();
    it.orders = orders;
    it.codes = [7];
    it.exits.set(7, exit);
    assert.equal(vcpu.run(), exit);
    const other = vm.createVcpu(1);
    for (const each of [vcpu, other, vcpu, other]) assert.equal(each.run(), exit);
    return it.bound;
  };
  assert.deepEqual(runAll(false), [false, false]);
  // The first is bound again.
  assert.deepEqual(runAll(true), [false, true, true]);
});

test("a vCPU waits for one that is in the guest with plain accesses, and has it come out", () => {
  const { vm, it, vcpu } = one();
  it.orders = true;
  it.codes = [7];
  let during: Exit | undefined;
  it.exits.set(7, () => {
    // What a thread does meanwhile that runs the other: the engine has been left, but say that it has not.
    vm.mem.store(vcpu.record + vcpuRecord.offset.plain, 1);
    const other = vm.createVcpu(1);
    vm.mem.store(vcpu.state + kickOffset, 0);
    during = other.run({ wait: false });
    assert.equal(vm.mem.load(vcpu.state + kickOffset), 1);
    assert.deepEqual(it.bound, [false]);
    vm.mem.store(vcpu.record + vcpuRecord.offset.plain, 0);
    it.exits.set(7, { reason: "shutdown" });
    return { reason: "shutdown" };
  });
  assert.deepEqual(vcpu.run(), { reason: "shutdown" });
  assert.deepEqual(during, { reason: "intr" });
  assert.deepEqual(vm.vcpu(1).run(), { reason: "shutdown" });
  assert.deepEqual(it.bound, [false, true]);
});
