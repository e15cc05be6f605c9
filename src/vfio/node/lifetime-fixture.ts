/** Gets and puts a VM of another thread as fast as it can, by itself or through VFIO, until a get fails. */
import { parentPort } from "node:worker_threads";
import { attachVm } from "../../kernel/attach.js";
import { KVM_DEV_TYPE_VFIO, KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, type SharedVm } from "../../kvm/uapi.js";
import type { VmCore } from "../../kvm/vm.js";
import { ModuleLoader } from "../../modules/loader.js";
import { fakeDevice, fakeMemory } from "../fake-device.test-support.js";
import { type Vfio, vfio } from "../module.js";
import { random } from "../random.test-support.js";
import { VFIO_SPAPR_TCE_v2_IOMMU } from "../uapi.js";

export type LifetimeRequest = { readonly attach: SharedVm } | { readonly seed: number; readonly device: boolean };
export interface LifetimeAnswer {
  readonly gets: number;
  readonly puts: number;
  readonly wrong: readonly string[];
}

let vm: VmCore | undefined;

parentPort?.on("message", async (request: LifetimeRequest) => {
  if ("attach" in request) {
    vm = (await attachVm(request.attach)) as unknown as VmCore;
    parentPort?.postMessage({ gets: 0, puts: 0, wrong: [] } satisfies LifetimeAnswer);
    return;
  }
  if (!vm) return;
  const answer = request.device ? await throughVfio(vm) : directly(vm, request.seed);
  vm.close();
  parentPort?.postMessage(answer);
});

function directly({ references }: VmCore, seed: number): LifetimeAnswer {
  const below = random(seed);
  const wrong: string[] = [];
  let [gets, puts, held] = [0, 0, 0];
  for (;;) {
    // Seldom many at once: that all threads hold none must come about, or the VM would never die.
    if (held > 0 && below(3) > 0) {
      references.put();
      puts++;
      held--;
    } else if (references.get()) {
      gets++;
      held++;
    } else {
      // Who holds it has a VM that does not die.
      if (held > 0) wrong.push(`a get failed with ${held} held`);
      break;
    }
  }
  while (held-- > 0) {
    references.put();
    puts++;
  }
  return { gets, puts, wrong };
}

/** The first open of the device gets the VM, the last close puts it. */
async function throughVfio(attached: VmCore): Promise<LifetimeAnswer> {
  const loader = new ModuleLoader([vfio]);
  await loader.modprobe("vfio");
  const api = loader.offer<Vfio>("vfio");
  const unregister = api.registerDevice(fakeDevice("d"), 0, null);
  const container = api.openContainer(fakeMemory());
  const group = api.openGroup(0);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  let [gets, puts] = [0, 0];
  const counted = {
    get: () => {
      const got = attached.references.get();
      if (got) gets++;
      else ended = true;
      return got;
    },
    put: () => {
      puts++;
      attached.references.put();
    },
  };
  let ended = false;
  const core = new Proxy(attached, {
    get: (target, name) => {
      if (name === "references") return counted;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const row = attached.arch.devices.find(({ type }) => type === KVM_DEV_TYPE_VFIO);
  const kvmVfio = row?.create(core);
  kvmVfio?.setAttr(KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_FILE_ADD, BigInt(group.fd));
  while (!ended) {
    const device = group.getDeviceFd("d");
    group.getDeviceFd("d").close();
    device.close();
  }
  kvmVfio?.release?.();
  for (const each of [group, container]) each.close();
  unregister();
  loader.rmmod("vfio");
  return { gets, puts, wrong: [] };
}
