/** The thread that works beside vCPUs' threads: it translates, and its death harms nobody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { prepareAttachVm } from "../kernel/attach.js";
import { openKvm } from "../kernel.js";
import { threadBeside, workBeside } from "./thread-beside.js";

/** addi 6,6,1 and b to it, little-endian or not: word by word in the guest's order. */
const loop = [0x38c60001, 0x4bfffffc];

async function machine(late = false) {
  const vm = (await openKvm({ implementations: ["hv"] })).createVm();
  const ram = vm.allocate(1 << 20);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: 1n << 20n, userspaceAddr: ram });
  const data = new DataView(vm.bytes(ram, 8).buffer, ram + 0x10000);
  for (const [i, word] of loop.entries()) data.setUint32(4 * i, word);
  const cpu = vm.createVcpu(0);
  cpu.setRegs({ ...cpu.getRegs(), pc: 0x10000n });
  const work = workBeside(vm.share(), late);
  const thread = threadBeside(work.start);
  const attached = (await prepareAttachVm(vm.share(), thread))();
  const runner = attached.vcpu(0);
  const runUntil = async (enough: () => boolean): Promise<void> => {
    const end = performance.now() + 60_000;
    while (!enough()) {
      assert.ok(performance.now() < end, JSON.stringify(runner.stats()));
      assert.equal(runner.run({ deadline: performance.now() + 20 }).reason, "intr");
      await sleep(1);
    }
  };
  const close = async (): Promise<void> => {
    runner.close();
    attached.close();
    vm.close();
    work.start.port.close();
    await work.end();
  };
  return { thread, runner, runUntil, close };
}

const live = (stats: Readonly<Record<string, number>>): boolean => Number(stats["regionsLive"]) > 0;

for (const late of [false, true]) {
  test(`a vCPU's thread gets its regions from the thread beside, begun ${late ? "with the first request" : "at once"}`, async () => {
    const { thread, runner, runUntil, close } = await machine(late);
    await runUntil(() => live(runner.stats()));
    assert.ok(thread.alive);
    await close();
  });
}

test("when it dies the vCPU's thread goes on by itself, and the next VM has a new one", async () => {
  const { thread, runner, runUntil, close } = await machine();
  thread.post(null); // No request: the thread throws.
  await runUntil(() => !thread.alive && live(runner.stats()));
  const next = await machine();
  await next.runUntil(() => live(next.runner.stats()));
  assert.ok(next.thread.alive);
  await next.close();
  await close();
});
