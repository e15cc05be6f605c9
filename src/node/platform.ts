/** Machines for `createVm` in Node.js: the default guest or files of the host, vCPUs on threads of their own. */
import { notSupported } from "../api/error.js";
import { isDiskImage } from "../api/images.js";
import type { BootPlan, Platform, RunningMachine } from "../api/platform.js";
import type { Disk, Network } from "../api/types.js";
import type { PpcKvm } from "../arch/powerpc/uapi.js";
import { messageOf } from "../base/errors.js";
import type { Outcome } from "../vmm/core/machine.js";
import type { Run } from "../vmm/core/run.js";
import { VirtioConsole, type VirtioConsoleState } from "../vmm/devices/virtio/console.js";
import { VirtioPciDevice } from "../vmm/devices/virtio/virtio-pci.js";
import { begin, deviceStates, goOn, placing } from "../vmm/machines/start.js";
import { nodePlatform as snapshots } from "../vmm/snapshot/node/platform.js";
import { capture, captureTwins, type Snapshot, type Twin } from "../vmm/snapshot/snapshot.js";
import { prepareV8 } from "../wasm/node/v8.js";
import { bootFiles } from "./boot-files.js";
import { type GuestDisk, withDisks } from "./disks.js";
import { type NetworkChoice, openNetwork } from "./network.js";
import { packTree } from "./pack-tree.js";
import { keepSpareThreads } from "./spare-threads.js";
import { spawnVcpuThread } from "./vcpu-thread.js";

/** `openKvm` gives the kvm that machines are made with. */
export function nodePlatform(openKvm: () => Promise<PpcKvm>): Platform {
  return {
    packTree,
    boot: (plan) => run(openKvm, plan),
    restore: (plan, snapshot) => run(openKvm, plan, snapshot),
  };
}

async function run(openKvm: () => Promise<PpcKvm>, plan: BootPlan, from?: Snapshot | Twin): Promise<RunningMachine> {
  const { options } = plan;
  const cpus = options.cpus ?? 1;
  const image = imageDisk(options);
  const states = from && deviceStates(from);
  const saved = from && states ? { states: states.slice(1), images: from.images } : undefined;
  // Disks and network live as long as the machine: what opens them closes them after it.
  return new Promise((resolve, reject) => {
    let failure: unknown;
    const behind = withDisks(
      [...(image ? [image] : []), ...(options.disks ?? []).map(guestDisk)],
      cpus,
      plan.report,
      async (disks) => {
        const network = options.network && (await openNetwork(networkChoice(options.network), cpus, states?.at(-1)));
        try {
          const others = [...disks.devices, ...(network ? [network.device] : [])];
          const run = await start(openKvm, plan, others, from);
          const endSpares = keepSpareThreads();
          const ended = run.ended.then(({ outcome }) => outcome);
          // What a disk could not write at the end is how the machine ended.
          const closed = ended.then((outcome) => over.then(() => failure ?? outcome) as Promise<Outcome>);
          const images = () => disks.images();
          resolve({
            connect: network?.connect,
            ...{ input: run.input, pause: run.pause, resume: run.resume, stop: run.stop },
            ended: closed,
            capture: (also) => capture(run, { images, platform: snapshots, also }),
            twins: async (count, also) => {
              const place = await placing({ openKvm, implementation: options.type }, from?.state.machine);
              return captureTwins(run, count, place, { images, platform: snapshots, also });
            },
          });
          await ended.finally(endSpares);
        } finally {
          network?.close();
        }
      },
      saved,
    );
    const over = behind.catch((error: unknown) => {
      failure = { kind: "failed", message: messageOf(error) } satisfies Outcome;
      reject(error);
    });
  });
}

/** The disk with the root, if the image is one; what the guest writes to it is gone with the VM. */
const imageDisk = ({ image }: BootPlan["options"]): GuestDisk | undefined =>
  typeof image === "string" && isDiskImage(image) ? { path: image, overlay: true } : undefined;

/** What the user means by a disk of `createVm`, as a file of the host. */
function guestDisk({ source, format, readOnly = false, backing = [], mode = "overlay" }: Disk): GuestDisk {
  if (typeof source !== "string") {
    throw notSupported("createVm: the option disks with a Blob or a URL", "give the name of a file");
  }
  return { path: source, format, readOnly, backing, overlay: mode === "overlay" };
}

function networkChoice({ allow = [], forward = [], via, onConnect }: Network): NetworkChoice {
  if (via !== undefined && via !== "sockets") {
    throw notSupported("createVm: the option network.via", 'leave it out: it is "sockets"');
  }
  return { allow, forward, ...(onConnect ? { onConnect } : {}) };
}

async function start(
  openKvm: () => Promise<PpcKvm>,
  plan: BootPlan,
  others: readonly VirtioPciDevice[],
  from: Snapshot | Twin | undefined,
): Promise<Run> {
  const { options, signal } = plan;
  const state = from && deviceStates(from)[0];
  const console = new VirtioConsole(plan.ports, state?.device as VirtioConsoleState | undefined);
  plan.connected(console.ports);
  const devices = [new VirtioPciDevice(console, state), ...others];
  if (options.image !== undefined && typeof options.image !== "string") {
    throw notSupported("createVm: the option image with a URL or bytes in Node.js", "unikvm guest import takes a file");
  }
  prepareV8();
  const { type: implementation, memory: memorySize, cpus = 1, cpu: cpuModel } = options;
  const output = (bytes: Uint8Array): undefined => void plan.output(bytes);
  const what = { openKvm, implementation, devices, spawn: spawnVcpuThread, output, signal };
  if (from) return goOn(what, from);
  const aliases = [...new Set(devices.flatMap((device) => device.aliases))];
  const files = await bootFiles(plan, aliases, imageDisk(options) !== undefined);
  return begin(what, { ...files, memorySize, cpus, cpuModel });
}
