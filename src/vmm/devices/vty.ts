/**
 * The virtual terminal of a pSeries partition, as the guest's kernel drives it: up to 16 bytes per hypercall.
 * Source: LoPAPR, "Virtual Terminal Option" (H_PUT_TERM_CHAR, H_GET_TERM_CHAR; device tree node hvterm1).
 */
import type { ConsoleRing } from "./console-ring.js";

/** Most bytes that one hypercall carries: two registers. */
export const vtyTransfer = 16;

export class Vty {
  readonly #ring: ConsoleRing;

  constructor(ring: ConsoleRing) {
    this.#ring = ring;
  }

  /** Bytes packed big-endian in two registers. False: no room, try again. */
  put(length: number, high: bigint, low: bigint): boolean {
    const bytes = new Uint8Array(vtyTransfer);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt.asUintN(64, high));
    view.setBigUint64(8, BigInt.asUintN(64, low));
    return this.#ring.write(bytes.subarray(0, length));
  }

  /** Up to 16 bytes of input, packed in the same way. */
  get(): { readonly length: number; readonly high: bigint; readonly low: bigint } {
    const bytes = this.#ring.read(vtyTransfer);
    const packed = new Uint8Array(vtyTransfer);
    packed.set(bytes);
    const view = new DataView(packed.buffer);
    return { length: bytes.length, high: view.getBigUint64(0), low: view.getBigUint64(8) };
  }
}
