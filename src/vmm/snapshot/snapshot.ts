/** A paused machine, whole: what it is made from again, in this process or, by way of a file, in another. */
import type { Machine, MachineState } from "../core/machine.js";
import { type IsZero, isZero, type SparseImage, sparseImage } from "../core/sparse-image.js";

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

export interface CaptureOptions {
  readonly hardware?: unknown;
  /** Of disks, by name: asked while the machine stands still. */
  readonly images?: () => Readonly<Record<string, SparseImage>>;
  readonly isZero?: IsZero;
}

/** While the machine is paused (`Run.whilePaused`). EBUSY: it has a device that cannot be saved. */
export function capture(machine: Machine, { hardware, images, isZero: zero = isZero }: CaptureOptions = {}): Snapshot {
  const state = machine.save();
  return {
    state,
    images: { ...images?.(), [ramImage]: sparseImage(machine.ram(), zero) },
    hardware,
    created: Date.now(),
  };
}
