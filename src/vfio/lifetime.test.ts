/**
 * M16 to M18 of docs/modules.md: a VM that VFIO holds keeps its module, whatever is closed first; a device that is open
 * keeps its driver's; a get on a dying VM or a leaving module fails; with two KVMs each put goes to its own. The kvm modules
 * here are small (an architecture that does nothing), all else is real.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { errno } from "../base/errno.test-support.js";
import { fileTable } from "../base/files.js";
import { createLoader, type KvmOffer } from "../kernel.js";
import { type Device, KVM_DEV_TYPE_VFIO, vmLayout } from "../kvm/uapi.js";
import { defineModule } from "../modules/define-module.js";
import { ModuleLoader } from "../modules/loader.js";
import { fakeDevice, fakeMemory } from "./fake-device.test-support.js";
import { addGroup, smallKvm, unload, vfioWith } from "./lifetime.test-support.js";
import { type Vfio, vfio, vfioRegisterGroupDev } from "./module.js";
import type { LifetimeAnswer, LifetimeRequest } from "./node/lifetime-fixture.js";
import { VFIO_SPAPR_TCE_v2_IOMMU } from "./uapi.js";

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

const handles = ["vm", "kvm-vfio", "container", "group", "device", "driver"] as const;

test("M16, M16a: closed in every order, kvm stays until the last that holds the VM, the driver while its device is open", async () => {
  for (const order of permutations(handles)) await closeIn(order);
});

async function closeIn(order: readonly (typeof handles)[number][]): Promise<void> {
  const kvm = await smallKvm();
  const host = await vfioWith([0]);
  const container = host.api.openContainer(fakeMemory());
  const group = host.api.openGroup(0);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const vm = kvm.createVm();
  const kvmVfio = vm.createDevice(KVM_DEV_TYPE_VFIO);
  addGroup(kvmVfio, group);
  const device = group.getDeviceFd("d0");
  /** rmmod, which is tried again and again until it may be. */
  const removeDriver = (): void => {
    if (!open.has("device")) {
      host.loader.rmmod("a");
      return;
    }
    assert.throws(() => host.loader.rmmod("a"), errno("EBUSY"));
    wanted = true;
  };
  let wanted = false;
  const open = new Map<string, { close(): void }>([
    ["vm", vm],
    ["kvm-vfio", kvmVfio as Device],
    ["container", container],
    ["group", group],
    ["device", device],
    ["driver", { close: removeDriver }],
  ]);
  for (const handle of order) {
    const held = open.has("device") ? 1 : 0;
    assert.equal(kvm.references(), (open.has("vm") || open.has("kvm-vfio") || held ? 1 : 0) + held);
    if (kvm.references() > 0) assert.throws(() => kvm.loader.rmmod("kvm"), errno("EBUSY"));
    assert.equal(host.references("a"), held);
    const filesOpen = ["device", "group", "kvm-vfio", "container"].some((name) => open.has(name));
    const loaded = open.has("driver") || wanted;
    if (filesOpen || loaded) assert.throws(() => host.loader.rmmod("vfio"), errno("EBUSY"));
    open.get(handle)?.close();
    open.delete(handle);
    if (wanted && !open.has("device")) {
      removeDriver();
      wanted = false;
    }
    const alive = ["vm", "kvm-vfio", "device"].some((name) => open.has(name));
    assert.equal(kvm.destroyed(), alive ? 0 : 1, `${order}: after ${handle}`);
  }
  assert.equal(kvm.references(), 0);
  kvm.loader.rmmod("kvm");
  host.loader.rmmod("vfio");
  assert.equal(fileTable().size, 0);
}

test("M17: a device that is opened when its VM is dying does without, and no count changes", async () => {
  const kvm = await smallKvm();
  const host = await vfioWith([0]);
  const container = host.api.openContainer(fakeMemory());
  const group = host.api.openGroup(0);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const vm = kvm.createVm();
  const kvmVfio = vm.createDevice(KVM_DEV_TYPE_VFIO);
  // What VFIO was given, kept beyond what it may: the VM is gone when it is used.
  let late = (): boolean => true;
  const file = fileTable().lookup(group.fd).subject as { setKvm(kvm: { get(): boolean } | undefined): void };
  const { setKvm } = file;
  file.setKvm = (reference) => {
    if (reference) late = () => reference.get();
    setKvm.call(file, reference);
  };
  addGroup(kvmVfio, group);
  kvmVfio?.close();
  vm.close();
  assert.equal(kvm.destroyed(), 1);
  assert.equal(late(), false);
  assert.equal(kvm.references(), 0);
  const device = group.getDeviceFd("d0");
  assert.equal(kvm.references(), 0);
  kvm.loader.rmmod("kvm");
  assert.equal(late(), false, "the module has gone");
  for (const each of [device, group, container]) each.close();
  unload(host);
});

test("M18: with two KVMs loaded, each put goes to the one that owns the VM", async () => {
  const kvms = [await smallKvm(), await smallKvm()];
  const host = await vfioWith([0, 1]);
  const container = host.api.openContainer(fakeMemory());
  const groups = [host.api.openGroup(0), host.api.openGroup(1)];
  for (const group of groups) group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const vms = kvms.map((kvm) => kvm.createVm());
  const kvmVfios = vms.map((vm) => vm.createDevice(KVM_DEV_TYPE_VFIO));
  for (const [i, group] of groups.entries()) addGroup(kvmVfios[i], group);
  const devices = groups.map((group, i) => group.getDeviceFd(`d${i}`));
  for (const each of [...kvmVfios, ...vms]) each?.close();
  const references = () => kvms.map((kvm) => kvm.references());
  assert.deepEqual(references(), [2, 2]);
  devices[1]?.close();
  assert.deepEqual(references(), [2, 0]);
  assert.deepEqual(
    kvms.map((kvm) => kvm.destroyed()),
    [0, 1],
  );
  kvms[1]?.loader.rmmod("kvm");
  assert.throws(() => kvms[0]?.loader.rmmod("kvm"), errno("EBUSY"));
  devices[0]?.close();
  assert.deepEqual(references(), [0, 0]);
  kvms[0]?.loader.rmmod("kvm");
  for (const each of [...groups, container]) each.close();
  unload(host);
  assert.equal(fileTable().size, 0);
});

test("a VM that VFIO holds does not move to another kvm, and moves when it is let go", async () => {
  const open = async () => {
    const loader = createLoader({ memory: "unshared", implementations: ["pr"] });
    await loader.modprobe("kvm");
    return { loader, kvm: loader.offer<KvmOffer>("kvm").open() };
  };
  const [from, to] = [await open(), await open()];
  const host = await vfioWith([0]);
  const container = host.api.openContainer(fakeMemory());
  const group = host.api.openGroup(0);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const vm = from.kvm.createVm();
  const kvmVfio = vm.createDevice(KVM_DEV_TYPE_VFIO);
  addGroup(kvmVfio, group);
  const device = group.getDeviceFd("d0");
  await assert.rejects(() => vm.moveTo(to.kvm), errno("EBUSY"), "it has a KVM-VFIO device");
  kvmVfio?.close();
  await assert.rejects(() => vm.moveTo(to.kvm), errno("EBUSY"), "an open device holds it");
  const references = ({ loader }: typeof from) => loader.lsmod().find(({ name }) => name === "kvm")?.references;
  assert.deepEqual([references(from), references(to)], [2, 0]);
  device.close();
  await vm.moveTo(to.kvm);
  assert.deepEqual([references(from), references(to)], [0, 1]);
  from.loader.rmmod("kvm");
  vm.close();
  to.loader.rmmod("kvm");
  for (const each of [group, container]) each.close();
  unload(host);
});

test("M16a: a driver that is forced out, or that takes its device back, leaves nothing that cannot be removed", async () => {
  const host = await vfioWith([0], [1]);
  const container = host.api.openContainer(fakeMemory());
  const group = host.api.openGroup(0);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const devices = [group.getDeviceFd("d0"), group.getDeviceFd("d0")];
  host.loader.rmmod("a", { force: true });
  // Whoever has it keeps it until he closes it; nobody else gets it, and its name is taken.
  assert.throws(() => group.getDeviceFd("d0"), errno("ENODEV"));
  assert.equal(devices[1]?.getInfo().numRegions, 9);
  await assert.rejects(host.loader.modprobe("a"), errno("EEXIST"));
  assert.throws(() => host.loader.rmmod("vfio"), errno("EBUSY"));
  devices[0]?.close();
  assert.deepEqual(
    host.api.groups().map(({ group: number }) => number),
    [0, 1],
  );
  devices[1]?.close();
  assert.deepEqual(
    host.api.groups().map(({ group: number }) => number),
    [1],
  );
  for (const call of [
    () => group.getStatus(),
    () => group.setContainer(container.fd),
    () => group.unsetContainer(),
    () => group.getDeviceFd("d0"),
  ]) {
    assert.throws(call, errno("ENODEV"));
  }
  // The group's file is open still, and another group has its number.
  await host.loader.modprobe("a");
  const again = host.api.openGroup(0);
  again.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const device = again.getDeviceFd("d0");
  group.close();
  assert.throws(() => host.loader.rmmod("a"), errno("EBUSY"));
  for (const each of [device, again, container]) each.close();
  unload(host);
  assert.equal(fileTable().size, 0);
});

test("M16a: before its driver is up nobody opens a device, and an open that fails holds nothing", async () => {
  const loader = new ModuleLoader([vfio]);
  await loader.modprobe("vfio");
  const api = loader.offer<Vfio>("vfio");
  const container = api.openContainer(fakeMemory());
  const host = fakeDevice("d0");
  const open = () => {
    const group = api.openGroup(0);
    try {
      group.setContainer(container.fd);
      container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
      return group.getDeviceFd("d0");
    } finally {
      group.close();
    }
  };
  await loader.insmod(
    defineModule({
      name: "slow",
      description: "",
      license: "MIT",
      imports: { register: vfioRegisterGroupDev },
      init: async (context) => {
        await context.step(
          "d0",
          () => context.imports.register(host, 0, context),
          (unregister) => unregister(),
        );
        assert.throws(open, errno("ENODEV"));
        assert.equal(host.opened, 0);
      },
    }),
  );
  host.failOpen = true;
  assert.throws(open, errno("EIO"));
  assert.equal(loader.lsmod()[0]?.references, 0);
  host.failOpen = false;
  const device = open();
  assert.equal(loader.lsmod()[0]?.references, 1);
  device.close();
  container.close();
  loader.rmmod("slow");
  loader.rmmod("vfio");
  assert.equal(fileTable().size, 0);
});

test("M16, M17: other threads get and put while the VM is closed and the module removed", {
  timeout: 60_000,
}, async () => {
  const loader = createLoader({ memory: "shared", implementations: ["pr"] });
  const workers = Array.from({ length: 3 }, () => new Worker(new URL("./node/lifetime-fixture.js", import.meta.url)));
  const say = (message: LifetimeRequest, worker: Worker) => {
    const answer = new Promise<LifetimeAnswer>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    worker.postMessage(message);
    return answer;
  };
  let all = 0;
  try {
    for (let seed = 1; seed <= 12; seed++) {
      await loader.modprobe("kvm");
      const vm = loader.offer<KvmOffer>("kvm").open().createVm();
      const memory = new Int32Array(vm.memory.buffer);
      const shared = vm.share();
      await Promise.all(workers.map((worker) => say({ attach: shared }, worker)));
      const answers = workers.map((worker, number) => say({ seed: seed * 10 + number, device: number === 0 }, worker));
      await new Promise((resolve) => setTimeout(resolve, seed));
      assert.throws(() => loader.rmmod("kvm"), errno("EBUSY"));
      vm.close();
      const removed = (async () => {
        for (;;) {
          try {
            loader.rmmod("kvm");
            break;
          } catch (error) {
            errno("EBUSY")(error);
            await new Promise((resolve) => setTimeout(resolve, 0));
          }
        }
        // Nobody holds it, and nobody ever will.
        assert.equal(Atomics.load(memory, vmLayout.users >> 2), 0);
      })();
      const counts = await Promise.all(answers);
      await removed;
      for (const { gets, puts, wrong } of counts) {
        assert.deepEqual(wrong, [], `seed ${seed}`);
        assert.equal(gets, puts);
        all += gets;
      }
      assert.equal(Atomics.load(memory, vmLayout.users >> 2), 0);
      assert.equal(Atomics.load(memory, vmLayout.pins >> 2), 0);
      assert.deepEqual(
        loader.lsmod().map(({ name }) => name),
        ["vac"],
      );
    }
    assert.ok(all > 1000, `${all} gets`);
  } finally {
    for (const worker of workers) await worker.terminate();
  }
});
