/** Regions that are made beside the vCPU's thread: when they come, late, never, or for code that is gone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RegionBatch, RegionRequest } from "../../../engine/translate/region-maker.js";
import { prepareAttachVm, serveBesideVm } from "../../../kernel/attach.js";
import { openKvm } from "../../../kernel.js";
import type { ThreadBeside } from "../../../kvm/engine.js";
import { ProcessPage } from "../../../vac/page.js";
import { prepareOptimiser } from "../../../wasm/node/v8.js";
import { programVm } from "../program.test-support.js";

const page = ProcessPage.here();
const kvm = await openKvm({ implementations: ["hv"] });
const flags = 0x40000;
const target = 0x30000;

/** Works on this thread, when its answers are taken. */
interface Bench extends ThreadBeside {
  alive: boolean;
  /** Whether answers may be taken. */
  open: () => boolean;
  readonly requests: RegionRequest[];
  readonly answers: RegionBatch[];
}

/** A VM with the program in it, and what attaches to it with a thread beside. */
async function machine(text: string, patience = 10) {
  const { vm, cpu, ram } = programVm(kvm, text);
  const answers: RegionBatch[] = [];
  const requests: RegionRequest[] = [];
  const work = await serveBesideVm(vm.share(), (answer) => answers.push(answer as RegionBatch));
  assert.ok(work);
  const bench: Bench = {
    alive: true,
    gathers: true,
    open: () => true,
    requests,
    answers,
    post: (request) => {
      requests.push(request as RegionRequest);
      work(request);
    },
    take: () => (bench.open() ? answers.shift() : undefined),
  };
  const attached = (await prepareAttachVm(vm.share(), bench))();
  const runner = attached.vcpu(0);
  const data = new DataView(vm.bytes(ram + flags, 16).buffer, ram + flags);
  /** Runs until the guest's hypercall, or until `enough` says so; lets the worker's timers run in between. */
  const run = async (enough = () => false): Promise<void> => {
    const end = performance.now() + 60_000;
    while (!enough()) {
      const { reason } = runner.run({ deadline: performance.now() + patience });
      if (reason === "papr_hcall") return;
      assert.ok(reason === "intr" && performance.now() < end, reason);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  };
  const close = (): void => {
    runner.close();
    attached.close();
    vm.close();
  };
  return { vm, cpu, runner, bench, data, run, close };
}

/**
 * Calls what stands at `target` until flag 0 is set; writes the word of flag 1 over the one that counts, says so in flag 2, and
 * calls it 0x60000 times more, counting from 0.
 */
const changing = `
  lis 4, 4
  lis 10, 3
  ori 10, 10, 8
  wait: bl target
  lwz 5, 0(4)
  cmpwi 5, 0
  beq wait
  lwz 11, 4(4)
  stw 11, 0(10)
  dcbst 0, 10
  sync
  icbi 0, 10
  sync
  isync
  li 6, 0
  stw 10, 8(4)
  lis 7, 6
  again: bl target
  addi 7, 7, -1
  cmpdi 7, 0
  bne again
  li 3, 0x58
  sc 1
  .org ${target}
  target: li 12, 5
  mtctr 12
  inner: addi 6, 6, 1
  bdnz inner
  blr`;
const addTwo = 0x38c60002;
const counted = 2n * 5n * 0x60000n;

const wantsTarget = ({ requests }: Bench) => requests.some(({ firstPage }) => firstPage === target >> 12);

test("what is made beside the vCPU's thread runs", async () => {
  const { runner, bench, data, run, close } = await machine(changing);
  data.setUint32(4, addTwo);
  await run(() => Number(runner.stats()["regionsLive"]) > 0 && wantsTarget(bench));
  data.setUint32(0, 1);
  await run();
  assert.equal(runner.getRegs().gpr[6], counted);
  assert.ok(Number(runner.stats()["translated"]) > 0, JSON.stringify(runner.stats()));
  close();
});

test("a region of code that was changed while it was being made is not used", async () => {
  const { runner, bench, data, run, close } = await machine(changing);
  data.setUint32(4, addTwo);
  bench.open = () => data.getUint32(8) !== 0;
  await run(() => wantsTarget(bench) && bench.answers.length > 0);
  assert.equal(runner.stats()["regionsLive"], 0);
  const [old] = bench.answers;
  assert.ok(old && old.modules.length > 0);
  data.setUint32(0, 1);
  await run();
  assert.ok(!bench.answers.includes(old));
  assert.equal(runner.getRegs().gpr[6], counted);
  close();
});

test("a thread beside that dies leaves the work to the vCPU's", async () => {
  const { runner, bench, data, run, close } = await machine(changing);
  data.setUint32(4, addTwo);
  bench.open = () => false;
  await run(() => wantsTarget(bench));
  bench.alive = false;
  data.setUint32(0, 1);
  await run();
  assert.equal(runner.getRegs().gpr[6], counted);
  const { regions, longestTranslationMicroseconds } = runner.stats();
  assert.ok(Number(regions) > 0 && Number(longestTranslationMicroseconds) > 0, JSON.stringify(runner.stats()));
  close();
});

test("a VM that is closed while regions are being made leaves no code accounted for", async () => {
  const before = page.codeBytes;
  const { bench, run, close } = await machine(changing);
  bench.open = () => false;
  await run(() => wantsTarget(bench));
  close();
  assert.equal(page.codeBytes, before);
});

test("what comes from beside is within the budget of code", async () => {
  const { codeLimit, codeBytes } = page;
  try {
    const { runner, bench, data, run, close } = await machine(changing);
    data.setUint32(4, addTwo);
    page.codeLimit = codeBytes;
    await run(() => wantsTarget(bench) && Number(runner.stats()["regionsDropped"]) > 0);
    data.setUint32(0, 1);
    await run();
    assert.equal(runner.getRegs().gpr[6], counted);
    const { regions, regionsDropped } = runner.stats();
    assert.ok(Number(regionsDropped) > 0 && regionsDropped === regions, JSON.stringify(runner.stats()));
    assert.equal(page.codeBytes, codeBytes);
    close();
  } finally {
    page.codeLimit = codeLimit;
  }
});

/** 40 loops in pages of their own, called in turn until flag 0 is set; r6 is the sum of what they add, a number each, and r7 how often all were called. */
const many = 40;
const turns = `
  lis 4, 4
  li 6, 0
  li 7, 0
  wait: ${Array.from({ length: many }, (_, i) => `bl turn${i}`).join("\n  ")}
  addi 7, 7, 1
  lwz 5, 0(4)
  cmpwi 5, 0
  beq wait
  li 3, 0x58
  sc 1
  ${Array.from({ length: many }, (_, i) => `.org ${0x50000 + 0x1000 * i}\n  turn${i}: li 12, 500\n  mtctr 12\n  loop${i}: addi 6, 6, ${i + 1}\n  bdnz loop${i}\n  blr`).join("\n  ")}`;

test("regions are gathered in one module, and go on being what they were", async () => {
  prepareOptimiser(true);
  const before = page.codeBytes;
  const { cpu, runner, data, run, close } = await machine(turns, 50);
  const gathered = () => Number(runner.stats()["regionsGathered"]);
  await run(() => gathered() >= 16);
  const { regionsGathered = 0, regions = 0 } = runner.stats();
  assert.ok(regionsGathered <= regions, JSON.stringify(runner.stats()));
  const since = performance.now();
  await run(() => performance.now() - since > 200);
  data.setUint32(0, 1);
  await run();
  const { gpr } = runner.getRegs();
  assert.equal(gpr[6], 500n * BigInt((many * (many + 1)) / 2) * (gpr[7] as bigint));
  cpu.close();
  close();
  assert.equal(page.codeBytes, before);
});
