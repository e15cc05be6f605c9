/** How VMs end that do not end well, and what is told to whoever waits for something of them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createVm, type ExecResult, type LinuxVm, VmError } from "../../src/index-node.js";
import { noGuest, noGuestNamed } from "./booting.test-support.js";

const errorOf = (promise: Promise<unknown>): Promise<VmError> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (error: unknown) => {
      assert.ok(error instanceof VmError, String(error));
      return error;
    },
  );

test("a panic rejects all that waits, with the console's last lines", { skip: noGuest }, async () => {
  const vm = await createVm();
  const waiting: Promise<unknown>[] = [
    vm.exec("sleep 1000"),
    vm.exec("cat", { stdin: new ReadableStream() }),
    (await vm.spawn("sleep 1000")).exited,
    vm.exec("echo c >/proc/sysrq-trigger"),
  ];
  for (const error of await Promise.all(waiting.map(errorOf))) {
    assert.equal(error.code, "CRASHED", error.message);
    assert.ok(error.console.length <= 40);
    assert.match(error.console.join("\n"), /Kernel panic - not syncing: sysrq triggered crash/);
  }
  const end = await vm.closed;
  assert.equal(end.kind, "crash");
  assert.equal((await errorOf(vm.fs.stat("/"))).code, "CRASHED");
  assert.equal((await errorOf(vm.exec("true"))).code, "CRASHED");
  assert.equal((await vm.close()).kind, "crash");
});

/** Takes all memory there is, in pages that belong to nobody who could be killed, until the VM ends. */
async function fillMemory(vm: LinuxVm): Promise<void> {
  let over = false;
  void vm.closed.then(() => {
    over = true;
  });
  // An agent that is gone refuses at once, so that others have no turn unless they are given one.
  for (; !over; await setImmediate()) await vm.exec("cat /dev/zero >>/m/file").catch(() => undefined);
}

test("a guest without memory loses programs, and at the end rejects all that waits", { skip: noGuest }, async (t) => {
  const vm = await createVm({ type: "hv", memory: "128M" });
  t.after(() => vm.close({ grace: 0 }));
  // What is too large for itself goes alone.
  const large = await vm.exec("tail -n 1 /dev/zero; echo $?");
  assert.equal(large.stdout, "137\n");
  const waiting = [vm.exec("sleep 1000"), (await vm.spawn("sleep 1000")).exited];
  await vm.exec("mkdir /m; mount -t ramfs none /m", { check: true });
  const filling = fillMemory(vm);
  const ends = await Promise.all(
    waiting.map((one) =>
      one.then(
        ({ signal }) => signal,
        (error: VmError) => error,
      ),
    ),
  );
  for (const end of ends) {
    // The kernel may have taken it before it gave up.
    if (end === "SIGKILL") continue;
    assert.ok(end instanceof VmError, String(end));
    assert.equal(end.code, "CRASHED", end.message);
    assert.match(end.console.join("\n"), /Kernel panic - not syncing: System is deadlocked on memory/);
  }
  await filling;
  const closed = await vm.closed;
  assert.deepEqual([closed.kind, closed.console.length <= 40], ["crash", true]);
  assert.match(closed.message, /System is deadlocked on memory/);
});

test("an agent that is killed is told of, with what the console said", { skip: noGuest }, async () => {
  const vm = await createVm({ type: "pr", memory: "128M" });
  const waiting = [
    vm.exec("sleep 1000"),
    vm.fs.readFile("/dev/zero"),
    vm.exec("echo last >/dev/console; sleep 1; kill -9 $PPID"),
  ];
  for (const { code, console } of await Promise.all(waiting.map(errorOf))) {
    assert.equal(code, "AGENT_FAILED");
    assert.equal(console.at(-1), "last");
  }
  assert.equal((await vm.closed).kind, "failed");
});

test("a guest whose kernel resets its devices before it turns itself off", {
  skip: noGuestNamed("amd64"),
}, async () => {
  const vm = await createVm({ guest: "x86_64", memory: "256M" });
  assert.equal((await errorOf(vm.exec("poweroff -f"))).code, "VM_CLOSED");
  assert.equal((await vm.closed).kind, "powerOff");
});

test("a guest that turns itself off, and a VM that was closed, are VM_CLOSED", { skip: noGuest }, async () => {
  const vm = await createVm({ memory: "256M", limits: { output: "4K" } });
  const truncated = (await vm.exec("head -c 10000 /dev/zero")) as ExecResult;
  assert.deepEqual([truncated.bytes.stdout.length, truncated.truncated], [4096, true]);
  const events = vm.events();
  const waiting = vm.exec("sleep 1000");
  const off = vm.exec("poweroff -f");
  for (const error of await Promise.all([waiting, off].map(errorOf))) assert.equal(error.code, "VM_CLOSED");
  assert.equal((await vm.closed).kind, "powerOff");
  const said = [];
  for await (const { type } of events) said.push(type);
  assert.deepEqual([said[0], said.at(-1)], ["spawned", "ended"]);
  for (const call of [
    () => vm.exec("true"),
    () => vm.spawn("true"),
    () => vm.fs.readFile("/x"),
    () => vm.fs.writeFile("/x", ""),
    () => vm.fs.readdir("/"),
    () => vm.fs.createReadStream("/x").getReader().read(),
    () => vm.fs.upload(new ReadableStream(), "/x"),
    () => vm.fs.upload(".", "/x"),
    () => vm.fs.download("/x").getReader().read(),
    () => vm.processes(),
    () => vm.pause(),
    () => vm.resume(),
    () => vm.stats(),
    async () => vm.events(),
    () => vm.fork(),
    () => vm.console.writable.getWriter().write(new Uint8Array(1)),
  ]) {
    assert.equal((await errorOf(call())).code, "VM_CLOSED");
  }
  assert.equal((await vm.close()).kind, "powerOff");
});

test("its lifetime ends a VM, and an abort its boot", { skip: noGuest }, async () => {
  const controller = new AbortController();
  const reason = new Error("no more");
  const booting = createVm({
    signal: controller.signal,
    onProgress: ({ name }) => {
      if (name === "booting") controller.abort(reason);
    },
  });
  await assert.rejects(booting, reason);
  const error = await errorOf(createVm({ limits: { lifetime: 100 } }));
  assert.match(error.message, /its lifetime of 100 ms is over/);
});

for (const done of [0, 1]) {
  test(`what onProgress throws at ${done === 0 ? "the beginning" : "the end"} of a boot leaves nothing that runs`, {
    skip: noGuest,
  }, () => {
    const program = `
      import { createVm } from ${JSON.stringify(new URL("../../src/index-node.js", import.meta.url).href)};
      const onProgress = ({ name, done }) => { if (name === "booting" && done === ${done}) throw new Error("not that"); };
      await createVm({ onProgress }).catch(({ message }) => console.log(message));
    `;
    const args = ["--input-type=module", "-e", program];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 });
    assert.deepEqual([stdout, stderr, status], ["not that\n", "", 0]);
  });
}

test("what does not come up is told with what the console said", { skip: noGuest }, async () => {
  const error = await errorOf(createVm({ append: "rdinit=/no/such/program" }));
  assert.match(error.code, /^(BOOT_FAILED|CRASHED)$/);
  assert.match(error.console.join("\n"), /no\/such\/program|Kernel panic/);
});

test("options that are wrong, or not there yet, are told by name before anything is booted", async (t) => {
  const own = fileURLToPath(import.meta.url);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const taken = { host: (server.address() as AddressInfo).port, guest: 80 };
  const wrong: readonly [object, string, RegExp][] = [
    [{ memory: "lots" }, "EINVAL", /memory is "lots"/],
    [{ memory: "1M" }, "EINVAL", /at least 16M/],
    [{ memory: "1M", guest: "x86_64" }, "EINVAL", /at least 32M/],
    [{ memory: "64G" }, "EINVAL", /at most 3072M/],
    [{ cpus: 1000 }, "EINVAL", /1 to 32 CPUs, not 1000/],
    [{ cpu: "486" }, "EINVAL", /no CPU model "486"/],
    [{ append: "x".repeat(5000) }, "EINVAL", /command line is longer than/],
    [{ cpus: 0 }, "EINVAL", /cpus is 0/],
    [{ type: "xen" }, "EINVAL", /type is "xen"/],
    [{ colour: "blue" }, "EINVAL", /no option colour/],
    [{ env: { A: 1 } }, "EINVAL", /A is 1/],
    [{ limits: { lifetime: 0 } }, "EINVAL", /lifetime is 0/],
    [{ initrd: "x" }, "EINVAL", /initrd needs its kernel/],
    [{ kernel: "/no/such/kernel" }, "ENOENT", /the kernel \/no\/such\/kernel/],
    [{ disks: [{ source: "/no/such/disk" }] }, "ENOENT", /there is no such file/],
    [{ image: "/no/such.qcow2" }, "ENOENT", /such.qcow2 .*there is no such file/],
    [{ disks: Array(40).fill({ source: own }) }, "EINVAL", /32 slots/],
    [{ disks: Array(2).fill({ source: own, mode: "write" }) }, "EINVAL", /used twice/],
    [{ disks: [{ source: new URL("ftp://x/") }] }, "BOOT_FAILED", /ftp:.*no address of http/],
    [{ snapshot: "no-such" }, "ENOENT", /no-such/],
    [{ shares: { "/mnt": "/tmp" } }, "NOT_SUPPORTED", /option shares/],
    [{ guest: "vax" as "i386" }, "EINVAL", /guest.*"ppc64le".*"x86_64".*"i386"/],
    [{ image: "alpine" }, "NOT_SUPPORTED", /image "alpine" is of no kind/],
    [{ limits: { cpu: 0 } }, "EINVAL", /limits.cpu is 0, not a number of processors from 0.01 to 1000/],
    [{ limits: { memory: "512M" } }, "EINVAL", /limits.memory is 512M, but the guest's RAM is 512M/],
    [{ memory: "1G", limits: { memory: "1G" } }, "EINVAL", /limits.memory is 1024M, but .* RAM is 1024M/],
    [{ limits: { memory: "half" } }, "EINVAL", /limits.memory is "half"/],
    [{ limits: { processes: 0 } }, "EINVAL", /processes is 0/],
    [{ limits: { processes: 1.5 } }, "EINVAL", /processes is 1.5/],
    [{ limits: { processes: 4194305 } }, "EINVAL", /processes is 4194305/],
    [{ limits: { cpu: "half" } }, "EINVAL", /limits.cpu is half/],
    [{ limits: { disk: "half" } }, "EINVAL", /limits.disk is "half"/],
    [{ network: { via: "fetch" } }, "NOT_SUPPORTED", /network.via/],
    [{ network: { allow: ["*:*:*"] } }, "EINVAL", /network.allow: .*\*:\*:\*/],
    [{ network: { allow: ["example.org:99999"] } }, "EINVAL", /ports that there are not/],
    [{ network: { forward: [taken] } }, "EADDRINUSE", /connections to port \d+ of 127.0.0.1 cannot be taken/],
  ];
  for (const [options, code, message] of wrong) {
    const error = await errorOf(createVm(options as never));
    assert.deepEqual([error.code, message.test(error.message)], [code, true], `${JSON.stringify(options)}: ${error}`);
  }
});
