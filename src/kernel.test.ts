import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "./base/errno.test-support.js";
import { defineModule, insmod, kernel, lsmod, modprobe, openKvm, rmmod } from "./index.js";

const names = () => lsmod().map(({ name }) => name);

test("the process is one kernel: what is opened shows, and stays while it is used", async () => {
  assert.deepEqual(names(), []);
  const kvm = await openKvm();
  assert.deepEqual(names(), ["kvm", "vac"]);
  const vm = kvm.createVm();
  assert.throws(() => rmmod("kvm"), errno("EBUSY"));
  await openKvm();
  assert.deepEqual(names(), ["kvm", "vac"], "loaded once");
  vm.close();
  rmmod("kvm");
  assert.throws(() => kvm.createVm(), errno("ENOENT"));
  rmmod("vac");
});

test("M5: modprobe kvm-hv loads kvm", async () => {
  await modprobe("kvm-hv");
  assert.deepEqual(names(), ["kvm", "vac"]);
  assert.deepEqual(kernel().showDepends("kvm-hv"), ["vac", "kvm"]);
  rmmod("kvm_hv");
  rmmod("vac");
});

test("a kvm with options is one of its own", async () => {
  const kvm = await openKvm({ implementations: ["pr"] });
  assert.deepEqual(names(), []);
  assert.equal(kvm.createVm().implementation, "pr");
});

test("a module of somebody else's is loaded and removed", async () => {
  const seen: unknown[] = [];
  const hello = defineModule({
    name: "hello",
    description: "Says hello",
    license: "MIT",
    params: { count: { type: "uint", default: 1, description: "How often" } },
    init: ({ parameters }) => void seen.push(parameters.count),
    exit: () => void seen.push("bye"),
  });
  await insmod(hello, { count: "3" });
  await assert.rejects(insmod(hello), errno("EEXIST"));
  assert.deepEqual(lsmod(), [{ name: "hello", state: "live", references: 0, users: [], taints: "(O)" }]);
  rmmod("hello");
  assert.deepEqual(seen, [3, "bye"]);
  assert.throws(() => rmmod("hello"), errno("ENOENT"));
});

test("openKvm finds the kvm that runs such guests, and names those that there are", async () => {
  const kvm = await openKvm({ guest: "ppc64" });
  assert.deepEqual(
    lsmod().map(({ name }) => name),
    ["kvm", "vac"],
  );
  kvm.createVm(0).close();
  for (const guest of ["riscv64", ""]) {
    await assert.rejects(openKvm({ guest }), {
      code: "EINVAL",
      message: `EINVAL: openKvm: no kvm runs guests of "${guest}"; there are ppc64le, ppc64`,
    });
  }
  await assert.rejects(openKvm({ guest: 7 } as never), { code: "EINVAL" });
  rmmod("kvm");
});
