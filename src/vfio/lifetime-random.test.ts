/** M16 to M18 and M16a of docs/modules.md, at random. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fileTable } from "../base/files.js";
import { type Device, KVM_DEV_TYPE_VFIO, type Vm } from "../kvm/uapi.js";
import { fakeMemory } from "./fake-device.test-support.js";
import { addGroup, smallKvm, unload, vfioWith } from "./lifetime.test-support.js";
import { random } from "./random.test-support.js";
import { type Container, type Group, VFIO_SPAPR_TCE_v2_IOMMU, type VfioDevice } from "./uapi.js";

/** One VM of one kvm, as the model of the test below has it. */
interface ModelVm {
  readonly kvm: number;
  readonly vm: Vm;
  open: boolean;
  kvmVfio: Device | undefined;
  /** Groups' files added to its KVM-VFIO device. */
  readonly added: Set<ModelGroup>;
  /** Files whose device holds it. */
  readonly holders: Set<ModelGroup>;
}

/** One open file of a group, which has one device. */
interface ModelGroup {
  readonly number: number;
  readonly group: Group;
  /** Its own descriptor. */
  open: boolean;
  /** Its device's. */
  readonly descriptors: VfioDevice[];
  /** Its device's driver has been removed since. */
  revoked: boolean;
  /** The VM that it was last added for, and the one that its device holds. */
  current: ModelVm | undefined;
  holds: ModelVm | undefined;
}

test("M16 to M18, M16a: at random, with counts that a model foretells", async () => {
  const seeds = process.env["UNIKVM_SEED"]
    ? [Number(process.env["UNIKVM_SEED"])]
    : Array.from({ length: 20 }, (_, i) => 1000 + i);
  const done = new Map<string, number>();
  for (const seed of seeds)
    await interleave(seed, 400, done).catch((cause) => assert.fail(`seed ${seed}: ${cause.stack}`));
  // What this is about did come about, often.
  for (const what of ["driver removed", "driver refused", "group revoked", "kvm removed", "kvm refused"]) {
    if (seeds.length > 1) assert.ok((done.get(what) ?? 0) > 50, `${what}: ${done.get(what)} times`);
  }
});

async function interleave(seed: number, steps: number, done: Map<string, number>): Promise<void> {
  const below = random(seed);
  const happened = (what: string): void => void done.set(what, (done.get(what) ?? 0) + 1);
  const kvms = [await smallKvm(), await smallKvm()];
  /** The groups of each driver. */
  const drivers = { a: [0, 1], b: [2] } as const;
  const host = await vfioWith(...Object.values(drivers));
  const container: Container = host.api.openContainer(fakeMemory());
  const vms: ModelVm[] = [];
  const groups: ModelGroup[] = [];
  const pick = <T>(items: readonly T[]): T | undefined => items[below(items.length)];
  const driverLoaded = (name: string): boolean => host.loader.lsmod().some((module) => module.name === name);
  const driverOf = (number: number): string => (number < 2 ? "a" : "b");
  const openFiles = (): ModelGroup[] => groups.filter(({ open }) => open);
  const isUsed = (it: ModelGroup): boolean =>
    it.open || it.descriptors.length > 0 || vms.some(({ added }) => added.has(it));
  const alive = (it: ModelVm): boolean => it.open || it.kvmVfio !== undefined || it.holders.size > 0;

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
      const file = pick(openFiles());
      if (!it || !file) return;
      const add = () => addGroup(it.kvmVfio, file.group);
      if (it.added.has(file)) {
        assert.throws(add, errno("EEXIST"));
        return;
      }
      add();
      it.added.add(file);
      file.current = it;
    },
    () => {
      const it = pick(vms.filter(({ kvmVfio }) => kvmVfio));
      if (!it) return;
      it.kvmVfio?.close();
      it.kvmVfio = undefined;
      // Whoever takes a group back takes it from all: Linux has one VM for a group.
      for (const file of it.added) file.current = undefined;
      it.added.clear();
    },
    () => {
      const number = below(3);
      const open = () => host.api.openGroup(number);
      if (!driverLoaded(driverOf(number))) {
        assert.throws(open, errno("ENODEV"));
        return;
      }
      if (groups.some((it) => it.number === number && !it.revoked)) {
        assert.throws(open, errno("EBUSY"));
        return;
      }
      const group = open();
      const first = !groups.some(({ revoked }) => !revoked);
      group.setContainer(container.fd);
      if (first) container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
      groups.push({ number, group, open: true, descriptors: [], revoked: false, current: undefined, holds: undefined });
    },
    () => {
      // Not often: with nothing open nothing much happens.
      const file = pick(openFiles());
      if (!file || below(3) > 0) return;
      file.group.close();
      file.open = false;
    },
    () => {
      const file = pick(openFiles());
      if (!file) return;
      const open = () => file.group.getDeviceFd(`d${file.number}`);
      if (file.revoked) {
        assert.throws(open, errno("ENODEV"));
        return;
      }
      file.descriptors.push(open());
      if (file.descriptors.length > 1) return;
      file.holds = file.current;
      file.holds?.holders.add(file);
    },
    () => {
      const file = pick(groups.filter(({ descriptors }) => descriptors.length > 0));
      if (!file) return;
      file.descriptors.splice(below(file.descriptors.length), 1)[0]?.close();
      if (file.descriptors.length > 0) return;
      file.holds?.holders.delete(file);
      file.holds = undefined;
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
      happened(used ? "kvm refused" : "kvm removed");
    },
    async () => {
      const name = pick(["a", "b"] as const) ?? "a";
      if (!driverLoaded(name)) return host.loader.modprobe(name);
      const own = groups.filter(({ number, revoked }) => driverOf(number) === name && !revoked);
      if (own.some(({ descriptors }) => descriptors.length > 0)) {
        assert.throws(() => host.loader.rmmod(name), errno("EBUSY"));
        happened("driver refused");
        return;
      }
      host.loader.rmmod(name);
      happened("driver removed");
      for (const file of own) {
        file.revoked = true;
        happened("group revoked");
      }
    },
  ];
  const check = (): void => {
    for (const [kvm, { references }] of kvms.entries()) {
      const mine = vms.filter((it) => it.kvm === kvm);
      const wanted = mine.reduce((sum, it) => sum + (alive(it) ? 1 : 0) + it.holders.size, 0);
      assert.equal(references(), wanted);
    }
    const loaded = (["a", "b"] as const).filter(driverLoaded);
    for (const name of ["a", "b"]) {
      const devices = groups.filter(({ number, descriptors }) => driverOf(number) === name && descriptors.length > 0);
      assert.equal(host.references(name), devices.length, name);
    }
    // Its users, the devices that they offer, the container, the groups' files.
    const offered = loaded.flatMap((name) => drivers[name]);
    assert.equal(host.references("vfio"), loaded.length + offered.length + 1 + groups.length);
    assert.deepEqual(
      host.api
        .groups()
        .map(({ group }) => group)
        .sort(),
      offered,
    );
  };
  for (let step = 0; step < steps; step++) {
    await actions[below(actions.length)]?.();
    for (const [i, it] of [...groups.entries()].reverse()) if (!isUsed(it)) groups.splice(i, 1);
    check();
    for (const [i, it] of [...vms.entries()].reverse()) if (!alive(it)) vms.splice(i, 1);
  }
  const open: { close(): void }[] = [
    container,
    ...groups.flatMap(({ group, descriptors }) => [group, ...descriptors]),
    ...vms.flatMap(({ vm, kvmVfio }) => [vm, ...(kvmVfio ? [kvmVfio] : [])]),
  ];
  while (open.length > 0) open.splice(below(open.length), 1)[0]?.close();
  unload(host);
  for (const { loader, loaded, references } of kvms) {
    assert.equal(references(), 0);
    if (loaded()) loader.rmmod("kvm");
  }
  assert.equal(fileTable().size, 0);
}
