/** `createVm`: from options to a VM whose agent answers. */
import {
  boolean,
  callback,
  either,
  integer,
  listOf,
  oneOf,
  optional,
  options as optionsOf,
  recordOf,
  text,
} from "../base/takes.js";
import { AgentConnection, type AgentState } from "../vmm/agent/connection.js";
import { AgentProtocolError } from "../vmm/agent/frames.js";
import { leastCores, mostCores } from "../vmm/core/cpu-limit.js";
import { ramImage, type Snapshot, type Twin } from "../vmm/snapshot/snapshot.js";
import { bytesIn, usualMemory } from "./bytes.js";
import { ConsoleLog } from "./console.js";
import { notSupported, VmError } from "./error.js";
import { requireImage } from "./images.js";
import { type BootPlan, type Platform, type RunningMachine, vmGuests } from "./platform.js";
import { mostProcesses } from "./processes.js";
import { misuse, requireOptions, signal } from "./program.js";
import type { Captured } from "./snapshot.js";
import type { Disk, Limits, Network, Progress, Vm, VmOptions } from "./types.js";
import { endError, LinuxVm, type VmParts } from "./vm.js";

/** A guest that says nothing for so long after it was started will not, milliseconds. */
const bootPatience = 600_000;
/** So long has one that goes on, which has nothing to do but to answer. */
const answerPatience = 120_000;

const anything = (): void => undefined;
const file = (value: unknown, call: string, name: string): void => {
  if (typeof value === "string" || value instanceof URL || value instanceof Blob || value instanceof Uint8Array) return;
  throw new VmError("EINVAL", `${call}: ${name} is no name or address of a file, URL, Blob or Uint8Array`);
};

const port = integer(1, 65535);
const checkOptions = optionsOf<VmOptions>({
  image: optional(file),
  snapshot: anything,
  guest: optional(oneOf(...vmGuests)),
  kernel: optional(file),
  initrd: optional(file),
  append: optional(text),
  memory: anything,
  cpus: optional(integer(1, 65535)),
  cpu: optional(text),
  type: optional(oneOf("hv", "pr")),
  disks: optional(
    listOf(
      optionsOf<Disk>({
        source: anything,
        format: optional(oneOf("raw", "qcow2")),
        readOnly: optional(boolean),
        backing: optional(listOf(text)),
        mode: optional(oneOf("overlay", "write")),
      }),
    ),
  ),
  shares: anything,
  network: optional(
    optionsOf<Network>({
      allow: optional(either(oneOf("all"), listOf(text))),
      forward: optional(listOf(optionsOf<{ host: number; guest: number }>({ host: port, guest: port }))),
      via: anything,
      onConnect: optional(callback),
    }),
  ),
  limits: optional(
    optionsOf<Limits>({
      ...{ cpu: anything, output: anything, disk: anything, lifetime: optional(integer(1, 0x7fff_ffff)) },
      ...{ memory: anything, processes: optional(integer(1, mostProcesses)) },
    }),
  ),
  env: optional(recordOf(text)),
  cwd: optional(text),
  user: optional(text),
  onProgress: optional(callback),
  signal,
});

/** Makes `createVm` of what a platform gives. */
export const createVmOn =
  (platform: () => Promise<Platform>) =>
  /**
   * Boots a virtual machine with Linux, and resolves when it can run commands. VmError, EINVAL: wrong options. NOT_SUPPORTED: an
   * option that is not there yet. BOOT_FAILED, CRASHED: the guest did not come up; `console` has its last lines.
   */
  async (options: VmOptions = {}): Promise<Vm> => {
    requireOptions(options, "createVm", checkOptions);
    const { signal, snapshot } = options;
    signal?.throwIfAborted();
    refuseWhatIsToCome(options);
    if (snapshot === undefined) return boot(await platform(), options);
    return goOn(await platform(), options, snapshot);
  };

/** What a VM that boots does without. */
const snapshotCode = () => import("./snapshot.js");

/** What the snapshot says, and nobody else. */
const settled = ["image", "kernel", "initrd", "append", "guest", "memory", "cpus", "cpu"] as const;

/** Goes on where a snapshot was made; of one without memory boots with what was on disks. */
async function goOn(platform: Platform, options: VmOptions, given: unknown): Promise<Vm> {
  const { snapshots } = platform;
  const { signal } = options;
  const { snapshotOf } = await snapshotCode();
  const from = await (await snapshotOf(snapshots, given, signal ? { signal } : {})).load();
  const { [ramImage]: ram } = from.snapshot.images;
  // Memory is read from the snapshot's file while the VM runs.
  const close = (): void => ram?.stored?.close();
  try {
    signal?.throwIfAborted();
    const wrong = ram && settled.find((name) => options[name] !== undefined);
    if (wrong !== undefined) {
      throw new VmError("EINVAL", `createVm: ${wrong} is what the snapshot says; leave it out, or the snapshot`);
    }
    const vm = await boot(platform, ram ? { ...options, memory: ram.size } : options, from);
    void vm.closed.then(close);
    return vm;
  } catch (error) {
    close();
    throw error;
  }
}

function refuseWhatIsToCome(options: VmOptions): void {
  const { shares, image, kernel, initrd, limits = {} } = options;
  if (shares !== undefined) throw notSupported("createVm: the option shares", "use vm.fs, or a disk");
  if (typeof image === "string") requireImage(image);
  if (image !== undefined && kernel !== undefined)
    throw new VmError("EINVAL", "createVm: image and kernel exclude each other");
  if (initrd !== undefined && kernel === undefined) throw new VmError("EINVAL", "createVm: initrd needs its kernel");
  const { cpu = 1, disk, output } = limits;
  if (!(cpu >= leastCores && cpu <= mostCores)) {
    const is = `from ${leastCores} to ${mostCores}`;
    throw new VmError("EINVAL", `createVm: limits.cpu is ${String(cpu)}, not a number of processors ${is}`);
  }
  if (disk !== undefined) bytesIn(disk, "createVm: limits.disk");
  if (output !== undefined) bytesIn(output, "createVm: limits.output");
}

/** Twins of a machine, each with a network of its own and nothing forwarded to it; they outlive it. All of them or none. */
async function fork(
  platform: Platform,
  parent: VmOptions,
  all: readonly (Snapshot | Twin)[],
  agent: AgentState,
): Promise<readonly Vm[]> {
  const { signal: _, onProgress: __, snapshot: ___, network, ...rest } = parent;
  const options: VmOptions = { ...rest, ...(network ? { network: { ...network, forward: [] } } : {}) };
  const twins = await Promise.allSettled(all.map((snapshot) => boot(platform, options, { snapshot, agent })));
  const made = twins.flatMap((twin) => (twin.status === "fulfilled" ? [twin.value] : []));
  const failed = twins.find((twin) => twin.status === "rejected");
  if (!failed) return made;
  for (const one of all) if ("ram" in one) one.ram.close();
  await Promise.all(made.map((vm) => vm.close({ grace: 0 })));
  throw failed.reason;
}

/** A name that no other twin has. */
const twinName = (): string =>
  `twin-${Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

async function boot(platform: Platform, options: VmOptions, from?: Captured): Promise<Vm> {
  const { signal, onProgress } = options;
  const memory = options.memory === undefined ? usualMemory : bytesIn(options.memory, "memory");
  const log = new ConsoleLog();
  let vm: LinuxVm | undefined;
  let isReady = (): void => undefined;
  let hasFailed = (_: Error): void => undefined;
  const ready = new Promise<void>((resolve, reject) => {
    isReady = resolve;
    hasFailed = reject;
  });
  ready.catch(() => undefined);
  /** It runs already: what it is to be told comes before all else. */
  const restored = from?.agent !== undefined;
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal?.reason);
  // What it throws ends the VM as an abort does, from wherever it is called.
  const tell = (step: Progress): void => {
    try {
      onProgress?.(step);
    } catch (error) {
      stop.abort(error);
    }
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  // Meanwhile the platform was loaded.
  if (signal?.aborted) onAbort();
  const patience = restored ? answerPatience : bootPatience;
  const onLate = (): void => {
    const what = restored ? "did not answer" : "did not come up";
    stop.abort(new VmError("BOOT_FAILED", `the guest ${what} in ${patience / 1000} s`, { console: log.lines }));
  };
  const late = setTimeout(onLate, patience);
  let machine: RunningMachine | undefined;
  try {
    const agent: AgentConnection = new AgentConnection(
      {
        ready: () => isReady(),
        lost: (error) => (vm ? vm.failed(error) : hasFailed(error)),
        taken: () => {
          const error = new AgentProtocolError("its kernel has taken its port from it");
          if (vm) vm.agentTaken(error);
          else agent.lose(error);
        },
      },
      () => ({ now: Date.now(), ...(restored ? { hostName: twinName() } : {}) }),
      from?.agent,
    );
    const plan: BootPlan = {
      options: { ...options, memory, guest: options.guest ?? vmGuests[0] },
      ports: [agent],
      connected: ([port]) => port && agent.connect(port),
      output: (bytes) => log.write(bytes),
      progress: tell,
      report: (sentence) => log.write(new TextEncoder().encode(`unikvm: ${sentence}\n`)),
      signal: stop.signal,
    };
    machine = await (from ? platform.restore(plan, from.snapshot) : platform.boot(plan));
    const running = machine;
    const parts: VmParts = {
      ...{ machine, agent, log, options, packTree: platform.packTree, report: plan.report },
      fork: async (count) => {
        try {
          const { twins, also, stopped } = await running.twins(count, () => agent.save());
          vm?.wasCopied(stopped);
          return await fork(platform, { ...options, cpus: running.cpus }, twins, also);
        } catch (error) {
          throw asVmError(error);
        }
      },
      snapshot: async (taking) => {
        const taken = await (await snapshotCode()).takeSnapshot(platform.snapshots, running, agent, taking);
        vm?.wasCopied(taken.stopped);
        return taken;
      },
    };
    vm = new LinuxVm(parts);
    const one = vm;
    // Time, host name and random numbers are others now; nothing runs before the guest has them.
    if (restored) agent.greet();
    const name = restored ? "restoring" : "booting";
    tell({ name, done: 0 });
    const ending = one.closed.then((end) => {
      const error = endError(end);
      throw error.code === "CRASHED"
        ? error
        : new VmError("BOOT_FAILED", `the guest ended before it could run commands: ${end.message}`, {
            console: end.console,
          });
    });
    ending.catch(() => undefined);
    const aborted = new Promise<never>((_, reject) => {
      if (stop.signal.aborted) reject(stop.signal.reason);
      stop.signal.addEventListener("abort", () => reject(stop.signal.reason), { once: true });
    });
    aborted.catch(() => undefined);
    const { processes } = options.limits ?? {};
    const prepared = processes === undefined ? ready : ready.then(() => one.limitProcesses(processes));
    prepared.catch(() => undefined);
    await Promise.race([prepared, ending, aborted]);
    tell({ name, done: 1, total: 1 });
    stop.signal.throwIfAborted();
    return one;
  } catch (error) {
    machine?.stop();
    await machine?.ended;
    if (stop.signal.aborted) throw stop.signal.reason;
    throw asVmError(from?.snapshot.hardware === undefined ? error : (await snapshotCode()).foreign(error));
  } finally {
    clearTimeout(late);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What a platform says has its code; what else there is has a sentence. */
function asVmError(error: unknown): unknown {
  const known = misuse(error);
  if (known instanceof VmError) return known;
  if (!(error instanceof Error) || !["VmmError", "GuestUnavailable", "StorageError"].includes(error.name)) return error;
  // ChoiceError's.
  const { code = "BOOT_FAILED" } = error as { readonly code?: string };
  return new VmError(code, error.message, { cause: error });
}
