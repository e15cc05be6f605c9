/** A small kvm (an architecture that does nothing), and vfio with drivers that offer devices. */
import assert from "node:assert/strict";
import { fake, fakeMember } from "../kvm/fake-arch.test-support.js";
import { KvmCore } from "../kvm/kvm.js";
import { type Device, KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, type Vm } from "../kvm/uapi.js";
import { vfioDeviceType } from "../kvm/vfio.js";
import { defineModule } from "../modules/define-module.js";
import { ModuleLoader } from "../modules/loader.js";
import { fakeDevice } from "./fake-device.test-support.js";
import { type Vfio, vfio, vfioRegisterGroupDev } from "./module.js";
import type { Group } from "./uapi.js";

export interface SmallKvm {
  readonly loader: ModuleLoader;
  createVm(): Vm;
  /** VMs that have ended. */
  destroyed(): number;
  /** As lsmod counts them. */
  references(): number;
  loaded(): boolean;
}

export async function smallKvm(): Promise<SmallKvm> {
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

/** A module that offers a device in each of these groups: "d0" in group 0. */
export const driver = (name: string, groups: readonly number[]) =>
  defineModule({
    name,
    description: "",
    license: "MIT",
    imports: { register: vfioRegisterGroupDev },
    init: async (context) => {
      for (const number of groups) {
        await context.step(
          `d${number}`,
          () => context.imports.register(fakeDevice(`d${number}`), number, context),
          (unregister) => unregister(),
        );
      }
    },
  });

export interface Host {
  readonly loader: ModuleLoader;
  readonly api: Vfio;
  /** As lsmod counts them. */
  references(name: string): number;
}

/** vfio, and the drivers "a", "b" and so on, each with these groups. */
export async function vfioWith(...groups: readonly (readonly number[])[]): Promise<Host> {
  const drivers = groups.map((numbers, i) => driver("abc"[i] ?? "", numbers));
  const loader = new ModuleLoader([vfio, ...drivers]);
  await loader.modprobe("vfio");
  for (const { name } of drivers) await loader.modprobe(name);
  return {
    loader,
    api: loader.offer<Vfio>("vfio"),
    references: (name) => loader.lsmod().find((module) => module.name === name)?.references ?? 0,
  };
}

/** Every module of it. */
export function unload({ loader }: Host): void {
  for (const { name } of loader.lsmod()) loader.rmmod(name);
  assert.deepEqual(loader.lsmod(), []);
}

export function addGroup(device: Device | undefined, group: Group): void {
  device?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(group.fd));
}
