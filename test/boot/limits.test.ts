/** `limits.processes`: what a guest's programs cannot do any more, and what goes on all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createVm } from "../../src/index-node.js";
import { noGuest } from "./booting.test-support.js";

/** Begins as many as it can; it ends where it cannot fork. */
const many = "for i in $(seq 30); do sleep 1000 & done; sleep 1000";

test("processes: no more than there may be, whoever begins them, in twins, too", { skip: noGuest }, async () => {
  const vm = await createVm({ type: "hv", memory: "256M", limits: { processes: 8 } });
  try {
    const current = () => vm.fs.readFile("/sys/fs/cgroup/unikvm/pids.current", "utf8");
    assert.equal((await vm.exec("cat /sys/fs/cgroup/unikvm/pids.max")).stdout, "8\n");
    await vm.spawn(["sh", "-c", many]);
    while ((await current()) !== "7\n" && (await current()) !== "8\n") await new Promise((go) => setTimeout(go, 50));
    const fillers = await Promise.allSettled([1, 2, 3].map(() => vm.spawn("exec sleep 1000")));
    const refused = fillers.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    assert.ok(refused.length >= 2, `${refused.length}`);
    for (const { code, message } of refused)
      assert.deepEqual([code, /running \/bin\/sh/.test(message)], ["EAGAIN", true]);
    assert.equal(await current(), "8\n");
    await assert.rejects(vm.exec("true"), { code: "EAGAIN" });
    // What the agent does itself is none of them.
    await vm.fs.writeFile("/tmp/a", "b");
    assert.equal(await vm.fs.readFile("/tmp/a", "utf8"), "b");
    const [twin] = await vm.fork(1);
    assert.ok(twin);
    await assert.rejects(twin.exec("true"), { code: "EAGAIN" });
    await twin.close({ grace: 0 });
    // Those that are gone, and buried, are room for others.
    await vm.fs.writeFile("/sys/fs/cgroup/unikvm/cgroup.kill", "1");
    while ((await current()) !== "0\n") await new Promise((go) => setTimeout(go, 50));
    assert.equal((await vm.exec("echo again")).stdout, "again\n");
  } finally {
    await vm.close({ grace: 0 });
  }
});

test("a fork bomb leaves a VM that answers", { skip: noGuest }, async () => {
  const vm = await createVm({ type: "pr", memory: "256M", limits: { processes: 20 } });
  try {
    const bomb = await vm.spawn("bomb() { bomb | bomb & }; bomb; sleep 1000", { timeout: 3000 });
    bomb.stderr.cancel();
    const most = await vm.fs.readFile("/sys/fs/cgroup/unikvm/pids.current", "utf8");
    assert.ok(Number(most) <= 20, most);
    await bomb.exited;
    assert.match(await vm.fs.readFile("/proc/loadavg", "utf8"), /^\d/);
    // It has left the group of the program that began it, and the limit lets somebody end it.
    await vm.fs.writeFile("/sys/fs/cgroup/unikvm/cgroup.kill", "1");
    assert.equal((await vm.exec("echo here")).stdout, "here\n");
  } finally {
    await vm.close({ grace: 0 });
  }
});

test("a kernel that counts none bounds those of a user, and says so", { skip: noGuest }, async () => {
  const vm = await createVm({
    ...{ memory: "256M", append: "cgroup_disable=pids", user: "7:7", cwd: "/" },
    limits: { processes: 5 },
  });
  try {
    const { stderr } = await vm.exec(["sh", "-c", "for i in $(seq 9); do sleep 1000 & done; wait"], { timeout: 3000 });
    assert.match(stderr, /can't fork/);
    const reader = vm.console.readable.getReader();
    let said = "";
    while (!/holds for users other than root alone\n/.test(said)) {
      const { value, done } = await reader.read();
      assert.ok(!done, said);
      said += new TextDecoder().decode(value);
    }
  } finally {
    await vm.close({ grace: 0 });
  }
});
