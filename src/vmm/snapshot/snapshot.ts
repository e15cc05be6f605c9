/** A machine that runs, whole: what it is made from again, in this process or, by way of a file, in another. */
import type { Machine, MachineState, PlacedRam } from "../core/machine.js";
import { RamCopy } from "../core/ram-copy.js";
import type { Run } from "../core/run.js";
import type { SparseImage } from "../core/sparse-image.js";
import { logPage, type PageSet } from "../core/written-pages.js";
import { anyPlatform, type SnapshotPlatform } from "./platform.js";
import { StagedPages } from "./staged-pages.js";

export interface Snapshot {
  readonly state: MachineState;
  /** Contents by name: "ram", and of each disk that has an overlay what was written to it. */
  readonly images: Readonly<Record<string, SparseImage>>;
  /** What whoever made the machine wants to know of how: plain values. */
  readonly hardware: unknown;
  /** When, ms since 1970. */
  readonly created: number;
}

export const ramImage = "ram";

/** What goes on in this process: `ram` is where the machine will have it, and no image. */
export interface Twin extends Snapshot {
  readonly ram: PlacedRam;
}

export interface CaptureOptions<T> {
  readonly hardware?: unknown;
  /** Of disks, by name: asked while the machine stands still. */
  readonly images?: () => Readonly<Record<string, SparseImage>>;
  readonly platform?: Pick<SnapshotPlatform, "isZero" | "turn">;
  /** Called at the same moment. */
  readonly also?: () => T;
}

interface Captured<T> {
  /** What that gave. */
  readonly also: T;
  /** How long the machine stood still, ms. */
  readonly stopped: number;
}

/** The machine runs on while most of its memory is copied. EBUSY: it has a device that cannot be saved. */
export async function capture<T>(
  run: Pick<Run, "whilePaused">,
  options: CaptureOptions<T> = {},
): Promise<Captured<T> & { readonly snapshot: Snapshot }> {
  const { isZero } = options.platform ?? anyPlatform;
  const staged = new StagedPages(isZero);
  const { parts, ...rest } = await copied(run, options, () => (page, bytes) => staged.put(page, bytes));
  const { size, images, ...snapshot } = parts;
  return { ...rest, snapshot: { ...snapshot, images: { ...images, [ramImage]: staged.image(size) } } };
}

/** Of disks alone what was written, and of the machine its kind: it cannot go on. EBUSY: as `capture`. */
export const captureDisks = (
  run: Pick<Run, "whilePaused">,
  { images, hardware }: Pick<CaptureOptions<never>, "images" | "hardware"> = {},
): Promise<Snapshot> =>
  run.whilePaused((machine) => ({
    state: { machine: machine.save().machine },
    images: images?.() ?? {},
    hardware,
    created: Date.now(),
  }));

/**
 * `count` of them, in RAM that `place` gives for a size in bytes. Memory is copied to the first's alone while the machine stands
 * still.
 */
export async function captureTwins<T>(
  run: Pick<Run, "whilePaused">,
  count: number,
  place: (size: number) => PlacedRam,
  options: CaptureOptions<T> = {},
): Promise<Captured<T> & { readonly twins: readonly Twin[] }> {
  const { isZero, turn } = options.platform ?? anyPlatform;
  const rams: PlacedRam[] = [];
  try {
    const { parts, pages, ...rest } = await copied(run, options, (size) => {
      for (let i = 0; i < count; i++) rams.push(place(size));
      const [first] = rams;
      return (page, bytes, again) => {
        if (again || !isZero(bytes)) first?.bytes().set(bytes, page * logPage);
      };
    });
    const [first, ...others] = rams;
    for (const ram of rams) ram.pages = pages;
    for (const ram of others) {
      await turn();
      if (first) copyPages(first, ram);
    }
    const { size: _, ...snapshot } = parts;
    return { ...rest, twins: rams.map((ram) => ({ ...snapshot, ram })) };
  } catch (error) {
    for (const ram of rams) ram.close();
    throw error;
  }
}

function copyPages(from: PlacedRam, to: PlacedRam): void {
  const [source, target] = [from.bytes(), to.bytes()];
  for (const page of from.pages) {
    target.set(source.subarray(page * logPage, (page + 1) * logPage), page * logPage);
  }
}

/** `begin` gives what takes each page, with whether it comes again. */
async function copied<T>(
  run: Pick<Run, "whilePaused">,
  { hardware, images, also, platform: { turn } = anyPlatform }: CaptureOptions<T>,
  begin: (size: number) => (page: number, bytes: Uint8Array, again: boolean) => void,
): Promise<Captured<T> & { readonly parts: Snapshot & { readonly size: number }; readonly pages: PageSet }> {
  let copy: RamCopy | undefined;
  try {
    return await run.whilePaused(
      (machine) => {
        const since = performance.now();
        const [state, disks, told] = [machine.save(), images?.() ?? {}, also?.() as T];
        copy?.finish();
        const parts = { state, images: disks, hardware, created: Date.now(), size: machine.ramSize };
        return { parts, also: told, pages: (copy as RamCopy).pages, stopped: performance.now() - since };
      },
      async (machine: Machine) => {
        copy = new RamCopy(machine, begin(machine.ramSize));
        await copy.begin(turn);
      },
    );
  } finally {
    copy?.close();
  }
}
