/** Snapshots as programs have them: of a VM that runs, in a file, or in a Blob from wherever. */
import { KvmError } from "../base/errors.js";
import { thisPackage } from "../base/package.js";
import type { AgentConnection, AgentState } from "../vmm/agent/connection.js";
import { VmmError } from "../vmm/errors.js";
import {
  hasHead,
  infoOf,
  type KnownHead,
  readHead,
  readInfo,
  readSnapshot,
  SnapshotError,
  type SnapshotInfo,
  type SnapshotSource,
  writeSnapshot,
} from "../vmm/snapshot/format.js";
import type { Packing } from "../vmm/snapshot/packing.js";
import { ramImage, type Snapshot as Saved, type Twin } from "../vmm/snapshot/snapshot.js";
import { VmError } from "./error.js";
import type { Platform, RunningMachine, SnapshotPlace } from "./platform.js";
import { misuse } from "./program.js";
import { fetchSnapshot } from "./snapshot-fetch.js";
import type { Abort, Snapshot } from "./types.js";

/** What a machine goes on from. */
export interface Captured {
  readonly snapshot: Saved | Twin;
  /** The host's half of the conversation with the agent. Undefined: of disks alone, the guest is booted. */
  readonly agent: AgentState | undefined;
}

/** Bytes that a stream gives at a time. */
const pieceSize = 1 << 20;

/** Where a snapshot is. */
interface Kept {
  blob(): Promise<Blob>;
  stream(): ReadableStream<Uint8Array>;
  load(): Promise<Saved>;
}

export class KeptSnapshot implements Snapshot {
  readonly digest: string;
  readonly info: SnapshotInfo;
  /** How long the machine stood still for it, ms; undefined: it is not known, or was not made here. */
  readonly stopped: number | undefined;
  readonly #kept: Kept;

  constructor(info: SnapshotInfo, kept: Kept, stopped?: number) {
    this.stopped = stopped;
    this.digest = info.digest;
    this.info = info;
    this.#kept = kept;
  }

  blob(): Promise<Blob> {
    return this.#kept.blob();
  }

  stream(): ReadableStream<Uint8Array> {
    return this.#kept.stream();
  }

  /** Rejects with VmError. */
  async load(): Promise<Captured> {
    const snapshot = await this.#kept.load();
    if (!Object.hasOwn(snapshot.images, ramImage)) return { snapshot, agent: undefined };
    const { agent } = (snapshot.hardware ?? {}) as { readonly agent?: AgentState };
    // Of `unikvm run` it may have been made before the guest had booted.
    if (agent?.greeted) return { snapshot, agent };
    const why = agent ? "whose agent had not answered yet" : "that has no agent";
    const what = `the snapshot is of a machine ${why}; \`unikvm snapshot restore\` lets it go on`;
    throw new VmError("SNAPSHOT_FOREIGN", what);
  }
}

/** What went wrong with a snapshot, with a code: of one that was being made (`code`), or that cannot be used. */
export function snapshotError(error: unknown, code = "SNAPSHOT_FOREIGN"): unknown {
  if (error instanceof VmError) return error;
  if (error instanceof SnapshotError) {
    return new VmError(error.foreign ? "SNAPSHOT_FOREIGN" : "SNAPSHOT_DAMAGED", error.message, { cause: error });
  }
  if (error instanceof VmmError) {
    const { code: known } = (error.cause ?? {}) as { readonly code?: unknown };
    return new VmError(typeof known === "string" ? known : code, error.message, { cause: error });
  }
  return misuse(error);
}

/** Of a VM: with its memory, or of its disks alone. */
export interface Taking extends Abort {
  readonly name: string | undefined;
  readonly memory: boolean;
  readonly packing: Packing;
}

/** The VM stands still while it is copied, and runs on while it is packed. Rejects with VmError, or the signal's reason. */
export async function takeSnapshot(
  place: SnapshotPlace,
  machine: RunningMachine,
  agent: AgentConnection,
  { name, memory, packing, signal }: Taking,
): Promise<KeptSnapshot> {
  try {
    const { snapshot, also, stopped } = memory
      ? await machine.capture(() => agent.save())
      : { snapshot: await machine.captureDisks(), also: undefined, stopped: undefined };
    if (!memory && Object.keys(snapshot.images).length === 0) {
      throw new VmError("EINVAL", "snapshot: memory is false, and the VM has no disk of which something is kept");
    }
    signal?.throwIfAborted();
    // Files below disks are only read: what they are now they were then.
    const hardware = { ...(await machine.describe()), ...(also ? { agent: also } : {}) };
    signal?.throwIfAborted();
    const saved: Saved = { ...snapshot, hardware };
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const pack = (write?: (bytes: Uint8Array) => Promise<void>): Promise<string> =>
      writeSnapshot(
        saved,
        { platform: place.platform, packing, by: `unikvm ${thisPackage.version}` },
        async (bytes) => {
          signal?.throwIfAborted();
          parts.push(bytes as Uint8Array<ArrayBuffer>);
          await write?.(bytes);
        },
      );
    await (name === undefined ? pack() : place.write(name, pack));
    signal?.throwIfAborted();
    const blob = new Blob(parts);
    const info = await readInfo(blobSource(blob, "the snapshot"), place.platform);
    const kept: Kept = {
      blob: async () => blob,
      stream: () => blob.stream(),
      load: async () => saved,
    };
    return new KeptSnapshot(info, kept, stopped);
  } catch (error) {
    signal?.throwIfAborted();
    throw snapshotError(error, "SNAPSHOT_FAILED");
  }
}

const blobSource = (blob: Blob, name: string): SnapshotSource => ({
  name,
  size: blob.size,
  read: async (offset, length) => {
    const bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    if (bytes.length === length) return bytes;
    throw new VmmError(`${name} has only ${bytes.length} of ${length} bytes at ${offset}`);
  },
});

/** Looks at what a snapshot says of itself. Rejects with VmError, or the signal's reason. */
export async function openSnapshot(
  place: SnapshotPlace,
  from: string | URL | Blob,
  { signal }: Abort = {},
): Promise<KeptSnapshot> {
  signal?.throwIfAborted();
  try {
    if (from instanceof Blob) return await inBlob(place, from, "the snapshot");
    if (typeof from === "string" && from === "") throw new VmError("EINVAL", "openSnapshot: from is empty");
    if (from instanceof URL && from.protocol !== "file:")
      return await inBlob(place, await fetchSnapshot(from, place.platform, signal), from.href);
    if (typeof from === "string" || from instanceof URL) return await named(place, from);
    throw new VmError("EINVAL", "openSnapshot: from is no name, file, URL or Blob");
  } catch (error) {
    signal?.throwIfAborted();
    throw snapshotError(error);
  }
}

async function inBlob(place: SnapshotPlace, blob: Blob, name: string): Promise<KeptSnapshot> {
  const source = blobSource(blob, name);
  return new KeptSnapshot(await readInfo(source, place.platform), {
    blob: async () => blob,
    stream: () => blob.stream(),
    load: () => asVmError(() => readSnapshot(source, place.platform)),
  });
}

/** It is looked up again each time that it is used; one that was replaced meanwhile is not taken for the first. */
async function named(place: SnapshotPlace, from: string | URL): Promise<KeptSnapshot> {
  let first: KnownHead | undefined;
  const info = await place.read(from, async (source) => {
    first = await readHead(source, place.platform);
    return infoOf(first, source);
  });
  const same = <T>(use: (source: SnapshotSource, known: KnownHead) => Promise<T>): Promise<T> =>
    asVmError(() =>
      place.read(from, async (source) => {
        // Whoever opens one uses it mostly once, and at once. What a head says becomes the VM's: it is good for one.
        const known = first && (await hasHead(source, first)) ? first : await readHead(source, place.platform);
        first = undefined;
        if (known.digest !== info.digest) throw new VmError("ESTALE", `${source.name} is another snapshot by now`);
        return use(source, known);
      }),
    );
  const pieces = async (source: SnapshotSource, take: (piece: Uint8Array<ArrayBuffer>) => unknown): Promise<void> => {
    for (let at = 0; at < source.size; at += pieceSize) {
      await take((await source.read(at, Math.min(pieceSize, source.size - at))) as Uint8Array<ArrayBuffer>);
    }
  };
  return new KeptSnapshot(info, {
    blob: async () => {
      const parts: Uint8Array<ArrayBuffer>[] = [];
      await same((source) => pieces(source, (piece) => parts.push(piece)));
      return new Blob(parts);
    },
    stream: () => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      same((source) => pieces(source, (piece) => writer.write(piece)))
        .then(
          () => writer.close(),
          (error: unknown) => writer.abort(error),
        )
        .catch(() => undefined);
      return readable;
    },
    load: () => same((source, known) => readSnapshot(source, place.platform, { known, kept: ramImage })),
  });
}

async function asVmError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw snapshotError(error);
  }
}

/** Whatever `createVm` takes for its option. Rejects as `openSnapshot`. */
export async function snapshotOf(place: SnapshotPlace, given: unknown, abort: Abort): Promise<KeptSnapshot> {
  if (given instanceof KeptSnapshot) return given;
  if (typeof given === "string" || given instanceof URL || given instanceof Blob)
    return openSnapshot(place, given, abort);
  // Of another version of this package, for one.
  const { blob } = (typeof given === "object" && given !== null ? given : {}) as Partial<Snapshot>;
  if (typeof blob === "function") return openSnapshot(place, await blob.call(given), abort);
  throw new VmError("EINVAL", "createVm: snapshot is no Snapshot, Blob, URL, name or file");
}

/** Makes `openSnapshot` of what a platform gives. */
export const openSnapshotOn =
  (platform: () => Promise<Platform>) =>
  /**
   * A snapshot's digest and what it says of itself, from its name, its file (Node.js: a string with a folder or ".snapshot" in it),
   * its address or its bytes; its memory is read when a VM is made from it. VmError, SNAPSHOT_FOREIGN: it is none, or of a version
   * of the format that this one does not read; SNAPSHOT_DAMAGED; ENOENT and others: it cannot be read.
   */
  async (from: string | URL | Blob, options: Abort = {}): Promise<Snapshot> =>
    openSnapshot((await platform()).snapshots, from, options);

/** Why a machine cannot go on from a snapshot, when it was read whole. */
export function foreign(error: unknown): unknown {
  const known = error instanceof KvmError && error.code === "EINVAL";
  if (!known && !(error instanceof VmmError)) return error;
  const sentence = known ? error.message.slice("EINVAL: ".length) : error.message;
  return new VmError("SNAPSHOT_FOREIGN", `the snapshot cannot go on here: ${sentence}`, { cause: error });
}
