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
      message: `EINVAL: openKvm: no kvm runs guests of "${guest}"; there are ppc64le, ppc64, x86_64, i386`,
    });
  }
  await assert.rejects(openKvm({ guest: 7 } as never), { code: "EINVAL" });
  rmmod("kvm");
});

test("M12: openKvm opens the x86 kvm of either vendor, each under its own name in /dev, beside POWER's", async () => {
  const vendors = [];
  for (const [module, letters] of [
    ["kvm-intel", "Genu"],
    ["kvm-amd", "Auth"],
  ] as const) {
    const kvm = await openKvm({ module });
    const ebx = kvm.getSupportedCpuid().find((leaf) => leaf.function === 0)?.ebx ?? 0;
    vendors.push(String.fromCharCode(...new Uint8Array(Uint32Array.of(ebx).buffer)) === letters);
    const vm = kvm.createVm();
    assert.throws(() => rmmod(module), errno("EBUSY"));
    vm.close();
  }
  assert.deepEqual(vendors, [true, true]);
  await openKvm();
  const [byGuest, again] = [await openKvm({ guest: "x86_64" }), await openKvm({ guest: "i386", module: "kvm_intel" })];
  assert.equal(byGuest, again, "loaded once");
  assert.deepEqual([...kernel().nodes()].sort(), [
    ["kvm", "kvm"],
    ["kvm_amd", "kvm_amd"],
    ["kvm_intel", "kvm_intel"],
  ]);
  for (const module of ["kvm", "kvm-intel", "kvm-amd", "vac"]) rmmod(module);
  assert.deepEqual([names(), [...kernel().nodes()]], [[], []]);
});

test("M12: a second kvm for the same name in /dev is refused with EEXIST, whatever it is of, and leaves nothing", async () => {
  const kvms = ["kvm", "kvm-intel", "kvm-amd"];
  for (const first of kvms) {
    await modprobe(first);
    for (const second of kvms.filter((name) => name !== first)) {
      const own = second.replace("-", "_");
      await assert.rejects(modprobe(second), {
        code: "EEXIST",
        message: `EEXIST: ${own}: /dev/kvm is there already, and is ${first.replace("-", "_")}'s; with node=NAME this one has another name`,
      });
      assert.deepEqual(names(), [first.replace("-", "_"), "vac"]);
      await modprobe(second, { node: "another" });
      rmmod(second);
    }
    rmmod(first);
  }
  for (const node of ["", "a/b", "..", "x".repeat(65)])
    await assert.rejects(modprobe("kvm", { node }), errno("EINVAL"));
  assert.deepEqual(names(), ["vac"]);
  rmmod("vac");
});

test("openKvm refuses a module that is no kvm, and one that does not run such guests", async () => {
  for (const [choice, message] of [
    [{ module: "vfio" }, 'openKvm: no kvm is called "vfio"; there are kvm, kvm_intel, kvm_amd'],
    [{ module: "" }, 'openKvm: no kvm is called ""; there are kvm, kvm_intel, kvm_amd'],
    [
      { module: "kvm-hv", guest: "i386" },
      'openKvm: kvm-hv is not a kvm that runs guests of "i386"; there are ppc64le, ppc64',
    ],
    [
      { module: "kvm-amd", guest: "ppc64" },
      'openKvm: kvm-amd is not a kvm that runs guests of "ppc64"; there are x86_64, i386',
    ],
  ] as const) {
    await assert.rejects(openKvm(choice), { code: "EINVAL", message: `EINVAL: ${message}` });
  }
  await assert.rejects(openKvm({ module: 7 } as never), errno("EINVAL"));
  assert.deepEqual(names(), []);
});
