/** The bytes of a configuration space and which of their bits software can change. */

import { KvmError } from "../../../base/errors.js";
import { bytesOf } from "../../../base/takes.js";
import type { PciBar } from "./device.js";
import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_BASE_ADDRESS_SPACE_IO,
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_SIZE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_HEADER_SIZEOF,
} from "./registers.js";

export type ConfigWidth = 1 | 2 | 4;

export class ConfigSpace {
  readonly #bytes = new Uint8Array(PCI_CFG_SPACE_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Bits that software writes, and bits that it clears by writing 1. */
  readonly #writable = new Uint8Array(PCI_CFG_SPACE_SIZE);
  readonly #clearable = new Uint8Array(PCI_CFG_SPACE_SIZE);
  /** Bits that the device changes while it works. */
  readonly #changing = new Uint8Array(PCI_CFG_SPACE_SIZE);
  /** Where the next capability goes, and the link that is to name it. */
  #free = PCI_STD_HEADER_SIZEOF;
  #link = PCI_CAPABILITY_LIST;
  /** Its bytes after power-on. */
  #initial: Uint8Array = this.#bytes;

  get(offset: number, width: ConfigWidth): number {
    if (width === 1) return this.#view.getUint8(offset);
    return width === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  /** The device's own change: no bit is protected. */
  set(offset: number, width: ConfigWidth, value: number): void {
    if (width === 1) this.#view.setUint8(offset, value);
    else if (width === 2) this.#view.setUint16(offset, value, true);
    else this.#view.setUint32(offset, value, true);
  }

  /** Lets software write these bits. */
  allow(offset: number, width: ConfigWidth, bits: number, { clear = false } = {}): void {
    setMask(clear ? this.#clearable : this.#writable, offset, width, bits);
  }

  /** Says that the device changes these bits while it works. */
  expect(offset: number, width: ConfigWidth, bits: number): void {
    setMask(this.#changing, offset, width, bits);
  }

  /** What software writes; bits that are not its own stay. The bytes lie inside. */
  write(offset: number, width: ConfigWidth, value: number): void {
    for (let i = 0; i < width; i++) {
      const at = offset + i;
      const byte = (value >>> (8 * i)) & 0xff;
      const writable = this.#writable[at] ?? 0;
      const old = (this.#bytes[at] ?? 0) & ~(byte & (this.#clearable[at] ?? 0));
      this.#bytes[at] = (old & ~writable) | (byte & writable);
    }
  }

  /** Declares BAR `index`. RangeError: sizes that hardware cannot have. */
  addBar(index: number, { kind, size, prefetchable = false }: PciBar): void {
    const [least, most] = kind === "io" ? [4, 256] : [16, kind === "memory32" ? 2 ** 31 : 2 ** 40];
    if (!(Number.isInteger(Math.log2(size)) && size >= least && size <= most)) {
      throw new RangeError(`BAR ${index}: ${size} bytes are no power of two from ${least} to ${most}`);
    }
    const at = PCI_BASE_ADDRESS_0 + 4 * index;
    let flags = kind === "io" ? PCI_BASE_ADDRESS_SPACE_IO : 0;
    if (kind === "memory64") flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
    if (prefetchable) flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
    this.set(at, 4, flags);
    const mask = BigInt.asUintN(64, -BigInt(size));
    this.allow(at, 4, Number(mask & 0xffff_ffffn));
    if (kind === "memory64") this.allow(at + 4, 4, Number(mask >> 32n));
  }

  /** Adds a capability to the list and returns its offset. RangeError: no room. */
  addCapability(id: number, bytes: Uint8Array): number {
    const at = this.#free;
    if (at + 2 + bytes.length > PCI_CFG_SPACE_SIZE) throw new RangeError("the capabilities take more than 192 bytes");
    this.#free = (at + 2 + bytes.length + 3) & ~3;
    this.set(at, 1, id);
    this.#bytes.set(bytes, at + 2);
    this.set(this.#link, 1, at);
    this.#link = at + 1;
    this.set(PCI_STATUS, 2, this.get(PCI_STATUS, 2) | PCI_STATUS_CAP_LIST);
    return at;
  }

  bytes(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, offset + length);
  }

  /** The device's own change. */
  setBytes(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset);
  }

  /**
   * What is there now is what `reset` restores. `saved` is what an earlier `save` gave of such a device, and takes its place
   * now. EINVAL: it is another device's, since bits differ that nobody could have changed.
   */
  seal(saved?: Uint8Array): void {
    this.#initial = this.#bytes.slice();
    if (saved === undefined) return;
    bytesOf(PCI_CFG_SPACE_SIZE)(saved, "new ConfigSpace", "state");
    for (const [at, byte] of saved.entries()) {
      const first = this.#initial[at] ?? 0;
      const free = (this.#writable[at] ?? 0) | (this.#clearable[at] ?? 0) | (this.#changing[at] ?? 0);
      if (((byte ^ first) & ~free) === 0) continue;
      const hex = (value: number): string => `0x${value.toString(16)}`;
      const what = `byte ${hex(at)} of the saved configuration space is ${hex(byte)}`;
      throw new KvmError("EINVAL", `${what}; this device has ${hex(first)} there: the state is another device's`);
    }
    this.#bytes.set(saved);
  }

  save(): Uint8Array {
    return this.#bytes.slice();
  }

  reset(): void {
    this.#bytes.set(this.#initial);
  }
}

function setMask(masks: Uint8Array, offset: number, width: ConfigWidth, bits: number): void {
  for (let i = 0; i < width; i++) masks[offset + i] = (bits >>> (8 * i)) & 0xff;
}
