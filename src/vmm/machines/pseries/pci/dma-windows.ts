/**
 * The DMA windows of the bridge's partitionable endpoint: what its devices reach, page by page, as the guest's TCEs say.
 * Nothing else is reached, whatever a TCE holds. Source: LoPAPR, "Dynamic DMA Windows (DDW) Option"; PAPR, "TCE Hypervisor
 * Calls".
 */

import type { PpcVm, SpaprTce } from "../../../../arch/powerpc/uapi.js";
import { KvmError } from "../../../../base/errors.js";
import { boolean, bytesOf, having, integer, optional } from "../../../../base/takes.js";
import type { GuestMemory } from "../../../core/guest-memory.js";
import type { Dma } from "../../../devices/pci/device.js";
import type { WindowListener } from "../../../devices/vfio-pci/assignment.js";

/** The window that is there from the start: 4 KiB pages from bus address 0. */
export const defaultWindow = { liobn: 0x8000_0000, start: 0n, size: 0x4000_0000n, pageShift: 12 } as const;
/** Where the one that the guest may create lies. */
const dynamicStart = 1n << 59n;
const dynamicLiobn = 0x8001_0000;
/** log2 of the sizes that it may have, bytes. */
const leastWindowShift = 20;
/** log2 of most entries: 2 MiB of memory. */
const mostEntriesShift = 18;
/** Page shifts by their bit in what ibm,query-pe-dma-window answers. */
const pageShifts: readonly (readonly [bit: number, shift: number])[] = [
  [0x01, 12],
  [0x02, 16],
  [0x04, 24],
];

const tceRead = 1n;
const tceWrite = 2n;

interface Window {
  readonly liobn: number;
  readonly start: bigint;
  readonly size: bigint;
  readonly pageShift: number;
  /** Address of its entries in the VM's memory. */
  readonly entries: number;
  /** The entries themselves. Empty: the memory has grown, and they are to be looked up anew. */
  view: BigUint64Array;
  /** The table's number. */
  readonly fd: number;
}

type TableShape = Omit<Window, "entries" | "view" | "fd">;

/** The windows as a plain value. */
export interface DmaWindowsState {
  /** Entries of the default window from the first on, 8 bytes each in the guest's order; what follows is 0. */
  readonly entries: Uint8Array;
  /** The guest has taken the default window away. Default: it has not. */
  readonly removed?: boolean | undefined;
  /** The window that the guest has created; sizes as log2 of bytes. */
  readonly dynamic?:
    | { readonly pageShift: number; readonly windowShift: number; readonly entries: Uint8Array }
    | undefined;
}

const shift = integer(0, 63);
const windowsState = having({
  entries: bytesOf(0, Number(defaultWindow.size >> BigInt(defaultWindow.pageShift)) * 8),
  removed: optional(boolean),
  dynamic: optional(having({ pageShift: shift, windowShift: shift, entries: bytesOf(0, 8 << mostEntriesShift) })),
});

type TceVm = Pick<PpcVm, "createSpaprTce" | "bytes">;

export class DmaWindows {
  readonly #vm: TceVm;
  readonly #memory: GuestMemory;
  readonly #default: Window;
  /** Tables are not freed before the VM is: one of each shape that was ever asked for, at most 8 MiB. */
  readonly #shapes = new Map<number, Window>();
  readonly #active = new Set<Window>();
  #listener: WindowListener | undefined;

  /** `state` is what an earlier `save` gave. EINVAL: it is not. What its entries hold is checked when they are used. */
  constructor(vm: TceVm, memory: GuestMemory, state?: DmaWindowsState) {
    if (state !== undefined) windowsState(state, "new DmaWindows", "state");
    this.#vm = vm;
    this.#memory = memory;
    this.#default = this.#createTable(defaultWindow);
    // A new table is empty.
    this.#activate(this.#default);
    if (state) this.#restore(state);
  }

  save(): DmaWindowsState {
    const dynamic = this.#dynamic;
    return {
      entries: this.#usedEntries(this.#default),
      ...(this.#active.has(this.#default) ? {} : { removed: true }),
      dynamic: dynamic && {
        pageShift: dynamic.pageShift,
        windowShift: Math.log2(Number(dynamic.size)),
        entries: this.#usedEntries(dynamic),
      },
    };
  }

  #restore({ entries, removed, dynamic }: DmaWindowsState): void {
    this.#setEntries(this.#default, entries);
    if (removed) this.#deactivate(this.#default);
    if (!dynamic) return;
    const { pageShift, windowShift } = dynamic;
    if (this.create(pageShift, windowShift) === "no room") {
      throw new KvmError("ENOMEM", `no room for a DMA window of 2^${windowShift} bytes, as the saved one`);
    }
    const range = this.#dynamic;
    if (!range)
      throw new KvmError(
        "EINVAL",
        `no DMA window has pages of 2^${pageShift} and 2^${windowShift} bytes, as the saved one`,
      );
    this.#setEntries(range, dynamic.entries);
  }

  #setEntries(range: Window, entries: Uint8Array): void {
    const all = this.#table(range);
    if (entries.length % 8 !== 0 || entries.length > all.length) {
      throw new KvmError(
        "EINVAL",
        `${entries.length} bytes of saved entries are not those of ${all.length / 8} or fewer`,
      );
    }
    all.set(entries);
  }

  /** A copy, up to the last that is not 0. */
  #usedEntries(range: Window): Uint8Array {
    const all = this.#table(range);
    const words = new Int32Array(all.buffer, all.byteOffset, all.length / 4);
    let end = words.length;
    while (end > 0 && words[end - 1] === 0) end--;
    return all.slice(0, 8 * Math.ceil(end / 2));
  }

  #table({ entries, size, pageShift }: Window): Uint8Array {
    return this.#vm.bytes(entries, Number(size >> BigInt(pageShift)) * 8);
  }

  /** What ibm,query-pe-dma-window answers: windows that can be created, entries of the largest, page sizes as bits. */
  query(): { readonly windows: number; readonly entries: number; readonly pageSizes: number } {
    return {
      windows: this.#dynamic ? 0 : 1,
      entries: 1 << mostEntriesShift,
      pageSizes: pageShifts.reduce((bits, [bit]) => bits | bit, 0),
    };
  }

  /** Sizes as log2 of bytes. Undefined: no such pages or size. "exists": there is one. "no room": for its entries. */
  create(pageShift: number, windowShift: number): { liobn: number; start: bigint } | "exists" | "no room" | undefined {
    if (!pageShifts.some(([, shift]) => shift === pageShift)) return undefined;
    if (windowShift < Math.max(pageShift, leastWindowShift) || windowShift > pageShift + mostEntriesShift)
      return undefined;
    if (this.#dynamic) return "exists";
    const liobn = dynamicLiobn + 256 * pageShift + windowShift;
    const size = 1n << BigInt(windowShift);
    const range = this.#shapes.get(liobn) ?? this.#tryTable({ liobn, start: dynamicStart, size, pageShift });
    if (!range) return "no room";
    this.#shapes.set(liobn, range);
    this.#clear(range);
    this.#activate(range);
    return { liobn, start: range.start };
  }

  /** False: there is no such window. */
  remove(liobn: number): boolean {
    const range = [...this.#active].find((one) => one.liobn === liobn);
    if (range) this.#deactivate(range);
    return range !== undefined;
  }

  /** The default window alone, and it empty. */
  reset(): void {
    for (const range of this.#active) if (range !== this.#default) this.#deactivate(range);
    this.#clear(this.#default);
    if (!this.#active.has(this.#default)) this.#activate(this.#default);
  }

  /** Tells `listener` of the windows that there are, and of every change. */
  watch(listener: WindowListener): void {
    this.#listener = listener;
    for (const range of this.#active) listener.windowCreated(range);
  }

  #activate(range: Window): void {
    this.#active.add(range);
    this.#listener?.windowCreated(range);
  }

  #deactivate(range: Window): void {
    this.#active.delete(range);
    this.#listener?.windowRemoved(range.start);
  }

  get #dynamic(): Window | undefined {
    return [...this.#active].find((range) => range !== this.#default);
  }

  /** Undefined: the VM's memory, which the guest may have filled in other ways, has no room. */
  #tryTable(shape: TableShape): Window | undefined {
    try {
      return this.#createTable(shape);
    } catch (error) {
      if (error instanceof KvmError && error.code === "ENOMEM") return undefined;
      throw error;
    }
  }

  #createTable({ liobn, start, size, pageShift }: TableShape): Window {
    const shift = BigInt(pageShift);
    const table: SpaprTce = this.#vm.createSpaprTce({
      liobn: BigInt(liobn),
      pageShift,
      offset: start >> shift,
      size: size >> shift,
    });
    return { liobn, start, size, pageShift, entries: table.address, view: new BigUint64Array(0), fd: table.fd };
  }

  /** What is 0 is only read: most of a table never gets room then. */
  #clear(range: Window): void {
    const all = this.#table(range);
    const words = new Int32Array(all.buffer, all.byteOffset, all.length / 4);
    for (let at = 0; at < words.length; at++) if (words[at] !== 0) words[at] = 0;
  }

  /** What a device reaches through them. */
  readonly access: Dma = (address, length, way, visit) => {
    const permission = way === "read" ? tceRead : tceWrite;
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done);
      const range = this.#find(at);
      if (!range) return false;
      const page = 1 << range.pageShift;
      const offset = Number(at - range.start);
      const within = offset % page;
      const tce = this.#entry(range, (offset - within) / page);
      if (!(tce & permission)) return false;
      const part = Math.min(page - within, length - done);
      // What the guest put there may be no memory, or end beyond it.
      const real = Number(tce & -BigInt(page)) + within;
      const before = done;
      if (!this.#memory.visit(real, part, way, (memory) => visit(memory, before))) return false;
      done += part;
    }
    return true;
  };

  #find(address: bigint): Window | undefined {
    for (const range of this.#active) {
      if (address >= range.start && address < range.start + range.size) return range;
    }
    return undefined;
  }

  /** Read once: the guest's CPUs may change it meanwhile. */
  #entry(range: Window, index: number): bigint {
    if (range.view.length === 0) {
      const all = this.#table(range);
      range.view = new BigUint64Array(all.buffer, all.byteOffset, all.length / 8);
    }
    return Atomics.load(range.view, index);
  }
}
