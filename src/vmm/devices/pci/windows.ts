/** Ranges of the guest's real addresses, or of its ports, behind which a host bridge has the bus. */
export interface BusWindow {
  readonly start: bigint;
  readonly size: bigint;
  readonly space: "io" | "memory";
  /** Bus address of its start. */
  readonly bus: bigint;
}

/** Whether an access of a CPU lies wholly in a window. */
export const inside = ({ start, size }: Pick<BusWindow, "start" | "size">, address: bigint, length: number): boolean =>
  address >= start && address + BigInt(length) <= start + size;
