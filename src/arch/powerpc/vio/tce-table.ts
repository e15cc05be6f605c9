/** TCE tables: what the virtual I/O bus translates by. Source: PAPR, "TCE Hypervisor Calls"; KVM_CREATE_SPAPR_TCE_64. */
import { KvmError } from "../../../base/errors.js";
import { guard } from "../../../base/takes.js";
import { allocate } from "../../../kvm/heap.js";
import { vmLayout } from "../../../kvm/layout.js";
import { locked } from "../../../kvm/lock.js";
import type { VmMemory } from "../../../kvm/memory.js";
import { vmState } from "../../../kvm/state.js";
import { spaprTceSignatures } from "../calls/signatures.js";
import type { CreateSpaprTce, SpaprTce } from "../uapi.js";
import { ppcVm, tceTable, tceTableMax } from "../vm/state.js";

const vmFields = ppcVm.offset;
const fields = tceTable.offset;
/** Permission bits of a TCE: read and write by the device. */
const permissions = 3n;
/** Handles' numbers: a table's place in the VM's list above this. */
const fdBase = 2000;

/** One table for kvm/saved.ts. */
export interface SavedTceTable {
  readonly liobn: number;
  readonly pageShift: number;
  readonly offset: bigint;
  readonly size: bigint;
  /** Of the entries. */
  readonly address: number;
}

export class TceTables {
  readonly #memory: VmMemory;
  /** Address of the VM's `ppcVm`. */
  readonly #vm: number;

  constructor(memory: VmMemory, vm: number) {
    this.#memory = memory;
    this.#vm = vm;
  }

  create({ liobn, pageShift, flags = 0, offset, size }: CreateSpaprTce): SpaprTce {
    const refuse = (why: string) => new KvmError("EINVAL", `KVM_CREATE_SPAPR_TCE_64: ${why}`);
    if (flags !== 0) throw refuse("no flags are defined");
    if (BigInt.asUintN(32, liobn) !== liobn) throw refuse(`liobn ${liobn} has more than 32 bits`);
    if (!(Number.isInteger(pageShift) && pageShift >= 12 && pageShift <= 34)) {
      throw refuse(`page shift ${pageShift} is not from 12 to 34`);
    }
    if (size <= 0n || offset < 0n || (offset + size) << BigInt(pageShift) > 1n << 64n) {
      throw refuse("the window is empty or ends beyond the bus's address space");
    }
    if (size > 1n << 28n) throw new KvmError("ENOMEM", `a table of ${size} entries does not fit the VM's memory`);
    const memory = this.#memory;
    const table = locked(memory, vmState.lock, () => {
      if (this.#find(liobn) !== undefined) throw new KvmError("EBUSY", `liobn 0x${liobn.toString(16)} has a table`);
      // Its address is the user side's to know: it stays where it is when the VM moves.
      const entries = allocate(memory, Number(size) * 8, 64, { lowest: vmLayout.userStart });
      return this.#add(Number(BigInt.asIntN(32, liobn)), pageShift, offset, size, entries);
    });
    return this.#handle(table, liobn);
  }

  /** This handle's table of a bus; ENOENT: it has none. */
  open(liobn: bigint): SpaprTce {
    const table = this.#find(liobn);
    if (table === undefined) throw new KvmError("ENOENT", `liobn 0x${liobn.toString(16)} has no table`);
    return this.#handle(table, liobn);
  }

  /** All that are open. */
  save(): SavedTceTable[] {
    const memory = this.#memory;
    const count = memory.load(this.#vm + vmFields.tceTableCount);
    const tables = Array.from({ length: count }, (_, i) => memory.u32(this.#vm + vmFields.tceTables + 4 * i));
    return tables
      .filter((table) => memory.load(table + fields.open) !== 0)
      .map((table) => ({
        liobn: memory.i32(table + fields.liobn),
        pageShift: memory.i32(table + fields.pageShift),
        offset: memory.u64(table + fields.offset),
        size: memory.u64(table + fields.size),
        address: memory.u32(table + fields.entries),
      }));
  }

  /** Takes tables whose entries are in the VM's memory already. */
  restore(tables: readonly SavedTceTable[]): void {
    for (const { liobn, pageShift, offset, size, address } of tables) {
      this.#memory.bytes(address, Number(size) * 8);
      this.#add(liobn, pageShift, offset, size, address);
    }
  }

  /** The VM's lock is held. */
  #add(liobn: number, pageShift: number, offset: bigint, size: bigint, entries: number): number {
    const memory = this.#memory;
    const count = memory.i32(this.#vm + vmFields.tceTableCount);
    if (count >= tceTableMax) throw new KvmError("ENOMEM", `a VM has at most ${tceTableMax} TCE tables`);
    const created = allocate(memory, tceTable.size);
    memory.setI32(created + fields.liobn, liobn);
    memory.setI32(created + fields.pageShift, pageShift);
    memory.setI32(created + fields.entries, entries);
    memory.setI64(created + fields.offset, offset);
    memory.setI64(created + fields.size, size);
    memory.store(created + fields.open, 1);
    memory.setI32(this.#vm + vmFields.tceTables + 4 * count, created);
    memory.store(this.#vm + vmFields.tceTableCount, count + 1);
    return created;
  }

  /** The table of a bus, or undefined. */
  find(liobn: bigint): TceTable | undefined {
    const table = this.#find(liobn);
    return table === undefined ? undefined : new TceTable(this.#memory, table);
  }

  #find(liobn: bigint): number | undefined {
    const memory = this.#memory;
    if (BigInt.asUintN(32, liobn) !== liobn) return undefined;
    const wanted = Number(BigInt.asIntN(32, liobn));
    for (let i = 0, count = memory.load(this.#vm + vmFields.tceTableCount); i < count; i++) {
      const table = memory.u32(this.#vm + vmFields.tceTables + 4 * i);
      if (memory.load(table + fields.open) && memory.i32(table + fields.liobn) === wanted) return table;
    }
    return undefined;
  }

  /** The table that a handle's number stands for, or undefined. */
  ofFd(fd: number): TceTable | undefined {
    const memory = this.#memory;
    const index = fd - fdBase;
    if (!(Number.isInteger(index) && index >= 0 && index < memory.load(this.#vm + vmFields.tceTableCount)))
      return undefined;
    const table = new TceTable(memory, memory.u32(this.#vm + vmFields.tceTables + 4 * index));
    return table.open ? table : undefined;
  }

  #fd(address: number): number {
    const count = this.#memory.load(this.#vm + vmFields.tceTableCount);
    const places = Array.from({ length: count }, (_, i) => this.#memory.u32(this.#vm + vmFields.tceTables + 4 * i));
    return fdBase + places.indexOf(address);
  }

  #handle(address: number, liobn: bigint): SpaprTce {
    const memory = this.#memory;
    const table = new TceTable(memory, address);
    const handle: SpaprTce = {
      fd: this.#fd(address),
      liobn,
      pageShift: memory.i32(address + fields.pageShift),
      offset: memory.u64(address + fields.offset),
      size: memory.u64(address + fields.size),
      address: memory.u32(address + fields.entries),
      get: (index) => {
        if (index >= 0 && BigInt(index) < handle.size) return table.at(BigInt(index));
        throw new KvmError("EINVAL", `tce.get: the table has entries 0 to ${handle.size - 1n}, not ${index}`);
      },
      close: () => memory.store(address + fields.open, 0),
    };
    return guard(handle, "tce", spaprTceSignatures);
  }
}

/** One table, as hypercalls use it. */
export class TceTable {
  readonly #memory: VmMemory;
  readonly #at: number;

  constructor(memory: VmMemory, at: number) {
    this.#memory = memory;
    this.#at = at;
  }

  get open(): boolean {
    return this.#memory.load(this.#at + fields.open) !== 0;
  }
  get pageShift(): number {
    return this.#memory.i32(this.#at + fields.pageShift);
  }
  /** First bus address, in pages. */
  get offset(): bigint {
    return this.#memory.u64(this.#at + fields.offset);
  }
  /** Pages. */
  get size(): bigint {
    return this.#memory.u64(this.#at + fields.size);
  }

  get #pageShift(): bigint {
    return BigInt(this.pageShift);
  }

  /** Index of the first of `count` pages from bus address `ioba`, or undefined if they are not all in the window. */
  index(ioba: bigint, count: bigint): bigint | undefined {
    const shift = this.#pageShift;
    if (ioba & ((1n << shift) - 1n)) return undefined;
    const first = (ioba >> shift) - this.offset;
    return first >= 0n && count >= 0n && first + count <= this.size ? first : undefined;
  }

  /** Whether a TCE names a whole page. */
  valid(tce: bigint): boolean {
    return (tce & ((1n << this.#pageShift) - 1n) & ~permissions) === 0n;
  }

  at(index: bigint): bigint {
    return BigInt.asUintN(64, Atomics.load(this.#memory.i64s, this.#entry(index)));
  }

  put(index: bigint, tce: bigint): void {
    Atomics.store(this.#memory.i64s, this.#entry(index), tce);
  }

  /** One TCE for `count` pages. */
  fill(first: bigint, count: bigint, tce: bigint): void {
    const entry = this.#entry(first);
    this.#memory.i64s.fill(BigInt.asIntN(64, tce), entry, entry + Number(count));
  }

  #entry(index: bigint): number {
    return this.#memory.u32(this.#at + fields.entries) / 8 + Number(index);
  }
}
