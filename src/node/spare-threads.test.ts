/** Spare threads are there while they are wanted, are handed out once, work, and end when nobody wants them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openKvm } from "../kernel.js";
import { Mailbox, Turn } from "../vmm/core/mailbox.js";
import { ConsoleRing } from "../vmm/devices/console-ring.js";
import { giveBack, keepSpareThreads, noteStart, spareThreads, takeWorker } from "./spare-threads.js";

async function until(what: string, done: () => boolean): Promise<void> {
  const end = performance.now() + 120_000;
  while (!done()) {
    assert.ok(performance.now() < end, `never: ${what}`);
    await sleep(20);
  }
}

test("a spare thread is made, handed out once, and replaced; without anybody there is none", async () => {
  const vm = (await openKvm()).createVm();
  vm.createVcpu(0);
  const mailbox = new Mailbox();
  const start = { cpu: 0, vm: vm.share(), machine: undefined, mailbox: mailbox.buffer, trace: [] };
  const [endOne, endOther] = [keepSpareThreads(), keepSpareThreads()];
  await sleep(0);
  assert.equal(spareThreads(), 0, "nobody has started a thread: what would it load?");
  noteStart(start);
  await until("as many as are kept", () => spareThreads() === 2);
  const worker = takeWorker();
  assert.equal(spareThreads(), 1);
  // It takes its start message after what it was warmed with.
  const ready = once(worker, "message");
  worker.postMessage({ start: { ...start, machine: { console: ConsoleRing.create(true).buffer, pci: false } } });
  const [message] = (await ready) as [{ type: string }];
  assert.equal(message.type, "ready", JSON.stringify(message));
  mailbox.give(Turn.quit);
  const [finished] = (await once(worker, "message")) as [{ type: string }];
  assert.equal(finished.type, "finished", JSON.stringify(finished));
  await until("another in its place", () => spareThreads() === 2);
  assert.ok(!giveBack(worker), "there are as many as are kept");
  // It can do the same again, given back.
  const other = takeWorker();
  assert.ok(giveBack(worker));
  await other.terminate();
  const second = new Mailbox();
  assert.equal(takeWorker(), worker, "the last one first");
  const again = once(worker, "message");
  worker.postMessage({
    start: { ...start, mailbox: second.buffer, machine: { console: ConsoleRing.create(true).buffer, pci: false } },
  });
  assert.equal(((await again) as [{ type: string }])[0].type, "ready");
  second.give(Turn.quit);
  await once(worker, "message");
  await worker.terminate();
  await until("another in its place", () => spareThreads() === 2);
  endOne();
  endOne();
  assert.equal(spareThreads(), 2);
  endOther();
  assert.equal(spareThreads(), 0);
  vm.close();
});

test("a thread that was made for a VM, and not beforehand, is heard by the next one too", async () => {
  const vm = (await openKvm()).createVm();
  vm.createVcpu(0);
  const end = keepSpareThreads();
  const run = async (worker: ReturnType<typeof takeWorker>): Promise<string[]> => {
    const mailbox = new Mailbox();
    const machine = { console: ConsoleRing.create(true).buffer, pci: false };
    const heard: string[] = [];
    worker.on("message", ({ type }: { readonly type: string }) => heard.push(type));
    worker.postMessage({ start: { cpu: 0, vm: vm.share(), machine, mailbox: mailbox.buffer, trace: [] } });
    await until("it is ready", () => heard.length === 1);
    mailbox.give(Turn.quit);
    await until("it has finished", () => heard.length === 2);
    return heard;
  };
  try {
    assert.equal(spareThreads(), 0);
    const worker = takeWorker();
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await run(worker), ["ready", "finished"]);
      assert.ok(giveBack(worker));
      assert.equal(takeWorker(), worker);
    }
    await worker.terminate();
  } finally {
    end();
  }
});

test("no spare thread is made while the process has much to do", async ({ mock }) => {
  const vm = (await openKvm()).createVm();
  vm.createVcpu(0);
  const end = keepSpareThreads();
  let looks = 0;
  /** What the process took since it was last looked at, us. */
  let taken = 1e6;
  mock.method(process, "cpuUsage", (before?: NodeJS.CpuUsage) => {
    if (before) looks++;
    return { user: before ? taken : 0, system: 0 };
  });
  try {
    noteStart({ vm: vm.share(), kind: undefined });
    await until("it is looked at three times", () => looks >= 3);
    assert.equal(spareThreads(), 0);
    taken = 1000;
    await until("it is made once there is time", () => spareThreads() === 1);
  } finally {
    end();
    vm.close();
  }
});
