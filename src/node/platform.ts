/** Machines for `createVm` in Node.js: the default guest or files of the host, vCPUs on threads of their own. */
import { fileURLToPath } from "node:url";
import { bytesIn } from "../api/bytes.js";
import { notSupported, VmError } from "../api/error.js";
import { isDiskImage } from "../api/images.js";
import { memoryShares } from "../api/memory-limit.js";
import { relayOf } from "../api/network.js";
import type { BootPlan, Platform, RunningMachine } from "../api/platform.js";
import type { Disk, Network } from "../api/types.js";
import { messageOf } from "../base/errors.js";
import type { Outcome } from "../vmm/core/machine.js";
import { VirtioConsole, type VirtioConsoleState } from "../vmm/devices/virtio/console.js";
import { VirtioPciDevice } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import { kvmMemory, machineForGuest, machineRow } from "../vmm/machines/machines.js";
import { begin, deviceStates, goOn, placing, type Started, type Starting } from "../vmm/machines/start.js";
import { nodePlatform as snapshots } from "../vmm/snapshot/node/platform.js";
import { withSnapshotFile, writeSnapshotFile } from "../vmm/snapshot/node/snapshot-file.js";
import { capture, captureDisks, captureTwins, ramImage, type Snapshot, type Twin } from "../vmm/snapshot/snapshot.js";
import { StorageError } from "../vmm/storage/disk.js";
import { prepareV8 } from "../wasm/node/v8.js";
import { bootFiles } from "./boot-files.js";
import { type GuestDisk, withDisks } from "./disks.js";
import { beginGuestThread } from "./guest-thread.js";
import { checkedHardware, describeHardware, type Hardware, type HostParts, OtherHardware } from "./hardware.js";
import { type NetworkChoice, openNetwork } from "./network.js";
import { packTree } from "./pack-tree.js";
import { snapshotPath } from "./snapshot-folder.js";
import { SpareRam } from "./spare-ram.js";
import { keepSpareThreads } from "./spare-threads.js";
import { spawnVcpuThread } from "./vcpu-thread.js";

/** Gives the kvm with which machines for such guests are made. */
type OpenKvm = Starting["openKvm"];

/** What machines in Node.js are made of. */
export function nodePlatform(openKvm: OpenKvm): Platform {
  return {
    packTree,
    boot: (plan) => run(openKvm, plan),
    restore: (plan, snapshot) => run(openKvm, plan, snapshot),
    snapshots: {
      platform: snapshots,
      read: (from, use) => withSnapshotFile(typeof from === "string" ? snapshotPath(from) : fileURLToPath(from), use),
      write: async (name, work) => writeSnapshotFile(snapshotPath(name, { make: true }), work),
    },
  };
}

async function run(openKvm: OpenKvm, plan: BootPlan, from?: Snapshot | Twin): Promise<RunningMachine> {
  // Its first vCPU's thread loads its code meanwhile.
  const endThread = beginGuestThread(plan.options.type ?? "hv", plan.options.guest);
  try {
    return await runHere(openKvm, plan, from);
  } catch (error) {
    endThread();
    throw withErrno(error);
  }
}

/** Where the host's system said why, its name for that is the error's code: "ENOENT", "EADDRINUSE". */
function withErrno(error: unknown): unknown {
  if (!(error instanceof VmmError || error instanceof StorageError)) return error;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (code !== undefined && syscall !== undefined) return new VmError(code, error.message, { cause: error });
  }
  return error;
}

async function runHere(openKvm: OpenKvm, plan: BootPlan, from: Snapshot | Twin | undefined): Promise<RunningMachine> {
  const { options } = plan;
  const image = imageDisk(options);
  const parts: HostParts = {
    disks: [...(image ? [image] : []), ...(options.disks ?? []).map(guestDisk)],
    network: options.network && networkChoice(options.network),
  };
  const made = from?.hardware === undefined ? undefined : await hardwareOf(from, parts);
  const cpus = made?.cpus ?? options.cpus ?? 1;
  const row = from ? machineRow(from.state.machine) : machineForGuest(options.guest);
  const shares = memoryShares(options, { ram: options.memory, kvm: kvmMemory(row, cpus) });
  const states = from && deviceStates(from);
  const saved = from && states ? { states: states.slice(1), images: from.images } : undefined;
  const limit = options.limits?.disk === undefined ? undefined : bytesIn(options.limits.disk, "limits.disk");
  // Disks and network live as long as the machine: what opens them closes them after it.
  return new Promise((resolve, reject) => {
    let failure: unknown;
    const behind = withDisks(
      parts.disks,
      cpus,
      plan.report,
      async (disks) => {
        const network = parts.network && (await openNetwork(parts.network, cpus, states?.at(-1)));
        try {
          const others = [...disks.devices, ...(network ? [network.device] : [])];
          const { run, machine } = await start(openKvm, plan, shares?.code, others, from);
          const endSpareThreads = keepSpareThreads();
          const spareRam = new SpareRam();
          const endSpares = (): void => {
            endSpareThreads();
            spareRam.close();
          };
          const ended = run.ended.then(({ outcome }) => outcome);
          // What a disk could not write at the end is how the machine ended.
          const closed = ended.then((outcome) => over.then(() => failure ?? outcome) as Promise<Outcome>);
          const images = () => disks.images();
          resolve({
            cpus,
            connect: network?.connect,
            generatedCode: async () => run.counts()["generatedCode"] ?? 0,
            ...{ input: run.input, pause: run.pause, resume: run.resume, stop: run.stop },
            ended: closed,
            capture: (also) => capture(run, { images, platform: snapshots, also }),
            captureDisks: () => captureDisks(run, { images }),
            twins: async (count, also) => {
              const place = await placing({ openKvm, implementation: options.type, codeLimit: shares?.code }, machine);
              const placeHere = (size: number) => spareRam.take(size) ?? place(size);
              const captured = await captureTwins(run, count, placeHere, { images, platform: snapshots, also });
              const [first] = captured.twins;
              // A VM that has a limit keeps no RAM for twins to come.
              if (first && !shares) {
                const { length } = first.ram.bytes();
                spareRam.prepare(() => place(length), first.ram.pages);
              }
              return captured;
            },
            describe: () => describeHardware({ cpus, own: ownDevices, models: [] }, parts),
          });
          await ended.finally(endSpares);
        } finally {
          network?.close();
        }
      },
      { saved, limit, memory: shares?.disks, signal: plan.signal },
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

/** Before the disks: the console. */
const ownDevices = 1;

/** How the machine was made; the plan has the same disks and network. Rejects as `Platform.restore`. */
async function hardwareOf(from: Snapshot, parts: HostParts): Promise<Hardware> {
  try {
    const made = await checkedHardware(from, parts);
    if (made.own === ownDevices && made.models.length === 0) return made;
  } catch (error) {
    throw error instanceof OtherHardware ? new VmError("EINVAL", error.message, { cause: error }) : error;
  }
  throw new VmmError("the snapshot is of a machine of unikvm run; restore it with unikvm snapshot restore");
}

/** What the user means by a disk of `createVm`, as a file of the host. */
function guestDisk({ source, format, readOnly = false, backing = [], mode = "overlay" }: Disk): GuestDisk {
  const what = { format, readOnly, backing, overlay: mode === "overlay" && !readOnly };
  if (typeof source === "string") return { path: source, ...what };
  if (source instanceof URL && source.protocol === "file:") return { path: fileURLToPath(source), ...what };
  if (!(source instanceof URL || source instanceof Blob)) {
    throw new VmError("EINVAL", "createVm: a disk's source is none of a file's name, a URL and a Blob");
  }
  const path =
    source instanceof URL ? source.origin + source.pathname : "name" in source ? String(source.name) : "a Blob";
  if (mode === "write" && !readOnly) {
    throw new VmError("EINVAL", `createVm: the disk ${path} cannot be written to where it is; leave mode out`);
  }
  return { path, from: source, ...what };
}

function networkChoice({ allow = [], forward = [], via, onConnect }: Network): NetworkChoice {
  const relay = relayOf(via, allow);
  if (relay === undefined && via !== undefined && via !== "sockets") {
    throw notSupported(`createVm: the option network.via with ${String(via)}`, 'there are "sockets" and relays\' URLs');
  }
  return { allow, forward, ...(onConnect ? { onConnect } : {}), ...(relay === undefined ? {} : { relay }) };
}

async function start(
  openKvm: OpenKvm,
  plan: BootPlan,
  codeLimit: number | undefined,
  others: readonly VirtioPciDevice[],
  from: Snapshot | Twin | undefined,
): Promise<Started> {
  const { options, signal } = plan;
  // Of disks alone, the guest is booted.
  const isWhole = from !== undefined && ("ram" in from || Object.hasOwn(from.images, ramImage));
  const state = isWhole ? deviceStates(from)[0] : undefined;
  if (isWhole && !state) throw new VmmError("the snapshot has not the state of the devices that it names");
  const console = new VirtioConsole(plan.ports, state?.device as VirtioConsoleState | undefined);
  plan.connected(console.ports);
  const devices = [new VirtioPciDevice(console, state), ...others];
  prepareV8();
  const { type: implementation, guest, memory: memorySize, cpus = 1, cpu: cpuModel } = options;
  const output = (bytes: Uint8Array): undefined => void plan.output(bytes);
  const cpuLimit = options.limits?.cpu;
  const what = { openKvm, implementation, codeLimit, devices, spawn: spawnVcpuThread, output, cpuLimit, signal };
  if (isWhole) return goOn(what, from);
  const aliases = [...new Set(devices.flatMap((device) => device.aliases))];
  const files = await bootFiles(plan, aliases, imageDisk(options) !== undefined);
  return begin(what, { ...files, guest, memorySize, cpus, cpuModel });
}
