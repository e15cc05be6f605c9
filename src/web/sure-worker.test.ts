/** Workers that never begin are replaced, and one after another is not waited for without end. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Greeting, sureWorker } from "./sure-worker.js";

/** It says what it is told to. */
class FakeWorker {
  onmessage: Worker["onmessage"] = null;
  onerror: Worker["onerror"] = null;
  onmessageerror: Worker["onmessageerror"] = null;
  readonly got: unknown[] = [];
  ended = false;

  postMessage(message: unknown): void {
    if (typeof message === "function") throw new Error("it cannot be cloned");
    this.got.push(message);
  }
  terminate(): void {
    this.ended = true;
  }
  say(data: unknown): void {
    this.onmessage?.call(this as never, { data } as MessageEvent);
  }
  fail(message: string): void {
    this.onerror?.call(this as never, { message } as ErrorEvent);
  }
}

function started(load: number, ready = load) {
  const workers: FakeWorker[] = [];
  const said: unknown[] = [];
  const died: string[] = [];
  const make = (): FakeWorker => {
    workers.push(new FakeWorker());
    return workers.at(-1) as FakeWorker;
  };
  const sure = sureWorker<unknown, unknown>(
    make,
    (message) => void said.push(message),
    (why) => void died.push(why),
    { load, ready },
  );
  return { sure, workers, said, died };
}

const until = async (met: () => boolean): Promise<void> => {
  while (!met()) await sleep(1);
};

const hour = 3_600_000;

describe("a worker that is sure to begin", () => {
  test("gets in order what was sent before it was ready", () => {
    const { sure, workers, said, died } = started(hour);
    sure.post("one");
    sure.post("two");
    const [worker] = workers as [FakeWorker];
    worker.say(Greeting.loaded);
    assert.deepEqual(worker.got, []);
    worker.say(Greeting.ready);
    sure.post("three");
    worker.say("answer");
    assert.deepEqual(worker.got, ["one", "two", "three"]);
    assert.deepEqual([said, died], [["answer"], []]);
    sure.terminate();
    assert.ok(worker.ended);
  });

  test("is replaced if it does not load, and nothing of the first one is heard", async () => {
    const { sure, workers, said, died } = started(5, hour);
    sure.post("start");
    await until(() => workers.length === 2);
    const [first, second] = workers as [FakeWorker, FakeWorker];
    assert.ok(first.ended && !second.ended);
    second.say(Greeting.loaded);
    second.say(Greeting.ready);
    first.say("too late");
    first.fail("too late");
    second.say("answer");
    await sleep(40);
    assert.deepEqual([first.got, second.got], [[], ["start"]]);
    assert.deepEqual([said, died, workers.length, second.ended], [["answer"], [], 2, false]);
  });

  test("is replaced if it loads, and then does not come back from making its own", async () => {
    const { workers, died } = started(hour, 5);
    workers[0]?.say(Greeting.loaded);
    await until(() => workers.length === 2);
    assert.ok(workers[0]?.ended);
    // The next one has its own time to load.
    await sleep(40);
    assert.equal(workers.length, 2);
    workers[1]?.say(Greeting.loaded);
    workers[1]?.say(Greeting.ready);
    await sleep(40);
    assert.deepEqual([workers.length, workers[1]?.ended, died], [2, false, []]);
    workers[1]?.terminate();
  });

  test("is given up after four that do not begin", async () => {
    const { workers, died } = started(1);
    await until(() => died.length > 0);
    await sleep(30);
    assert.deepEqual(died, ["it does not begin to run"]);
    assert.deepEqual(
      workers.map(({ ended }) => ended),
      [true, true, true, true],
    );
  });

  test("is not made again once it is ended, or has failed to load", async () => {
    const [ended, failed] = [started(2), started(2)];
    ended.sure.terminate();
    failed.workers[0]?.fail("");
    await sleep(20);
    assert.deepEqual([ended.workers.length, ended.died], [1, []]);
    assert.deepEqual([failed.workers.length, failed.died], [1, ["it could not be loaded"]]);
  });

  test("says so where it cannot be sent what waited", () => {
    const { sure, workers, died } = started(hour);
    sure.post(() => undefined);
    workers[0]?.say(Greeting.loaded);
    workers[0]?.say(Greeting.ready);
    assert.deepEqual(died, ["it cannot be cloned"]);
  });
});
