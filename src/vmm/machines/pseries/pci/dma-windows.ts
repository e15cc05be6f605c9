/**
 * The DMA windows of the bridge's partitionable endpoint: what its devices reach, page by page, as the guest's TCEs say.
 * Nothing else is reached, whatever a TCE holds. Source: LoPAPR, "Dynamic DMA Windows (DDW) Option"; PAPR, "TCE Hypervisor
 * Calls".
 */
import type { PpcVm, SpaprTce } from "../../../../arch/powerpc/uapi.js";
import type { GuestMemory } from "../../../core/guest-memory.js";
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
  /** The table's number. */
  readonly fd: number;
}

type Visit = (memory: Uint8Array, done: number) => void;
type TceVm = Pick<PpcVm, "createSpaprTce" | "bytes" | "guestWritten">;

export class DmaWindows {
  readonly #vm: TceVm;
  readonly #memory: GuestMemory;
  readonly #default: Window;
  /** Tables are not freed before the VM is: one of each shape that was ever asked for, at most 8 MiB. */
  readonly #shapes = new Map<number, Window>();
  readonly #active = new Set<Window>();
  #listener: WindowListener | undefined;

  constructor(vm: TceVm, memory: GuestMemory) {
    this.#vm = vm;
    this.#memory = memory;
    this.#default = this.#createTable(defaultWindow);
    this.reset();
  }

  /** What ibm,query-pe-dma-window answers: windows that can be created, entries of the largest, page sizes as bits. */
  query(): { readonly windows: number; readonly entries: number; readonly pageSizes: number } {
    return {
      windows: this.#dynamic ? 0 : 1,
      entries: 1 << mostEntriesShift,
      pageSizes: pageShifts.reduce((bits, [bit]) => bits | bit, 0),
    };
  }

  /** Sizes as log2 of bytes. Undefined: no such pages or size. "exists": there is one. */
  create(pageShift: number, windowShift: number): { liobn: number; start: bigint } | "exists" | undefined {
    if (!pageShifts.some(([, shift]) => shift === pageShift)) return undefined;
    if (windowShift < Math.max(pageShift, leastWindowShift) || windowShift > pageShift + mostEntriesShift)
      return undefined;
    if (this.#dynamic) return "exists";
    const liobn = dynamicLiobn + 256 * pageShift + windowShift;
    const size = 1n << BigInt(windowShift);
    const range = this.#shapes.get(liobn) ?? this.#createTable({ liobn, start: dynamicStart, size, pageShift });
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

  /** Memory to device. False: some page is not the device's to read. */
  read(address: bigint, bytes: Uint8Array): boolean {
    return this.#access(address, bytes.length, tceRead, (memory, done) => bytes.set(memory, done));
  }

  /** Device to memory. */
  write(address: bigint, bytes: Uint8Array): boolean {
    return this.#access(address, bytes.length, tceWrite, (memory, done) =>
      memory.set(bytes.subarray(done, done + memory.length)),
    );
  }

  get #dynamic(): boolean {
    return [...this.#active].some((range) => range !== this.#default);
  }

  #createTable({ liobn, start, size, pageShift }: Omit<Window, "entries" | "fd">): Window {
    const shift = BigInt(pageShift);
    const table: SpaprTce = this.#vm.createSpaprTce({
      liobn: BigInt(liobn),
      pageShift,
      offset: start >> shift,
      size: size >> shift,
    });
    return { liobn, start, size, pageShift, entries: table.address, fd: table.fd };
  }

  #clear({ entries, size, pageShift }: Window): void {
    this.#vm.bytes(entries, Number(size >> BigInt(pageShift)) * 8).fill(0);
  }

  #access(address: bigint, length: number, permission: bigint, visit: Visit): boolean {
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done);
      const range = this.#find(at);
      const tce = range && this.#entry(range, at);
      if (!range || tce === undefined || !(tce & permission)) return false;
      const page = 2 ** range.pageShift;
      const within = Number((at - range.start) & BigInt(page - 1));
      const part = Math.min(page - within, length - done);
      // What the guest put there may be no memory, or end beyond it.
      const real = Number(tce & ~BigInt(page - 1)) + within;
      const memory = this.#memory.view(real, part);
      if (!memory) return false;
      visit(memory, done);
      if (permission === tceWrite) this.#vm.guestWritten(BigInt(real), part);
      done += part;
    }
    return true;
  }

  #find(address: bigint): Window | undefined {
    for (const range of this.#active) {
      if (address >= range.start && address < range.start + range.size) return range;
    }
    return undefined;
  }

  /** Read once: the guest's CPUs may change it meanwhile. */
  #entry({ entries, start, pageShift }: Window, address: bigint): bigint {
    const bytes = this.#vm.bytes(entries + Number((address - start) >> BigInt(pageShift)) * 8, 8);
    return Atomics.load(new BigUint64Array(bytes.buffer, bytes.byteOffset, 1), 0);
  }
}
