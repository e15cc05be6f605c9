import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { errno } from "../../../base/errno.test-support.js";
import { attachVm } from "../../../kernel/attach.js";
import { createLoader, type KvmOffer } from "../../../kernel.js";
import { KVM_CAP_PPC_ENABLE_HCALL } from "../../../kvm/constants.js";
import type { Exit } from "../../../kvm/uapi.js";
import { defineModule, type ModuleContext } from "../../../modules/define-module.js";
import type { GuestWorkerStart } from "../node/guest.test-worker.js";
import { type Hcall, HcallStatus } from "../papr/hcall.js";
import { programVm } from "../program.test-support.js";
import type { PpcKvm, PpcVm } from "../uapi.js";
import { hcalls, twice } from "./hcalls.test-support.js";
import { kvmppcRegisterHcalls } from "./register-hcalls.js";

const url = new URL("./hcalls.test-support.js", import.meta.url).href;

const adding = (list: readonly Hcall[], name = "adding", from = url) =>
  defineModule({
    name,
    description: "",
    license: "MIT",
    imports: { register: kvmppcRegisterHcalls },
    init: (context: ModuleContext<{ register: typeof kvmppcRegisterHcalls }>) =>
      context.step(
        "register",
        () => context.imports.register({ owner: context, url: from, hcalls: list }),
        (unregister) => unregister(),
      ),
  });

async function loaded() {
  const loader = createLoader({ memory: "both" });
  await loader.modprobe("kvm");
  return { loader, kvm: loader.offer<KvmOffer>("kvm").open() };
}

/** A VM that calls 0xf800 with 21 in r4 and then 0x58, which goes to the user side. */
function calling(kvm: PpcKvm, shared: boolean): PpcVm {
  const source = "lis r3, 0\nori r3, r3, 0xf800\nli r4, 21\nsc 1\nli r3, 0x58\nsc 1";
  return programVm(kvm, source, { shared }).vm;
}

/** Number and r4 of the first hypercall that comes out. */
function first(exit: Exit): readonly [number, bigint | undefined] {
  assert.equal(exit.reason, "papr_hcall");
  return exit.reason === "papr_hcall" ? [exit.nr, exit.args[0]] : [0, 0n];
}

test("a module's hypercall is answered in the kernel side of VMs made while it is loaded, which keep it", async () => {
  const { loader, kvm } = await loaded();
  const before = calling(kvm, false);
  await loader.insmod(adding(hcalls));
  const vm = calling(kvm, false);
  assert.deepEqual(first(before.vcpu(0).run()), [0xf800, 21n]);
  assert.deepEqual(first(vm.vcpu(0).run()), [0x58, 42n]);
  assert.throws(() => loader.rmmod("kvm"), errno("EBUSY"));
  assert.throws(() => loader.rmmod("adding"), errno("EBUSY"));
  vm.vcpu(0).close();
  vm.close();
  loader.rmmod("adding");
  assert.deepEqual(first(calling(kvm, false).vcpu(0).run()), [0xf800, 21n]);
});

test("threads that attach import it", async () => {
  const { loader, kvm } = await loaded();
  await loader.insmod(adding(hcalls));
  const vm = calling(kvm, true);
  const shared = vm.share();
  assert.deepEqual(shared.extensions, [url]);
  const worker = new Worker(new URL("../node/guest.test-worker.js", import.meta.url));
  try {
    const exit = await new Promise<Exit>((resolve, reject) => {
      worker.on("error", reject);
      worker.on("message", (message: "ready" | { exit: Exit }) => message !== "ready" && resolve(message.exit));
      worker.postMessage({ vm: shared, cpu: 0 } satisfies GuestWorkerStart);
    });
    assert.deepEqual(first(exit), [0x58, 42n]);
  } finally {
    await worker.terminate();
  }
  await assert.rejects(attachVm({ ...shared, extensions: [import.meta.url] }), errno("ENOEXEC"));
  await assert.rejects(attachVm({ ...shared, extensions: ["file:///nowhere.js"] }), /nowhere/);
});

test("a VM moves only to where its hypercalls are, and holds their module there", async () => {
  const [one, two] = [await loaded(), await loaded()];
  await one.loader.insmod(adding(hcalls));
  const vm = calling(one.kvm, false);
  await assert.rejects(vm.moveTo(two.kvm), errno("ENOENT"));
  two.loader.rmmod("kvm");
  await two.loader.modprobe("kvm");
  const kvm = two.loader.offer<KvmOffer>("kvm").open();
  await two.loader.insmod(adding(hcalls));
  await vm.moveTo(kvm);
  one.loader.rmmod("adding");
  assert.throws(() => two.loader.rmmod("adding"), errno("EBUSY"));
  assert.deepEqual(first(vm.vcpu(0).run()), [0x58, 42n]);
  vm.vcpu(0).close();
  vm.close();
  two.loader.rmmod("adding");
});

test("a number that is taken, or that is not for modules, is refused", async () => {
  const { loader } = await loaded();
  const refused = (list: readonly Hcall[], code: "EEXIST" | "EINVAL", name?: string) =>
    assert.rejects(loader.insmod(adding(list, name)), errno(code));
  const other = (number: number): Hcall => ({
    number,
    name: "H_OTHER",
    enabled: true,
    handler: () => HcallStatus.success,
  });
  // H_RTAS is kvm's own.
  await refused([other(0xf000)], "EEXIST");
  await refused([twice, other(0xf800)], "EEXIST");
  for (const number of [0x58, 0xeffc, 0x10000, -4, 63488.5, Number.NaN]) await refused([other(number)], "EINVAL");
  await refused([{ ...twice, handler: undefined as unknown as Hcall["handler"] }], "EINVAL");
  await loader.insmod(adding(hcalls));
  await refused([other(0xf800)], "EEXIST", "second");
  assert.deepEqual(
    loader.lsmod().map(({ name }) => name),
    ["adding", "kvm", "vac"],
  );
});

test("hypercalls above PAPR's numbers cannot be switched", async () => {
  const { kvm } = await loaded();
  const vm = calling(kvm, false);
  for (const number of [0xf000, 0xf800]) {
    assert.throws(() => vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [number, 1] }), errno("EINVAL"));
  }
});
