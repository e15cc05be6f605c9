/** Twins of a VM: they go on where it stands, and differ from then on. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createVm, type LinuxVm, VmError } from "../../src/index-node.js";
import { implementations, noGuest } from "./booting.test-support.js";
import { holding } from "./forks.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-fork-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const said = async (vm: LinuxVm, command: string): Promise<string> =>
  (await vm.exec(command, { check: true })).stdout.trim();

for (const type of implementations) {
  test(`twins go on where their parent stood, and their own ways (${type})`, {
    skip: noGuest,
    timeout: 280_000,
  }, async (t) => {
    const base = join(folder, `${type}.img`);
    writeFileSync(base, new Uint8Array(1 << 20).fill(0x41));
    const vm = await createVm({ type, memory: "256M", disks: [{ source: base }], network: {} });
    const all: LinuxVm[] = [vm];
    try {
      await vm.exec("echo before >/tmp/a; echo from the parent | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null", {
        check: true,
      });
      // It writes a number each time it wakes, in each of them.
      await vm.exec("(i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.1; done) >/dev/null 2>&1 &", {
        check: true,
      });
      // What a program wrote and was read is its first one's; its streams go on in each.
      const program = await vm.spawn("echo first; while read line; do echo $line $line; done; exit 4");
      const first = program.stdout.getReader();
      assert.equal(new TextDecoder().decode((await first.read()).value), "first\n");
      const started = performance.now();
      const events = vm.events();
      const twins = await vm.fork(2);
      all.push(...twins);
      const { value: copied } = await events.next();
      assert.ok(copied?.type === "copied" && copied.stopped >= 0, JSON.stringify(copied));
      t.diagnostic(`the parent stood still for ${copied.stopped.toFixed(1)} ms (busy machine)`);
      await events.return?.();
      const [a, b] = twins as readonly LinuxVm[] as readonly [LinuxVm, LinuxVm];
      assert.equal(await said(a, "cat /tmp/a"), "before");
      t.diagnostic(
        `two twins, the first of which answers, in ${Math.round(performance.now() - started)} ms (busy machine)`,
      );
      await a.exec("echo mine >/tmp/a; echo from a twin... | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null", {
        check: true,
      });
      assert.deepEqual(await Promise.all([vm, a, b].map((one) => said(one, "cat /tmp/a"))), [
        "before",
        "mine",
        "before",
      ]);
      const disks = await Promise.all([vm, a, b].map((one) => said(one, "head -c 15 /dev/vda")));
      assert.deepEqual(disks, ["from the parent", "from a twin...", "from the parent"]);
      const names = await Promise.all([vm, a, b].map((one) => said(one, "hostname")));
      const random = await Promise.all([vm, a, b].map((one) => said(one, "cat /proc/sys/kernel/random/uuid")));
      for (const each of [names, random]) assert.equal(new Set(each).size, 3, String(each));
      const count = (one: LinuxVm) => said(one, "cat /tmp/count").then(Number);
      for (const one of all) {
        const before = await count(one);
        const end = performance.now() + 60_000;
        while ((await count(one)) <= before) assert.ok(performance.now() < end, "a program does not go on");
      }
      for (const [i, one] of [vm, a, b].entries()) {
        const [same] = i === 0 ? [program] : await one.processes();
        assert.equal(same?.pid, program.pid);
        const writer = same?.stdin.getWriter();
        await writer?.write(new TextEncoder().encode(`twin${i}\n`));
        const reader = i === 0 ? first : same?.stdout.getReader();
        assert.equal(new TextDecoder().decode((await reader?.read())?.value), `twin${i} twin${i}\n`);
        await writer?.close();
        assert.equal((await same?.exited)?.exitCode, 4);
        assert.deepEqual(await one.processes(), []);
      }
      // They outlive their parent.
      await vm.close({ grace: 0 });
      await assert.rejects(vm.fork(), (error) => error instanceof VmError && error.code === "VM_CLOSED");
      const [grandchild] = await b.fork();
      assert.ok(grandchild);
      all.push(grandchild);
      assert.equal(await said(grandchild, "cat /tmp/a"), "before");
      assert.ok(readFileSync(base).every((byte) => byte === 0x41));
      if (type === "hv") {
        // `npm run forks` is the long form.
        const before = holding();
        for (let i = 0; i < 4; i++) {
          const [twin] = await b.fork();
          assert.ok(twin);
          await twin.close({ grace: 0 });
        }
        // Each has four files of its own, and one that begins has its modules' open for a moment.
        const most = (now: ReturnType<typeof holding>) =>
          before.files + 4 * Math.max(0, now.threads - before.threads) + 4;
        let now = holding();
        for (let n = 0; n < 50 && now.files >= most(now); n++) {
          await setTimeout(100);
          now = holding();
        }
        t.diagnostic(`four twins made and closed: ${JSON.stringify(before)} became ${JSON.stringify(now)}`);
        // A spare thread or two may have come.
        assert.ok(now.threads < before.threads + 4, "threads");
        assert.ok(now.files < most(now) && now.handles < before.handles + 4, "files, handles");
      }
    } finally {
      await Promise.all(all.map((one) => one.close({ grace: 0 })));
    }
  });
}

test("memory of twins that were closed does not wait for a thread that has no need of more", {
  skip: noGuest,
  timeout: 280_000,
}, async () => {
  const vm = await createVm({ type: "hv" });
  try {
    const megabytes: number[] = [];
    for (let i = 0; i < 12; i++) {
      const [twin] = await vm.fork();
      // Some 50 MB each. A little of it is hot: the thread beside has its memory, and no garbage of its own.
      await twin?.exec("echo twin");
      await twin?.close({ grace: 0 });
      await vm.exec("ls / | sort | head -3");
      await setTimeout(200);
      megabytes.push(holding().megabytes);
    }
    const [, , third = 0] = megabytes;
    assert.ok((megabytes.at(-1) ?? 0) < third + 160, megabytes.join(" "));
  } finally {
    await vm.close({ grace: 0 });
  }
});

test("what cannot be shared keeps a VM from being forked", { skip: noGuest, timeout: 280_000 }, async () => {
  const disk = join(folder, "written.img");
  writeFileSync(disk, new Uint8Array(1 << 20));
  const vm = await createVm({ memory: "256M", disks: [{ source: disk, mode: "write" }] });
  try {
    await assert.rejects(
      vm.fork(),
      (error) => error instanceof VmError && error.code === "EBUSY" && /written in place/.test(error.message),
    );
    for (const count of [0, -1, 1.5, 65]) {
      await assert.rejects(
        vm.fork(count),
        (error) => error instanceof VmError && error.code === "EINVAL",
        String(count),
      );
    }
    // It runs on.
    assert.equal(await said(vm, "echo here"), "here");
  } finally {
    await vm.close({ grace: 0 });
  }
});
