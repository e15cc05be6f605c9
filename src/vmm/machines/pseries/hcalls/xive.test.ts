import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_REG_PPC_VP_STATE } from "../../../../arch/powerpc/uapi.js";
import { openKvm } from "../../../../kernel.js";
import { KVM_CAP_PPC_IRQ_XIVE } from "../../../../kvm/uapi.js";
import { XiveController, type XiveState } from "../xive.js";
import { HcallStatus as H, type MachineContext } from "./hcall.js";
import { xiveHcalls } from "./xive.js";

const kvm = await openKvm({ memory: "unshared" });
const memorySize = 1 << 20;
const irq = 0x1000n;
const level = 0x1200n;
const call = {
  getSourceInfo: xiveHcalls.H_INT_GET_SOURCE_INFO,
  setSourceConfig: xiveHcalls.H_INT_SET_SOURCE_CONFIG,
  getSourceConfig: xiveHcalls.H_INT_GET_SOURCE_CONFIG,
  getQueueInfo: xiveHcalls.H_INT_GET_QUEUE_INFO,
  setQueueConfig: xiveHcalls.H_INT_SET_QUEUE_CONFIG,
  getQueueConfig: xiveHcalls.H_INT_GET_QUEUE_CONFIG,
  esb: xiveHcalls.H_INT_ESB,
  sync: xiveHcalls.H_INT_SYNC,
  reset: xiveHcalls.H_INT_RESET,
} as const;
type Call = keyof typeof call;

const sources = [
  { first: Number(irq), count: 1 },
  { first: Number(level), count: 1, level: true },
];

/** On a real VM with two CPUs, of which the first has a queue of priority 6. */
function ready() {
  const vm = kvm.createVm(2, { shared: false });
  const ram = vm.allocate(memorySize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(memorySize), userspaceAddr: ram });
  const xive = new XiveController(vm, 2, sources);
  const cpus = [0, 1].map((id) => vm.createVcpu(id));
  for (const cpu of cpus) cpu.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive.fd, cpu.id] });
  const context = { cpu: 0, vm, xive, host: { memorySize } } as unknown as MachineContext;
  const ask = (name: Call, args: readonly bigint[], within = context) => {
    const all = [...args, ...Array<bigint>(9).fill(0n)].slice(0, 9);
    return { status: call[name](within, all), results: all };
  };
  const status = (name: Call, ...args: readonly bigint[]) => ask(name, args).status;
  const results = (name: Call, ...args: readonly bigint[]) => {
    const { status, results } = ask(name, args);
    assert.equal(status, H.success);
    return results;
  };
  assert.equal(status("setQueueConfig", 1n, 0n, 6n, 0x10000n, 16n), H.success);
  const entries = new DataView(vm.memory.buffer, ram + 0x10000);
  const close = () => {
    for (const part of [...cpus, xive, vm]) part.close();
  };
  return { vm, xive, cpus, ask, status, results, context, entries, close };
}

test("a guest learns where a source's pages are, sets it to a queue, and gets its events there", () => {
  const { cpus, results, status, entries, vm, close } = ready();
  const manage = 0x6_0100_0000_0000n + irq * 0x20000n + 0x10000n;
  assert.deepEqual(results("getSourceInfo", 0n, irq).slice(0, 4), [1n, manage, manage - 0x10000n, 16n]);
  assert.equal(results("getSourceInfo", 0n, level)[0], 5n);
  assert.deepEqual(results("getSourceConfig", 0n, irq).slice(0, 3), [0n, 0xffn, irq]);
  assert.equal(status("setSourceConfig", 2n, irq, 0n, 6n, 0x77n), H.success);
  assert.deepEqual(results("getSourceConfig", 0n, irq).slice(0, 3), [0n, 6n, 0x77n]);
  assert.equal(results("esb", 0n, irq, 0xc00n)[0], 1n);
  assert.equal(results("esb", 1n, irq, 0n, 0n)[0], (1n << 64n) - 1n);
  assert.equal(results("esb", 0n, irq, 0x800n)[0], 2n);
  assert.equal(entries.getUint32(0), 0x80000077);
  assert.equal((cpus[0]?.getOneReg(KVM_REG_PPC_VP_STATE) ?? 0n) >> 40n, 2n);
  // The number stays if it is not set; a mask keeps the target's server.
  assert.equal(status("setSourceConfig", 0n, irq, 0n, 6n, 0x99n), H.success);
  assert.equal(status("setSourceConfig", 1n, irq, 0n, 6n), H.success);
  assert.deepEqual(results("getSourceConfig", 0n, irq).slice(0, 3), [0n, 0xffn, 0x77n]);
  vm.signalMsi({ address: 0n, data: Number(irq) });
  assert.equal(entries.getUint32(4), 0);
  assert.deepEqual(results("getQueueConfig", 1n, 0n, 6n).slice(0, 4), [3n, 0x10000n, 16n, 1n]);
  assert.deepEqual(results("getQueueConfig", 0n, 0n, 6n).slice(0, 3), [1n, 0x10000n, 16n]);
  assert.deepEqual(results("getQueueInfo", 0n, 0n, 6n).slice(0, 2), [(1n << 64n) - 1n, 16n]);
  assert.equal(status("sync", 0n, irq), H.success);
  assert.equal(status("reset", 0n), H.success);
  assert.deepEqual(results("getSourceConfig", 0n, irq).slice(0, 3), [0n, 0xffn, irq]);
  assert.deepEqual(results("getQueueConfig", 0n, 0n, 6n).slice(0, 3), [0n, 0n, 0n]);
  close();
});

const wild = (1n << 64n) - 1n;
const refused: readonly (readonly [Call, readonly bigint[], bigint])[] = [
  ["getSourceInfo", [1n, irq], H.parameter],
  ["getSourceInfo", [0n, irq + 1n], H.parameter2],
  ["getSourceInfo", [0n, wild], H.parameter2],
  ["setSourceConfig", [4n, irq, 0n, 6n], H.parameter],
  ["setSourceConfig", [0n, wild, 0n, 6n], H.parameter2],
  ["setSourceConfig", [0n, irq, 2n, 6n], H.parameter3],
  ["setSourceConfig", [0n, irq, wild, 6n], H.parameter3],
  ["setSourceConfig", [0n, irq, 0n, 7n], H.parameter4],
  ["setSourceConfig", [0n, irq, 0n, wild], H.parameter4],
  ["setSourceConfig", [0n, irq, 1n, 6n], H.hardware],
  ["getSourceConfig", [1n, irq], H.parameter],
  ["getSourceConfig", [0n, wild], H.parameter2],
  ["getQueueInfo", [1n, 0n, 6n], H.parameter],
  ["getQueueInfo", [0n, 2n, 6n], H.parameter2],
  ["getQueueInfo", [0n, 0n, 7n], H.parameter3],
  ["setQueueConfig", [2n, 0n, 6n, 0x10000n, 16n], H.parameter],
  ["setQueueConfig", [0n, 0n, 6n, 0x10000n, 16n], H.parameter],
  ["setQueueConfig", [1n, wild, 6n, 0x10000n, 16n], H.parameter2],
  ["setQueueConfig", [1n, 0n, 7n, 0x10000n, 16n], H.parameter3],
  ["setQueueConfig", [1n, 0n, 6n, 0x10004n, 16n], H.parameter4],
  ["setQueueConfig", [1n, 0n, 6n, BigInt(memorySize), 16n], H.parameter4],
  ["setQueueConfig", [1n, 0n, 6n, wild - 0xffffn, 16n], H.parameter4],
  ["setQueueConfig", [1n, 0n, 6n, 0x10000n, 12n], H.parameter5],
  ["setQueueConfig", [1n, 0n, 6n, 0x10000n, wild], H.parameter5],
  ["getQueueConfig", [2n, 0n, 6n], H.parameter],
  ["getQueueConfig", [0n, 2n, 6n], H.parameter2],
  ["getQueueConfig", [0n, 0n, wild], H.parameter3],
  ["esb", [2n, irq, 0n], H.parameter],
  ["esb", [0n, wild, 0n], H.parameter2],
  ["esb", [0n, irq, 0x10000n], H.parameter3],
  ["sync", [1n, irq], H.parameter],
  ["sync", [0n, wild], H.parameter2],
  ["reset", [1n], H.parameter],
];

test("what the machine knows of the XIVE is made from its state, and no other is taken", () => {
  const { xive, status, close } = ready();
  assert.equal(status("setSourceConfig", 2n, irq, 0n, 6n, 0x77n), H.success);
  assert.equal(status("setSourceConfig", 2n, level, 0n, 6n, 0x99n), H.success);
  assert.equal(status("setSourceConfig", 0n, level, 0n, 0xffn), H.success);
  const state = structuredClone(xive.save());
  assert.deepEqual(
    state.targets.map(({ irq }) => irq),
    [irq, level],
  );
  const make = (state: unknown): XiveController => {
    const other = kvm.createVm(2, { shared: false });
    try {
      const made = new XiveController(other, 2, sources, state as XiveState);
      made.close();
      return made;
    } finally {
      other.close();
    }
  };
  const restored = make(state);
  for (const each of [0n, 1n, irq, level]) assert.deepEqual(restored.source(each), xive.source(each));
  assert.deepEqual(restored.save(), state);
  const target = { irq, server: 0, priority: 6, eisn: 1 };
  for (const [wrong, message] of [
    [{}, /targets is missing/],
    [{ targets: [{ ...target, irq: irq + 1n }] }, /the saved XIVE has a source 4097; this one has none/],
    [{ targets: [{ ...target, server: 2 }] }, /server is 2/],
    [{ targets: [{ ...target, priority: 7 }] }, /priority is 7, not one of 255/],
    [{ targets: [{ ...target, eisn: -1 }] }, /eisn is -1/],
  ] as const) {
    assert.throws(() => make(wrong), { code: "EINVAL", message });
  }
  close();
});

test("what a guest may not ask is refused, as is everything without a XIVE", () => {
  const { status, ask, context, close } = ready();
  for (const [name, args, expected] of refused) {
    assert.equal(status(name, ...args), expected, `${name} ${args.join(" ")}`);
  }
  for (const name of Object.keys(call) as Call[]) {
    assert.equal(ask(name, [0n, irq, 0n, 6n], { ...context, xive: undefined }).status, H.function, name);
  }
  close();
});
