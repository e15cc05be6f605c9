/** `limits.processes` and `limits.memory`: what a guest cannot do any more, and what goes on all the same. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createVm, openKvm } from "../../src/index-node.js";
import { ProcessPage } from "../../src/vac/page.js";
import { kvmMemory, machines } from "../../src/vmm/machines/machines.js";
import { noGuest } from "./booting.test-support.js";
import { answer, muchCode } from "./much-code.test-support.js";

/** Begins as many as it can; it ends where it cannot fork. */
const many = "for i in $(seq 30); do sleep 1000 & done; sleep 1000";

test("processes: no more than there may be, whoever begins them, in twins, too", { skip: noGuest }, async () => {
  const vm = await createVm({ type: "hv", memory: "256M", limits: { processes: 8 } });
  try {
    const current = () => vm.fs.readFile("/sys/fs/cgroup/unikvm/pids.current", "utf8");
    assert.equal((await vm.exec("cat /sys/fs/cgroup/unikvm/pids.max")).stdout, "8\n");
    // The shell gives up at the first that it cannot begin, which leaves room for one.
    await (await vm.spawn(["sh", "-c", many])).exited;
    while ((await current()) !== "7\n") await new Promise((go) => setTimeout(go, 50));
    const fillers = await Promise.allSettled([1, 2, 3].map(() => vm.spawn("exec sleep 1000")));
    const refused = fillers.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    assert.equal(refused.length, 2);
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

/** With 206M and RAM of 128M, of which kvm has 30, so much is for WebAssembly. */
const leastCode = ((206 - 128 - 30) << 20) / 2 / 10;
const folder = mkdtempSync(join(tmpdir(), "unikvm-limits-"));
after(() => rmSync(folder, { recursive: true }));

for (const type of ["hv", "pr"] as const) {
  test(`${type}: memory: what is written over a disk has its part, and so has code`, { skip: noGuest }, async () => {
    const source = join(folder, `${type}.img`);
    writeFileSync(source, "");
    truncateSync(source, 64 << 20);
    const page = ProcessPage.here();
    const before = page.codeBytes;
    const vm = await createVm({ type, memory: "128M", disks: [{ source }], limits: { memory: "206M" } });
    let most = 0;
    const look = setInterval(() => (most = Math.max(most, page.codeBytes - before)), 5);
    try {
      const written = await vm.exec("dd if=/dev/zero of=/dev/vda bs=1M count=60 conv=fsync 2>&1");
      assert.notEqual(written.exitCode, 0);
      assert.match(written.stdout, /error/i);
      // It goes on, and what is there can be read and written.
      const again = await vm.exec("echo again | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null; head -c 6 /dev/vda");
      assert.equal(again.stdout, "again\n");
      const [twin] = await vm.fork(1);
      assert.ok(twin);
      assert.equal((await twin.exec("head -c 6 /dev/vda")).stdout, "again\n");
      await twin.close({ grace: 0 });
    } finally {
      clearInterval(look);
      await vm.close({ grace: 0 });
    }
    // Of 206M are 128 RAM, 30 kvm's, 4 a cache, and of the rest under hv a half is code's.
    const room = ((type === "hv" ? 24 : 48) - 4) << 20;
    const said = (await vm.closed).console.join("\n");
    assert.match(
      said,
      new RegExp(`cannot grow: what is written to disks and kept in memory has its limit of ${room} bytes`),
    );
    if (type === "pr") assert.equal(most, 0);
    else assert.ok(most > leastCode / 4 && most < 2 * leastCode + (1 << 20), `${most} bytes of code, of ${leastCode}`);
  });
}

test("memory: what a guest runs goes on right where its code has to go to make room", { skip: noGuest }, async (t) => {
  const work = { functions: 800, rounds: 2000 };
  const wanted = answer(work);
  /** Runs it as often as that, or until the VM has more code than so many bytes. */
  const run = async (memory: "206M" | undefined, { most, times }: { most: number; times: number }) => {
    const vm = await createVm({ type: "hv", memory: "128M", ...(memory ? { limits: { memory } } : {}) });
    const code: number[] = [];
    try {
      await vm.fs.writeFile("/tmp/much", muchCode(work), { mode: 0o755 });
      while (code.length < times && (code.at(-1) ?? 0) <= most) {
        const { bytes } = await vm.exec(["/tmp/much"], { check: true });
        assert.equal(Buffer.from(bytes.stdout).toString("hex"), wanted);
        code.push((await vm.stats()).generatedCode);
      }
    } finally {
      await vm.close({ grace: 0 });
    }
    return code;
  };
  const free = await run(undefined, { most: 1.2 * leastCode, times: 20 });
  const limited = await run("206M", { most: Number.POSITIVE_INFINITY, times: free.length + 1 });
  t.diagnostic(`bytes of code after each run: ${free} without a limit, ${limited} of ${leastCode}`);
  assert.ok((free.at(-1) ?? 0) > 1.2 * leastCode);
  // A module more than there is room for is made before others go.
  assert.ok(limited.every((bytes) => bytes < leastCode + (256 << 10)));
  assert.ok((limited.at(-1) ?? 0) > leastCode / 2);
});

test("memory: kvm takes no more for vCPUs than is counted", async () => {
  for (const row of machines) {
    const kvm = await openKvm({ guest: row.guest });
    for (const cpus of [1, 3]) {
      const vm = kvm.createVm(0);
      vm.allocate(16 << 20);
      for (let id = 0; id < cpus; id++) vm.createVcpu(id);
      const taken = vm.memory.buffer.byteLength - (16 << 20);
      // Two of the VM's four are for what a machine has besides, as tables for DMA.
      assert.ok(taken > 1 << 20 && taken + (2 << 20) < kvmMemory(row, cpus), `${row.name}: ${taken} for ${cpus}`);
      vm.close();
    }
  }
});
