/**
 * Message-signalled interrupts of one function: which messages are enabled, masked and pending.
 * Source: PCI Local Bus Specification 3.0, "Message Signaled Interrupts"; names of Linux's pci_regs.h.
 */
import { KvmError } from "../../../base/errors.js";
import { bytesOf, having } from "../../../base/takes.js";
import type { ConfigSpace } from "./config-space.js";
import type { PciInterrupts } from "./device.js";
import {
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
  PCI_MSI_ADDRESS_HI,
  PCI_MSI_ADDRESS_LO,
  PCI_MSI_DATA_64,
  PCI_MSI_FLAGS,
  PCI_MSI_FLAGS_64BIT,
  PCI_MSI_FLAGS_ENABLE,
  PCI_MSI_FLAGS_MASKBIT,
  PCI_MSI_FLAGS_QSIZE,
  PCI_MSI_MASK_64,
  PCI_MSI_PENDING_64,
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_MSIX_PBA,
  PCI_MSIX_TABLE,
} from "./registers.js";

/** A message as it goes out: a write of 4 bytes. */
export interface PciMessage {
  readonly vector: number;
  readonly address: bigint;
  readonly data: number;
}

/** Sends a message; the function has checked that it may. */
type Send = (message: PciMessage) => void;

const msiMessages = 32;
const msixMost = 2048;

/** MSI: up to 32 messages that differ in the low bits of their data. All of its state lies in configuration space. */
export class Msi {
  readonly #config: ConfigSpace;
  readonly #at: number;
  readonly #send: Send;

  constructor(config: ConfigSpace, messages: number, send: Send) {
    const order = Math.log2(messages);
    if (!(Number.isInteger(order) && messages >= 1 && messages <= msiMessages)) {
      throw new RangeError(`${messages} messages of MSI are not 1, 2, 4, 8, 16 or 32`);
    }
    this.#config = config;
    this.#send = send;
    this.#at = config.addCapability(PCI_CAP_ID_MSI, new Uint8Array(22));
    config.set(this.#at + PCI_MSI_FLAGS, 2, (order << 1) | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
    config.allow(this.#at + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
    config.allow(this.#at + PCI_MSI_ADDRESS_LO, 4, 0xffff_fffc);
    config.allow(this.#at + PCI_MSI_ADDRESS_HI, 4, 0xffff_ffff);
    config.allow(this.#at + PCI_MSI_DATA_64, 2, 0xffff);
    const each = messages === 32 ? 0xffff_ffff : 2 ** messages - 1;
    config.allow(this.#at + PCI_MSI_MASK_64, 4, each);
    config.expect(this.#at + PCI_MSI_PENDING_64, 4, each);
  }

  get enabled(): boolean {
    return (this.#flags & PCI_MSI_FLAGS_ENABLE) !== 0;
  }

  /** How many the guest has allocated; never more than there are. */
  get messages(): number {
    const most = (this.#flags >>> 1) & 7;
    return 1 << Math.min(most, (this.#flags & PCI_MSI_FLAGS_QSIZE) >>> 4);
  }

  /** What firmware does for a guest that may not write it itself. `data` is of vector 0. */
  set(address: bigint, data: number): void {
    this.#config.set(this.#at + PCI_MSI_ADDRESS_LO, 4, Number(address & 0xffff_fffcn));
    this.#config.set(this.#at + PCI_MSI_ADDRESS_HI, 4, Number((address >> 32n) & 0xffff_ffffn));
    this.#config.set(this.#at + PCI_MSI_DATA_64, 2, data);
  }

  /** False if it is not enabled or not so many were allocated. */
  raise(vector: number): boolean {
    if (!this.enabled || !(vector >= 0 && vector < this.messages)) return false;
    if ((this.#get(PCI_MSI_MASK_64, 4) >>> vector) & 1) this.#setPending(vector, true);
    else this.#deliver(vector);
    return true;
  }

  /** After the guest has written configuration space: what is pending and no longer masked goes out. */
  update(): void {
    if (!this.enabled) {
      this.#config.set(this.#at + PCI_MSI_PENDING_64, 4, 0);
      return;
    }
    const ready = this.#get(PCI_MSI_PENDING_64, 4) & ~this.#get(PCI_MSI_MASK_64, 4);
    for (let vector = 0; vector < this.messages; vector++) {
      if (!((ready >>> vector) & 1)) continue;
      this.#setPending(vector, false);
      this.#deliver(vector);
    }
  }

  /** What `raise` would send at once. */
  unmasked(vector: number): PciMessage | undefined {
    if (!this.enabled || vector >= this.messages) return undefined;
    return (this.#get(PCI_MSI_MASK_64, 4) >>> vector) & 1 ? undefined : this.#message(vector);
  }

  #deliver(vector: number): void {
    this.#send(this.#message(vector));
  }

  #message(vector: number): PciMessage {
    const address = (BigInt(this.#get(PCI_MSI_ADDRESS_HI, 4)) << 32n) | BigInt(this.#get(PCI_MSI_ADDRESS_LO, 4));
    const data = (this.#get(PCI_MSI_DATA_64, 2) & ~(this.messages - 1)) | vector;
    return { vector, address, data };
  }

  #setPending(vector: number, pending: boolean): void {
    const bits = this.#get(PCI_MSI_PENDING_64, 4);
    const bit = 1 << vector;
    this.#config.set(this.#at + PCI_MSI_PENDING_64, 4, (pending ? bits | bit : bits & ~bit) >>> 0);
  }

  get #flags(): number {
    return this.#get(PCI_MSI_FLAGS, 2);
  }

  #get(offset: number, width: 2 | 4): number {
    return this.#config.get(this.#at + offset, width);
  }
}

/** What of MSI-X lies in a BAR; the rest is configuration space's. */
export interface MsixState {
  /** As the guest reads them. */
  readonly table: Uint8Array;
  readonly pending: Uint8Array;
}

/** MSI-X: messages of their own in a table in a BAR. */
export class Msix {
  readonly vectors: number;
  readonly #declared: NonNullable<PciInterrupts["msix"]>;
  readonly #config: ConfigSpace;
  readonly #at: number;
  readonly #send: Send;
  readonly #table: DataView;
  readonly #pending: Uint8Array;

  /** `state` is what an earlier `save` gave. EINVAL: it is not. */
  constructor(config: ConfigSpace, declared: NonNullable<PciInterrupts["msix"]>, send: Send, state?: MsixState) {
    const { vectors, table, pba } = declared;
    if (!(Number.isInteger(vectors) && vectors >= 1 && vectors <= msixMost)) {
      throw new RangeError(`${vectors} vectors of MSI-X are not 1 to ${msixMost}`);
    }
    for (const { bar, offset } of [table, pba]) {
      if (offset % 8 !== 0) throw new RangeError(`MSI-X: offset ${offset} of BAR ${bar} is no multiple of 8`);
    }
    this.vectors = vectors;
    this.#declared = declared;
    this.#config = config;
    this.#send = send;
    this.#table = new DataView(new ArrayBuffer(vectors * PCI_MSIX_ENTRY_SIZE));
    this.#pending = new Uint8Array(Math.ceil(vectors / 64) * 8);
    this.#at = config.addCapability(PCI_CAP_ID_MSIX, new Uint8Array(10));
    config.set(this.#at + PCI_MSIX_FLAGS, 2, vectors - 1);
    config.allow(this.#at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    config.set(this.#at + PCI_MSIX_TABLE, 4, table.offset | table.bar);
    config.set(this.#at + PCI_MSIX_PBA, 4, pba.offset | pba.bar);
    this.reset();
    if (state) this.#restore(state);
  }

  save(): MsixState {
    return { table: new Uint8Array(this.#table.buffer.slice(0)), pending: this.#pending.slice() };
  }

  #restore(state: MsixState): void {
    having({ table: bytesOf(this.sizes.table), pending: bytesOf(this.sizes.pba) })(state, "new Msix", "state");
    const view = new DataView(state.table.buffer, state.table.byteOffset, state.table.length);
    for (let at = 0; at < view.byteLength; at += 4) {
      const word = view.getUint32(at, true);
      this.#writeWord(at, word);
      if (this.#table.getUint32(at, true) === word) continue;
      throw new KvmError(
        "EINVAL",
        `word 0x${at.toString(16)} of the saved MSI-X table cannot be 0x${word.toString(16)}`,
      );
    }
    for (let vector = this.vectors; vector < 8 * state.pending.length; vector++) {
      if (!(((state.pending[vector >> 3] ?? 0) >> (vector & 7)) & 1)) continue;
      throw new KvmError("EINVAL", `the saved MSI-X vector ${vector} is pending; there are ${this.vectors}`);
    }
    this.#pending.set(state.pending);
  }

  /** Bytes of the table and of the pending bits. */
  get sizes(): { readonly table: number; readonly pba: number } {
    return { table: this.#table.byteLength, pba: this.#pending.length };
  }

  reset(): void {
    new Uint8Array(this.#table.buffer).fill(0);
    this.#pending.fill(0);
    for (let i = 0; i < this.vectors; i++) this.#setControl(i, PCI_MSIX_ENTRY_CTRL_MASKBIT);
  }

  get enabled(): boolean {
    return (this.#flags & PCI_MSIX_FLAGS_ENABLE) !== 0;
  }

  /** What firmware does for a guest that may not write it itself. */
  set(vector: number, address: bigint, data: number): void {
    const at = vector * PCI_MSIX_ENTRY_SIZE;
    this.#table.setBigUint64(at, address & ~3n, true);
    this.#table.setUint32(at + 8, data, true);
  }

  /** False if it is not enabled or there is no such vector. */
  raise(vector: number): boolean {
    if (!this.enabled || !(Number.isInteger(vector) && vector >= 0 && vector < this.vectors)) return false;
    if (this.#masked(vector)) this.#setPending(vector, true);
    else this.#deliver(vector);
    return true;
  }

  /** After the guest has written configuration space or the table: what is pending and no longer masked goes out. */
  update(): void {
    if (!this.enabled) return;
    for (let vector = 0; vector < this.vectors; vector++) {
      const pending = ((this.#pending[vector >> 3] ?? 0) >> (vector & 7)) & 1;
      if (!pending || this.#masked(vector)) continue;
      this.#setPending(vector, false);
      this.#deliver(vector);
    }
  }

  /** What of the table or the pending bits an access to a BAR meets: undefined if nothing. */
  read(bar: number, offset: number, length: number): bigint | undefined {
    const place = this.#find(bar, offset, length);
    if (!place) return undefined;
    // Software is to use aligned words and doublewords; anything else finds nothing.
    if (!isWhole(offset, length)) return 0n;
    const view = place.table ? this.#table : new DataView(this.#pending.buffer);
    return length === 4 ? BigInt(view.getUint32(place.at, true)) : view.getBigUint64(place.at, true);
  }

  /** False: the access is not to the table or the pending bits. */
  write(bar: number, offset: number, length: number, value: bigint): boolean {
    const place = this.#find(bar, offset, length);
    if (!place) return false;
    if (!place.table || !isWhole(offset, length)) return true;
    for (let i = 0; i < length; i += 4) {
      this.#writeWord(place.at + i, Number((value >> BigInt(8 * i)) & 0xffff_ffffn));
    }
    this.update();
    return true;
  }

  #writeWord(at: number, value: number): void {
    const field = at % PCI_MSIX_ENTRY_SIZE;
    if (field === PCI_MSIX_ENTRY_VECTOR_CTRL) this.#table.setUint32(at, value & PCI_MSIX_ENTRY_CTRL_MASKBIT, true);
    else this.#table.setUint32(at, field === 0 ? value & ~3 : value, true);
  }

  #find(bar: number, offset: number, length: number): { readonly table: boolean; readonly at: number } | undefined {
    const { table, pba } = this.#declared;
    const inside = (from: number, size: number): boolean => offset >= from && offset + length <= from + size;
    if (bar === table.bar && inside(table.offset, this.#table.byteLength))
      return { table: true, at: offset - table.offset };
    if (bar === pba.bar && inside(pba.offset, this.#pending.length)) return { table: false, at: offset - pba.offset };
    return undefined;
  }

  #masked(vector: number): boolean {
    if (this.#flags & PCI_MSIX_FLAGS_MASKALL) return true;
    const control = this.#table.getUint32(vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL, true);
    return (control & PCI_MSIX_ENTRY_CTRL_MASKBIT) !== 0;
  }

  /** What `raise` would send at once. */
  unmasked(vector: number): PciMessage | undefined {
    return this.enabled && !this.#masked(vector) ? this.#message(vector) : undefined;
  }

  #deliver(vector: number): void {
    this.#send(this.#message(vector));
  }

  #message(vector: number): PciMessage {
    const at = vector * PCI_MSIX_ENTRY_SIZE;
    return { vector, address: this.#table.getBigUint64(at, true), data: this.#table.getUint32(at + 8, true) };
  }

  #setControl(vector: number, value: number): void {
    this.#table.setUint32(vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL, value, true);
  }

  #setPending(vector: number, pending: boolean): void {
    const byte = this.#pending[vector >> 3] ?? 0;
    const bit = 1 << (vector & 7);
    this.#pending[vector >> 3] = pending ? byte | bit : byte & ~bit;
  }

  get #flags(): number {
    return this.#config.get(this.#at + PCI_MSIX_FLAGS, 2);
  }
}

const isWhole = (offset: number, length: number): boolean => (length === 4 || length === 8) && offset % length === 0;
