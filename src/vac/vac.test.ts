import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { type Package, thisPackage } from "../base/package.js";
import { ModuleLoader } from "../modules/loader.js";
import { vac } from "./module.js";
import { ProcessPage } from "./page.js";
import { numberKinds } from "./singletons.js";
import { acquireVac, releaseVac, type Vac } from "./vac.js";

const other: Package = { version: "9.8.7", url: "file:///elsewhere/node_modules/unikvm/" };

/** What another version of the package has: the same code, loaded once more. */
const otherCopy = async (name: string): Promise<{ acquireVac: typeof acquireVac }> =>
  (await import(`${new URL("./vac.js", import.meta.url).href}?${name}`)) as { acquireVac: typeof acquireVac };

test("M19: two versions get no number twice, and what one holds stays when the other leaves", async () => {
  const copy = await otherCopy("numbers");
  assert.notEqual(copy.acquireVac, acquireVac);
  const mine = acquireVac(thisPackage).join(thisPackage);
  const theirs = copy.acquireVac(other).join(other);
  const first = mine.allocateNumber("lpid");
  const second = theirs.allocateNumber("lpid");
  assert.deepEqual(new Set([0, first, second]).size, 3);
  // A number can only be given back by who has it.
  theirs.freeNumber("lpid", first);
  assert.equal(theirs.allocateNumber("lpid"), second + 1);
  assert.deepEqual(theirs.held(), { numbers: 2, workers: 0, timers: 0, enabled: 0 });
  theirs.leave();
  assert.deepEqual(theirs.held(), { numbers: 0, workers: 0, timers: 0, enabled: 0 });
  assert.equal(mine.allocateNumber("lpid"), second);
  mine.leave();
});

test("numbers end, and each kind has its own", () => {
  const member = acquireVac(thisPackage).join(thisPackage);
  for (let n = 1; n < numberKinds.lpid; n++) member.allocateNumber("lpid");
  assert.throws(() => member.allocateNumber("lpid"), errno("ENOSPC"));
  assert.equal(member.allocateNumber("vpid"), 1);
  assert.equal(member.allocateNumber("asid"), 1);
  member.leave();
});

test("threads are counted over all members, up to a limit", () => {
  const [mine, theirs] = [thisPackage, other].map((user) => acquireVac(user).join(user));
  assert.ok(mine && theirs);
  const { page } = mine;
  const { workers, workerLimit } = page;
  page.workerLimit = workers + 2;
  try {
    mine.reserveWorker();
    theirs.reserveWorker();
    assert.throws(() => mine.reserveWorker(), errno("EAGAIN"));
    mine.leave();
    theirs.reserveWorker();
    theirs.leave();
    assert.equal(page.workers, workers);
    theirs.releaseWorker();
    assert.equal(page.workers, workers, "given back twice");
  } finally {
    page.workerLimit = workerLimit;
  }
});

test("what members use is switched on by the first and off by the last", () => {
  const log: string[] = [];
  const on = () => {
    log.push("on");
    return () => void log.push("off");
  };
  const [mine, theirs] = [thisPackage, other].map((user) => acquireVac(user).join(user));
  assert.ok(mine && theirs);
  assert.throws(() =>
    mine.enable("x", () => {
      throw new Error("refused");
    }),
  );
  assert.equal(mine.held().enabled, 0);
  const release = mine.enable("x", on);
  theirs.enable("x", on);
  release();
  release();
  assert.deepEqual(log, ["on"]);
  theirs.leave();
  assert.deepEqual(log, ["on", "off"]);
  mine.leave();
});

test("one timer serves all who poll, and ends with the last", async () => {
  const { setInterval: real } = globalThis;
  let intervals = 0;
  globalThis.setInterval = ((...args: Parameters<typeof real>) => {
    intervals++;
    return real(...args);
  }) as typeof real;
  try {
    const [mine, theirs] = [thisPackage, other].map((user) => acquireVac(user).join(user));
    assert.ok(mine && theirs);
    let stop = (): void => {};
    let calls = 0;
    const called = new Promise<void>((resolve) => {
      stop = mine.poll(() => {
        if (++calls === 2) resolve();
      });
    });
    theirs.poll(() => {});
    const alive = setTimeout(() => {}, 10_000);
    await called;
    clearTimeout(alive);
    assert.equal(intervals, 1);
    stop();
    assert.deepEqual([mine.held().timers, theirs.held().timers], [0, 1]);
    theirs.leave();
    mine.leave();
  } finally {
    globalThis.setInterval = real;
  }
});

test("the budget of generated code is one for the process", () => {
  const page = ProcessPage.here();
  const { codeBytes, codeLimit } = page;
  assert.equal(ProcessPage.here(new SharedArrayBuffer(4096)).buffer, page.buffer, "a thread has one page");
  page.codeLimit = codeBytes + 100;
  page.accountCode(130);
  assert.equal(page.codeExcess, 30);
  page.accountCode(-130);
  assert.equal(page.codeExcess, 0);
  page.codeLimit = codeLimit;
});

test("what is bound for a VM has that VM's share of the budget, too", () => {
  let bytes = 0;
  const share = {
    account: (more: number) => void (bytes += more),
    get excess() {
      return Math.max(0, bytes - 50);
    },
  };
  const other = { account: () => assert.fail(), excess: 7 };
  const page = ProcessPage.within(share, () => {
    assert.equal(ProcessPage.within(other, () => ProcessPage.here()).codeExcess, 7);
    assert.throws(() => ProcessPage.within(other, () => assert.fail("in between")), /in between/);
    return ProcessPage.here();
  });
  const { codeBytes } = page;
  page.accountCode(60);
  assert.deepEqual([bytes, page.codeBytes, page.codeExcess], [60, codeBytes + 60, 10]);
  assert.equal(ProcessPage.here().codeExcess, 0);
  ProcessPage.here().accountCode(-60);
  assert.equal(page.codeExcess, 10, "what others drop is none of its");
  page.accountCode(-60);
  ProcessPage.here().accountCode(60);
  assert.deepEqual([bytes, page.codeBytes], [0, codeBytes]);
});

test("another contract is refused with the package that must be updated", () => {
  const mine = acquireVac(thisPackage);
  const needing = (major: number, minor: number) => () => acquireVac(other, undefined, { major, minor });
  const { version, url } = thisPackage;
  assert.equal(needing(1, 0)(), mine);
  assert.throws(needing(1, 1), errno("ENOEXEC"));
  assert.throws(needing(2, 0), errno("ENOEXEC"));
  assert.throws(
    needing(1, 1),
    (error: Error) =>
      error.message.includes("unikvm 9.8.7 (file:///elsewhere/node_modules/unikvm/) needs vac contract 1.1") &&
      error.message.endsWith(`update unikvm ${version} (${url}) to 9.8.7 or later`),
  );
  // The newcomer is the one that is too old.
  assert.throws(needing(0, 5), (error: Error) => error.message.endsWith(`(${other.url}) to ${version} or later`));
});

test("vac goes with its last member, and the next version provides its own", () => {
  const mine = acquireVac(thisPackage);
  const member = mine.join(thisPackage);
  assert.throws(() => releaseVac(mine), errno("EBUSY"));
  member.leave();
  releaseVac(mine);
  const theirs = acquireVac(other);
  assert.equal(theirs.provider, other);
  assert.equal(theirs.page.buffer, mine.page.buffer, "code that is still there still counts");
  releaseVac(theirs);
});

test("it is a module", async () => {
  const loader = new ModuleLoader([vac]);
  await loader.modprobe("vac");
  const member = loader.offer<Vac>("vac").join(other);
  loader.rmmod("vac");
  assert.deepEqual(acquireVac(thisPackage).members(), [other], "another version's member keeps it");
  member.leave();
});
