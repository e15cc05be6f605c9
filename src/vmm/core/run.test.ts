import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kvm } from "../../kvm/uapi.js";
import { inputLimit } from "./console-pump.js";
import {
  createFakeSide,
  FakeVm,
  fakeMachine,
  type Reactions,
  type Scripts,
  spawnTestThread,
} from "./fake-vm.test-support.js";
import { type Run, runMachine } from "./run.js";

interface Options {
  readonly reactions?: Reactions;
  readonly timeout?: number;
  readonly cpuLimit?: number;
  readonly output?: (bytes: Uint8Array) => Promise<void> | undefined;
}

for (const threads of [true, false]) {
  const mode = threads ? "threads" : "slices";

  const start = (scripts: Scripts, { reactions = {}, timeout, cpuLimit, output }: Options = {}): Promise<Run> =>
    runMachine({
      createMachine: (control) => fakeMachine(new FakeVm(scripts, threads), scripts.length, control, reactions),
      createSide: createFakeSide,
      spawn: threads ? spawnTestThread : undefined,
      output: output ?? (() => undefined),
      timeout,
      cpuLimit,
    });

  test(`${mode}: exits are answered, output arrives whole, power off ends it`, async () => {
    let text = "";
    const script = [..."hello"].map((say) => ({ say }));
    const run = await start([[...script, { ask: 1 }, { say: "!" }, { ask: 2 }, { say: "?" }, "spin"]], {
      reactions: { 2: () => ({ kind: "powerOff" }) },
      output: (bytes) => {
        text += new TextDecoder().decode(bytes);
        return undefined;
      },
    });
    const { outcome, stats } = await run.ended;
    assert.deepEqual(outcome, { kind: "powerOff" });
    assert.equal(text, "hello!");
    assert.equal(stats.machine["machines"], 1);
    assert.equal(stats.cpus[0]?.["sides"], 1);
  });

  test(`${mode}: a guest that loops for ever ends at its time limit`, async () => {
    const { outcome } = await (await start([["spin"]], { timeout: 100 })).ended;
    assert.deepEqual(outcome, { kind: "timeout" });
  });

  test(`${mode}: two CPUs that loop for ever run for the part that they may`, async () => {
    const before = process.cpuUsage();
    const { outcome } = await (await start([["spin"], ["spin"]], { timeout: 2000, cpuLimit: 0.2 })).ended;
    const { user, system } = process.cpuUsage(before);
    assert.deepEqual(outcome, { kind: "timeout" });
    // Of 2 s, with the starting of threads and all else of this process; without a bound it is 2 s or 4 s.
    assert.ok(user + system < 1.2e6, `${user + system} us`);
  });

  test(`${mode}: what a CPU may not run now, keeps nobody from pausing, answering, stopping`, async () => {
    const reactions: Reactions = { 2: () => ({ kind: "powerOff" }) };
    const script = [...Array.from({ length: 50 }, () => ({ ask: 1 }) as const), { ask: 2 } as const];
    const { outcome } = await (await start([script, ["spin"]], { reactions, cpuLimit: 0.01 })).ended;
    assert.deepEqual(outcome, { kind: "powerOff" });
    const run = await start([["spin"]], { cpuLimit: 0.01 });
    setTimeout(() => run.stop(), 300);
    assert.deepEqual((await run.ended).outcome, { kind: "stopped" });
  });

  test(`${mode}: a limit that is none is refused`, async () => {
    await assert.rejects(start([["spin"]], { cpuLimit: 0 }), { code: "EINVAL", message: /from 0.01 to 1000/ });
  });

  test(`${mode}: a halted guest can be stopped`, async () => {
    const run = await start([["halt"]]);
    setTimeout(() => run.stop(), 50);
    assert.deepEqual((await run.ended).outcome, { kind: "stopped" });
  });

  test(`${mode}: what is asked of a run that has ended, or ends meanwhile, is told so`, async () => {
    const over = { name: "VmmError", message: /the machine has ended, or is about to/ };
    const asks: ((run: Run) => Promise<unknown>)[] = [
      (run) => run.pause(),
      (run) => run.whilePaused(() => undefined),
      // As who reads its log of written pages does.
      (run) =>
        run.whilePaused(
          () => undefined,
          (machine) => machine.vm.pause(),
        ),
      (run) => run.moveTo({} as Kvm),
    ];
    for (const ask of asks) {
      const run = await start([["halt"]]);
      run.stop();
      await run.ended;
      await assert.rejects(ask(run), over);
    }
    for (const ask of asks.slice(0, 3)) {
      const run = await start([["halt"]]);
      const asked = assert.rejects(ask(run), over);
      run.stop();
      assert.deepEqual((await run.ended).outcome, { kind: "stopped" });
      await asked;
    }
  });

  test(`${mode}: a CPU is started, stops itself with its exit complete, and is started again`, async () => {
    const states: string[] = [];
    const reactions: Reactions = {
      1: (control) => control.startCpu(1),
      2: (control, cpu) => control.stopCpu(cpu),
      3: (control) => {
        states.push(control.cpuState(1));
        if (control.cpuState(1) === "stopped") control.startCpu(1);
      },
      5: () => ({ kind: "powerOff" }),
    };
    const first = [{ ask: 1 }, ...Array.from({ length: 2000 }, () => ({ ask: 3 })), "halt"] as const;
    const { outcome, stats } = await (await start([first, [{ ask: 2 }, { ask: 5 }]], { reactions })).ended;
    assert.deepEqual(outcome, { kind: "powerOff" });
    assert.ok(states.includes("stopped"), [...new Set(states)].join());
    // The exit that stopped it had its answer, 20, before it parked.
    assert.equal((stats.cpus[1]?.["answers"] ?? 0) >= 20, true);
  });

  test(`${mode}: an engine that breaks ends the run, in words`, async () => {
    const thrown = (await (await start([["throw"]])).ended).outcome;
    assert.equal(thrown.kind === "failed" && thrown.message, "the engine broke");
    const internal = (await (await start([["internal"]])).ended).outcome;
    assert.equal(internal.kind === "failed" && internal.message, "no such thing");
  });

  test(`${mode}: a slow reader holds the guest up and loses nothing`, async () => {
    let length = 0;
    const script = Array.from({ length: 3000 }, () => ({ say: "x" }));
    const run = await start([[...script, { ask: 2 }]], {
      reactions: { 2: () => ({ kind: "powerOff" }) },
      output: (bytes) => {
        length += bytes.length;
        return new Promise((resolve) => setTimeout(resolve, 5));
      },
    });
    await run.ended;
    assert.equal(length, 3000);
  });
}

test("slices: of many CPUs that stay long the host has its turn between any two, and each has its own", async () => {
  const cpus = 8;
  const scripts: Scripts = [[{ ask: 1 }, "hold"], ...Array<Scripts[number]>(cpus - 1).fill(["hold"])];
  const reactions: Reactions = {
    1: (control) => {
      for (let cpu = 1; cpu < cpus; cpu++) control.startCpu(cpu);
    },
  };
  const run = await runMachine({
    createMachine: (control) => fakeMachine(new FakeVm(scripts, false), cpus, control, reactions),
    createSide: createFakeSide,
    output: () => undefined,
    timeout: 1000,
  });
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const { stats } = await run.ended;
  clearImmediate(next);
  const entries = stats.cpus.map((cpu) => cpu["engineExits"] ?? 0);
  const all = entries.reduce((sum, one) => sum + one, 0);
  assert.ok(all > cpus && turns >= all - cpus, `${turns} turns of the host, ${entries} of the CPUs`);
  // The first one had its exit, too.
  assert.ok(Math.max(...entries) - Math.min(...entries) <= 3, `${entries}`);
});

test("a guest that reads nothing holds up who types, and what it has not read is there at the end", async () => {
  const run = await runMachine({
    createMachine: (control) => fakeMachine(new FakeVm([["halt"]], false), 1, control, {}),
    createSide: createFakeSide,
    output: () => undefined,
  });
  const typed = Uint8Array.from({ length: inputLimit + 5000 }, (_, i) => i % 251);
  assert.equal(run.input(typed.subarray(0, inputLimit)), undefined, "the ring has room for some");
  const room = run.input(typed.subarray(inputLimit));
  assert.ok(room instanceof Promise);
  run.stop();
  await room;
  const { unread } = await run.ended;
  assert.deepEqual(Buffer.from(unread).equals(typed), true);
});

test("a thread that cannot start ends the run", async () => {
  const run = await runMachine({
    createMachine: (control) => fakeMachine(new FakeVm([["halt"]], true), 1, control, {}),
    createSide: createFakeSide,
    spawn: () => ({
      post: () => undefined,
      onMessage: () => undefined,
      onDeath: (listener) => void setTimeout(() => listener("no more threads"), 10),
      terminate: () => Promise.resolve(),
    }),
    output: () => undefined,
  });
  const { outcome } = await run.ended;
  assert.match(outcome.kind === "failed" ? outcome.message : "", /CPU 0 died: no more threads/);
});

test("a machine that cannot be made rejects", async () => {
  const options = { createSide: createFakeSide, output: () => undefined };
  await assert.rejects(
    runMachine({
      ...options,
      createMachine: () => {
        throw new Error("no such machine");
      },
    }),
    /no such machine/,
  );
});
