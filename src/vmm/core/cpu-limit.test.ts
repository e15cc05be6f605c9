/** The bound holds whoever runs, and what one took too much is missing later. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Vcpu } from "../../kvm/uapi.js";
import { CpuLimit } from "./cpu-limit.js";

test("a limit that is none is refused", () => {
  for (const cores of [0, -1, 0.001, Number.NaN, Number.POSITIVE_INFINITY, 1001]) {
    assert.throws(() => CpuLimit.of(cores), { code: "EINVAL", message: /0\.01 to 1000/ });
  }
});

/** A vCPU that always has something to do; it leaves late by so many ms, and its clock is this test's. */
function busy(clock: { now: number }, late: number): Vcpu {
  return {
    stats: () => ({ haltTimeNs: 0 }),
    run: ({ deadline = 0 }) => {
      if (deadline > clock.now) clock.now = deadline + late;
      return { reason: "intr" };
    },
  } as unknown as Vcpu;
}

test("in periods, as a control group: what was too much is missing later", (t) => {
  const clock = { now: 1000 };
  t.mock.method(performance, "now", () => clock.now);
  for (const [cores, late] of [
    [0.5, 0],
    [0.5, 7],
    [0.03, 30],
    [0.01, 400],
  ] as const) {
    const limit = CpuLimit.of(cores);
    const vcpu = busy(clock, late);
    const begin = clock.now;
    let ran = 0;
    while (clock.now < begin + 100_000) {
      const since = clock.now;
      if (limit.room > 0) limit.run(vcpu, {});
      ran += clock.now - since;
      if (limit.room <= 0) clock.now += limit.untilNext;
    }
    const part = ran / (clock.now - begin);
    assert.ok(part > cores * 0.98 && part < cores * 1.02 + late / 100_000, `${part} of ${cores}`);
  }
});

test("what was not used is not saved up, and a halt costs nothing", (t) => {
  const clock = { now: 50_000 };
  t.mock.method(performance, "now", () => clock.now);
  const limit = CpuLimit.of(0.25);
  clock.now += 1e6;
  assert.equal(limit.room, 25);
  let halted = 0;
  const sleeper = {
    stats: () => ({ haltTimeNs: halted * 1e6 }),
    run: ({ deadline = 0 }) => {
      halted += deadline - clock.now - 1;
      clock.now = deadline;
      return { reason: "intr" };
    },
  } as unknown as Vcpu;
  // To the end of its turn, of which it ran 1 ms.
  const { room } = limit;
  limit.run(sleeper, {});
  assert.ok(limit.room > room - 1.5, `${limit.room}`);
});

test("where a thread's own time is known, it is what counts, with all that the thread did", () => {
  let used = 1000;
  const limit = CpuLimit.of(1, () => used);
  const vcpu = {
    run: () => {
      used += 3;
      return { reason: "intr" };
    },
  } as unknown as Vcpu;
  const { room } = limit;
  used += 4;
  limit.run(vcpu, {});
  const left = limit.room;
  // Unless a period has begun in between.
  assert.ok(left === room - 7 || left > room - 7, `${left} of ${room}`);
  limit.charge(10_000);
  limit.run(vcpu, {});
  assert.ok(limit.room < -9000);
});

test("without room an exit is completed, and nothing runs", () => {
  const limit = CpuLimit.of(0.01);
  limit.charge(1000);
  let asked: number | undefined;
  const vcpu = {
    stats: () => ({}),
    run: ({ deadline = Number.NaN }) => {
      asked = deadline;
      return { reason: "intr" };
    },
  } as unknown as Vcpu;
  limit.run(vcpu, {});
  assert.equal(asked, 0);
  // Of another thread.
  assert.ok(CpuLimit.from(limit.buffer as SharedArrayBuffer).room < -900);
});
