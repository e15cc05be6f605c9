/**
 * VMs at their prompt that `exec` and `shell` go on from instead of booting: snapshots in the user's cache folder, a file for each
 * way to make one. Only a default guest without disks and network: what these were is no more known later.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { agentFile } from "../../guests/agent/index.js";
import { ensureDefaultGuest, type Guest, guestFolder, knownDefaultGuest } from "../../guests/index.js";
import { withLock } from "../../guests/lock.mjs";
import { VmError } from "../api/error.js";
import { type VmGuest, vmGuests } from "../api/platform.js";
import type { Vm, VmOptions } from "../api/types.js";
import type { LinuxVm } from "../api/vm.js";
import { messageOf } from "../base/errors.js";
import { fileIdentity } from "../base/node/file-identity.js";
import { removeLeftovers } from "../base/node/whole-file.js";
import { thisPackage } from "../base/package.js";
import { SnapshotError } from "../vmm/snapshot/format.js";

/** Bytes of all of them; the one that was not used for the longest time goes first. */
const most = 512 << 20;
const ending = ".snapshot";

/** Where they lie. */
export const vmCacheFolder = (): string => join(dirname(guestFolder()), "snapshots");

/** Their files, the one that was used last first. */
export function cachedVms(): readonly { readonly file: string; readonly size: number }[] {
  let names: readonly string[];
  try {
    names = readdirSync(vmCacheFolder());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return names
    .filter((name) => name.endsWith(ending) && !name.startsWith("."))
    .flatMap((name) => {
      const file = join(vmCacheFolder(), name);
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat ? [{ file, size: stat.size, used: stat.mtimeMs }] : [];
    })
    .sort((a, b) => b.used - a.used);
}

/** Removes them all, with what processes left that were killed while they wrote one. */
export async function clearVmCache(): Promise<void> {
  for (const { file } of cachedVms()) rmSync(file, { force: true });
  await removeLeftovers(vmCacheFolder()).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

/** Of which guest there can be one for such options; undefined: there can be none. */
function guestToKeep(options: VmOptions): VmGuest | undefined {
  const { guest = vmGuests[0], image, snapshot, kernel, initrd, append, disks = [], network } = options;
  const isPlain =
    (image === undefined || image === "debian-busybox") &&
    [snapshot, kernel, initrd, append, network].every((one) => one === undefined) &&
    disks.length === 0;
  return isPlain ? vmGuests.find((one) => one === guest) : undefined;
}

/** Where one with such files, and the agent for `architecture`, lies or is to lie. */
function fileFor({ memory, cpus, cpu }: VmOptions, guest: Guest, architecture: VmGuest): string {
  const parts = {
    // A checkout's version stays the same while its code changes. This file is there in bundles, too.
    program: [thisPackage.version, fileIdentity(fileURLToPath(new URL("./main.js", import.meta.url)))],
    guest: [guest.packages, guest.append, fileIdentity(guest.kernel), fileIdentity(guest.initrd)],
    agent: createHash("sha256")
      .update(readFileSync(agentFile(architecture)))
      .digest("hex"),
    machine: { memory, cpus, cpu },
  };
  const key = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
  return join(vmCacheFolder(), `${key}${ending}`);
}

/** Whether what went wrong is the kept VM's own fault, and nothing of this process or machine that will be another next time. */
function isItsFault(error: unknown): boolean {
  if (!(error instanceof VmError)) return false;
  // It was read whole, and is no snapshot that this version wrote; or its guest dies.
  const isNone = error.code === "SNAPSHOT_FOREIGN" && error.cause instanceof SnapshotError;
  return isNone || error.code === "SNAPSHOT_DAMAGED" || error.code === "CRASHED";
}

/**
 * A VM as `create` makes one, which goes on from where an earlier one stood if there was one like it; else it is kept for the next.
 * Of several processes that want the same one boots, and the others wait for it. Rejects as `create`.
 */
export async function vmFromCache(
  create: (options: VmOptions) => Promise<Vm>,
  options: VmOptions,
  say: (sentence: string) => void,
): Promise<Vm> {
  const guest = guestToKeep(options);
  if (!guest) return create(options);
  const { signal } = options;
  /** Undefined: there is none. */
  const goOn = async (file: string): Promise<Vm | undefined> => {
    // A snapshot has its own.
    const { guest, image, memory, cpus, cpu, ...free } = options;
    try {
      const vm = await create({ ...free, snapshot: file });
      noteUse(file);
      return vm;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof VmError && error.code === "ENOENT") return undefined;
      if (!isItsFault(error)) {
        say(`a cached VM cannot be used now, and another one is booted: ${messageOf(error)}`);
        return create(options);
      }
      say(`a cached VM cannot be used, and is made again: ${messageOf(error)}`);
      rmSync(file, { force: true });
      return undefined;
    }
  };
  // Of a VM that is kept nobody reads the guest's files: what they are to be is enough.
  const known = knownDefaultGuest(guest);
  const found = known && (await goOn(fileFor(options, known, guest)));
  if (found) return found;
  const fetching = { report: say, guest, ...(signal ? { signal } : {}) };
  const file = fileFor(options, await ensureDefaultGuest(fetching), guest);
  let begun = false;
  const kept = withLock(
    `${file}.lock`,
    async () => {
      begun = true;
      const other = await goOn(file);
      if (other) return other;
      // It would hold for all who go on from what is kept.
      const { processes, ...limits } = options.limits ?? {};
      const vm = await create({ ...options, limits });
      try {
        await vm.snapshot({ name: file, packing: "stored", ...(signal ? { signal } : {}) });
        shrink(file);
        await removeLeftovers(vmCacheFolder());
      } catch (error) {
        if (signal?.aborted) {
          await vm.close({ grace: 0 });
          throw error;
        }
        say(`the VM is not kept for the next time: ${messageOf(error)}`);
      }
      if (processes !== undefined) await (vm as LinuxVm).limitProcesses(processes);
      return vm;
    },
    (pid) => say(`waiting for process ${pid}, which boots the same`),
    signal,
  );
  return kept.catch((error: unknown) => {
    if (begun || signal?.aborted) throw error;
    // A folder that cannot be written, or a disk that is full, keeps nobody from a VM.
    say(`the VM is not kept for the next time: ${messageOf(error)}`);
    return create(options);
  });
}

/** It is used now; where that cannot be noted, it goes sooner than it might. */
function noteUse(file: string): void {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // As on a file system that is only read.
  }
}

/** Down to the bound, but for the one that was just made. */
function shrink(kept: string): void {
  let total = 0;
  for (const { file, size } of cachedVms()) {
    total += size;
    if (total > most && file !== kept) rmSync(file, { force: true });
  }
}
