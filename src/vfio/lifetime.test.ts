/**
 * M16 to M18 of docs/modules.md: a VM that VFIO holds keeps its module, whatever is closed first; a get on a dying VM or a
 * leaving module fails; with two KVMs each put goes to its own. The kvm modules here are small (an architecture that does
 * nothing), all else is real.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createLoader, type KvmOffer } from "../arch/powerpc/module.js";
import { errno } from "../base/errno.test-support.js";
import { fileTable } from "../base/files.js";
import { fake, fakeMember } from "../kvm/fake-arch.test-support.js";
import { KvmCore } from "../kvm/kvm.js";
import {
  type Device,
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  type Vm,
  vmLayout,
} from "../kvm/uapi.js";
import { vfioDeviceType } from "../kvm/vfio.js";
import { defineModule } from "../modules/define-module.js";
import { ModuleLoader } from "../modules/loader.js";
import { fakeDevice, fakeMemory } from "./fake-device.test-support.js";
import { type Vfio, vfio } from "./module.js";
import type { LifetimeAnswer, LifetimeRequest } from "./node/lifetime-fixture.js";
import { random } from "./random.test-support.js";
import { type Container, type Group, VFIO_SPAPR_TCE_v2_IOMMU, type VfioDevice } from "./uapi.js";

interface SmallKvm {
  readonly loader: ModuleLoader;
  createVm(): Vm;
  /** VMs that have ended. */
  destroyed(): number;
  /** As lsmod counts them. */
  references(): number;
  loaded(): boolean;
}

async function smallKvm(): Promise<SmallKvm> {
  const it = fake();
  const devices = [vfioDeviceType({})];
  const implementation = { ...it.implementation, arch: { ...it.arch, devices } };
  const definition = defineModule({
    name: "kvm",
    description: "",
    license: "MIT",
    init: (context) => {
      const kvm = new KvmCore([implementation], context, fakeMember());
      return { open: () => kvm };
    },
  });
  const loader = new ModuleLoader([definition]);
  await loader.modprobe("kvm");
  return {
    loader,
    createVm: () => loader.offer<{ open(): KvmCore }>("kvm").open().createVm(0, { shared: false }),
    destroyed: () => it.destroyed,
    references: () => loader.lsmod()[0]?.references ?? 0,
    loaded: () => loader.lsmod().length > 0,
  };
}

async function vfioWith(groups: number): Promise<{ loader: ModuleLoader; api: Vfio; unregister: () => void }> {
  const loader = new ModuleLoader([vfio]);
  await loader.modprobe("vfio");
  const api = loader.offer<Vfio>("vfio");
  const undo = Array.from({ length: groups }, (_, number) => api.registerDevice(fakeDevice(`d${number}`), number));
  return {
    loader,
    api,
    unregister: () => {
      for (const each of undo) each();
    },
  };
}

function addGroup(device: Device | undefined, group: Group): void {
  device?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(group.fd));
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

const handles = ["vm", "kvm-vfio", "container", "group", "device"] as const;

test("M16: closed in every order, the module stays until the last that holds the VM", async () => {
  for (const order of permutations(handles)) await closeIn(order);
});

async function closeIn(order: readonly (typeof handles)[number][]): Promise<void> {
  const kvm = await smallKvm();
  const host = await vfioWith(1);
  const container = host.api.openContainer(fakeMemory());
  const group = host.api.openGroup(0);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const vm = kvm.createVm();
  const kvmVfio = vm.createDevice(KVM_DEV_TYPE_VFIO);
  addGroup(kvmVfio, group);
  const device = group.getDeviceFd("d0");
  const open = new Map<string, { close(): void }>([
    ["vm", vm],
    ["kvm-vfio", kvmVfio as Device],
    ["container", container],
    ["group", group],
    ["device", device],
  ]);
  for (const handle of order) {
    const held = open.has("device") ? 1 : 0;
    assert.equal(kvm.references(), (open.has("vm") || open.has("kvm-vfio") || held ? 1 : 0) + held);
    if (kvm.references() > 0) assert.throws(() => kvm.loader.rmmod("kvm"), errno("EBUSY"));
    assert.throws(() => host.loader.rmmod("vfio"), errno("EBUSY"));
    open.get(handle)?.close();
    open.delete(handle);
    const alive = ["vm", "kvm-vfio", "device"].some((name) => open.has(name));
    assert.equal(kvm.destroyed(), alive ? 0 : 1, `${order}: after ${handle}`);
  }
  assert.equal(kvm.references(), 0);
  kvm.loader.rmmod("kvm");
  host.unregister();
  host.loader.rmmod("vfio");
  assert.equal(fileTable().size, 0);
}

test("M17: a device that is opened when its VM is dying does without, and no count changes", async () => {
  const kvm = await smallKvm();
  const host = await vfioWith(1);
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
  host.unregister();
  host.loader.rmmod("vfio");
});

test("M18: with two KVMs loaded, each put goes to the one that owns the VM", async () => {
  const kvms = [await smallKvm(), await smallKvm()];
  const host = await vfioWith(2);
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
  host.unregister();
  host.loader.rmmod("vfio");
  assert.equal(fileTable().size, 0);
});

test("a VM that VFIO holds does not move to another kvm, and moves when it is let go", async () => {
  const open = async () => {
    const loader = createLoader({ memory: "unshared", implementations: ["pr"] });
    await loader.modprobe("kvm");
    return { loader, kvm: loader.offer<KvmOffer>("kvm").open() };
  };
  const [from, to] = [await open(), await open()];
  const host = await vfioWith(1);
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
  host.unregister();
  host.loader.rmmod("vfio");
});

/** One VM of one kvm, as the model of the test below has it. */
interface ModelVm {
  readonly kvm: number;
  readonly vm: Vm;
  open: boolean;
  kvmVfio: Device | undefined;
  /** Groups added to its KVM-VFIO device. */
  readonly added: Set<number>;
  /** Devices (by group) that hold it. */
  readonly holders: Set<number>;
}

test("M16 to M18: at random, with counts that a model foretells", async () => {
  const seeds = process.env["UNIKVM_SEED"]
    ? [Number(process.env["UNIKVM_SEED"])]
    : Array.from({ length: 20 }, (_, i) => 1000 + i);
  for (const seed of seeds) await interleave(seed, 400).catch((cause) => assert.fail(`seed ${seed}: ${cause.stack}`));
});

async function interleave(seed: number, steps: number): Promise<void> {
  const below = random(seed);
  const groupCount = 3;
  const kvms = [await smallKvm(), await smallKvm()];
  const host = await vfioWith(groupCount);
  const container: Container = host.api.openContainer(fakeMemory());
  const groups = Array.from({ length: groupCount }, (_, number) => host.api.openGroup(number));
  for (const group of groups) group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const vms: ModelVm[] = [];
  /** Which VM a group was last added for. */
  const current = new Map<number, ModelVm>();
  const devices = new Map<number, { descriptors: VfioDevice[]; holds: ModelVm | undefined }>();
  const pick = <T>(items: readonly T[]): T | undefined => items[below(items.length)];

  const actions: (() => Promise<void> | void)[] = [
    async () => {
      const kvm = below(2);
      if (!kvms[kvm]?.loaded()) await kvms[kvm]?.loader.modprobe("kvm");
      if (vms.length >= 6) return;
      const vm = kvms[kvm]?.createVm() as Vm;
      vms.push({ kvm, vm, open: true, kvmVfio: undefined, added: new Set(), holders: new Set() });
    },
    () => {
      const it = pick(vms.filter(({ open }) => open));
      if (!it) return;
      if (it.kvmVfio) {
        assert.throws(() => it.vm.createDevice(KVM_DEV_TYPE_VFIO), errno("EBUSY"));
      } else it.kvmVfio = it.vm.createDevice(KVM_DEV_TYPE_VFIO);
    },
    () => {
      const it = pick(vms.filter(({ kvmVfio }) => kvmVfio));
      const number = below(groupCount);
      if (!it) return;
      const add = () => addGroup(it.kvmVfio, groups[number] as Group);
      if (it.added.has(number)) {
        assert.throws(add, errno("EEXIST"));
        return;
      }
      add();
      it.added.add(number);
      current.set(number, it);
    },
    () => {
      const it = pick(vms.filter(({ kvmVfio }) => kvmVfio));
      if (!it) return;
      it.kvmVfio?.close();
      it.kvmVfio = undefined;
      // Whoever takes a group back takes it from all: Linux has one VM for a group.
      for (const number of it.added) current.delete(number);
      it.added.clear();
    },
    () => {
      const number = below(groupCount);
      const descriptor = groups[number]?.getDeviceFd(`d${number}`) as VfioDevice;
      const known = devices.get(number);
      if (known) {
        known.descriptors.push(descriptor);
        return;
      }
      const holds = current.get(number);
      devices.set(number, { descriptors: [descriptor], holds });
      holds?.holders.add(number);
    },
    () => {
      const number = pick([...devices.keys()]);
      if (number === undefined) return;
      const it = devices.get(number);
      it?.descriptors.splice(below(it.descriptors.length), 1)[0]?.close();
      if (it && it.descriptors.length > 0) return;
      devices.delete(number);
      it?.holds?.holders.delete(number);
    },
    () => {
      const it = pick(vms.filter(({ open }) => open));
      if (!it) return;
      it.vm.close();
      it.open = false;
    },
    () => {
      const kvm = below(2);
      if (!kvms[kvm]?.loaded()) return;
      const used = vms.some((it) => it.kvm === kvm && alive(it));
      if (used) assert.throws(() => kvms[kvm]?.loader.rmmod("kvm"), errno("EBUSY"));
      else kvms[kvm]?.loader.rmmod("kvm");
    },
  ];
  const alive = (it: ModelVm): boolean => it.open || it.kvmVfio !== undefined || it.holders.size > 0;
  const check = (): void => {
    for (const [kvm, { references }] of kvms.entries()) {
      const mine = vms.filter((it) => it.kvm === kvm);
      const wanted = mine.reduce((sum, it) => sum + (alive(it) ? 1 : 0) + it.holders.size, 0);
      assert.equal(references(), wanted);
    }
  };
  for (let step = 0; step < steps; step++) {
    await actions[below(actions.length)]?.();
    check();
    for (const [i, it] of [...vms.entries()].reverse()) if (!alive(it)) vms.splice(i, 1);
  }
  for (const { descriptors, holds } of devices.values()) {
    for (const descriptor of descriptors) descriptor.close();
    holds?.holders.clear();
  }
  for (const { vm, kvmVfio } of vms) {
    kvmVfio?.close();
    vm.close();
  }
  for (const each of [...groups, container]) each.close();
  host.unregister();
  host.loader.rmmod("vfio");
  for (const { loader, loaded, references } of kvms) {
    assert.equal(references(), 0);
    if (loaded()) loader.rmmod("kvm");
  }
  assert.equal(fileTable().size, 0);
}

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
