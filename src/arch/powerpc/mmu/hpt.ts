/**
 * The hashed page table that the kernel side keeps for a guest: what hypercalls and the user side do to it.
 * An entry is two doublewords in the format of Power ISA v2.07, which PAPR's hypercalls use on every processor; they lie in
 * the VM's memory in the host's byte order. Groups have eight entries.
 * Source: Power ISA v2.07, Book III-S "Page Table"; PAPR, "Hash Page Table".
 */
import { allocate, free, type Range } from "../../../kvm/heap.js";
import { locked } from "../../../kvm/lock.js";
import type { VmMemory } from "../../../kvm/memory.js";
import { archLayout } from "../engines/layout.js";
import { HpteR, HpteV, hpteGroup, hpteSize } from "./hpte.js";

export const hptOrderMin = 18;
export const hptOrderMax = 46;

export { HpteR, HpteV };

export interface Hpte {
  readonly v: bigint;
  readonly r: bigint;
}

/** log2 of the actual page size, by the entry's own encoding; undefined: none that there is. */
export function actualPageShift({ v, r }: Hpte): number | undefined {
  if (!(v & HpteV.large)) return 12;
  const encoding = Number((r >> 12n) & 0xffn);
  // 64 KiB pages in segments of 4 KiB or of 64 KiB pages use four bits, 16 MiB pages eight.
  if ((encoding & 15) === 7 || (encoding & 15) === 1) return 16;
  return encoding === 0 || encoding === 8 || encoding === 0x38 ? 24 : undefined;
}

/** The real address of the page, whose size is 2^shift bytes. */
export const pageOf = ({ r }: Hpte, shift: number): bigint => r & HpteR.page & ~((1n << BigInt(shift)) - 1n);

/** log2 of the page size that the segment's hash counts in. */
function basePageShift({ v, r }: Hpte): bigint {
  if (!(v & HpteV.large)) return 12n;
  const encoding = Number((r >> 12n) & 0xffn);
  if ((encoding & 15) === 7 || encoding === 0x38) return 12n;
  return (encoding & 15) === 1 || encoding === 8 ? 16n : 24n;
}

/** Where a table lies, and log2 of its bytes. Its bitmap of modified entries follows it. */
export interface HptPlace {
  readonly address: number;
  readonly order: number;
}

const tableBytes = (order: number): number => 2 ** order;
const bitmapBytes = (order: number): number => 2 ** (order - 7);
const alignment = 65536;

/** As one word, which a vCPU in the guest reads at once. */
export const packHpt = ({ address, order }: HptPlace): number => (address | order) >>> 0;
export function unpackHpt(word: number): HptPlace | undefined {
  return word === 0 ? undefined : { address: word - (word % alignment), order: word % alignment };
}

/** An empty table. ENOMEM. */
export const allocateHpt = (memory: VmMemory, order: number): HptPlace => ({
  address: allocate(memory, hptRange({ address: 0, order }).bytes, alignment),
  order,
});

export const hptRange = ({ address, order }: HptPlace): Range => ({
  address,
  bytes: tableBytes(order) + bitmapBytes(order),
});

export class Hpt {
  readonly #memory: VmMemory;
  readonly #flush: () => void;

  /** `flush` returns when no vCPU uses a translation from before. */
  constructor(memory: VmMemory, flush: () => void) {
    this.#memory = memory;
    this.#flush = flush;
  }

  /** The table in use, if there is one. */
  get table(): HptPlace | undefined {
    return unpackHpt(this.#memory.load(archLayout.hpt) >>> 0);
  }

  /** Entries of the table in use. */
  get size(): number {
    const { table } = this;
    return table ? tableBytes(table.order) / hpteSize : 0;
  }

  /** Makes `table` the one in use; the one before is given back once no vCPU looks into it. */
  use(table: HptPlace | undefined): void {
    const memory = this.#memory;
    const old = this.table;
    memory.store(archLayout.hpt, table ? packHpt(table) : 0);
    this.#flush();
    if (old) free(memory, [hptRange(old)]);
  }

  /** Empties the table in use. */
  clear(): void {
    const { table } = this;
    if (!table) return;
    const { address, bytes } = hptRange(table);
    this.#memory.bytes(address, bytes).fill(0);
    this.#flush();
  }

  locked<T>(body: () => T): T {
    return locked(this.#memory, archLayout.hptLock, body);
  }

  /** Under the lock: entry `index`, which exists. */
  at(index: number): Hpte {
    const word = this.#word(index);
    const words = this.#memory.i64s;
    const load = (at: number) => BigInt.asUintN(64, Atomics.load(words, at));
    return { v: load(word), r: load(word + 1) };
  }

  /** Under the lock: fills an entry that is not valid. */
  fill(index: number, { v, r }: Hpte): void {
    const word = this.#word(index);
    Atomics.store(this.#memory.i64s, word + 1, BigInt.asIntN(64, r));
    Atomics.store(this.#memory.i64s, word, BigInt.asIntN(64, v));
    this.#modified(index);
  }

  /** Under the lock: what the entry was, with all that the MMU noted in it. It is not valid any more, for no vCPU. */
  remove(index: number): Hpte {
    const word = this.#word(index);
    const v = BigInt.asUintN(64, Atomics.exchange(this.#memory.i64s, word, 0n));
    if (v & HpteV.valid) this.#flush();
    const r = BigInt.asUintN(64, Atomics.exchange(this.#memory.i64s, word + 1, 0n));
    this.#modified(index);
    return { v, r };
  }

  /** Under the lock: changes the second doubleword of a valid entry; what it was. No vCPU translates by what it was. */
  change(index: number, clear: bigint, set: bigint): bigint {
    const at = this.#word(index) + 1;
    const words = this.#memory.i64s;
    for (;;) {
      const old = Atomics.load(words, at);
      const wanted = BigInt.asIntN(64, (BigInt.asUintN(64, old) & ~clear) | set);
      if (Atomics.compareExchange(words, at, old, wanted) !== old) continue;
      this.#modified(index);
      if (old !== wanted) this.#flush();
      return BigInt.asUintN(64, old);
    }
  }

  /** Under the lock: the first free entry of the group that `index` is in, or undefined. */
  freeInGroup(index: number): number | undefined {
    const first = index - (index % hpteGroup);
    for (let i = first; i < first + hpteGroup; i++) if (!(this.at(i).v & HpteV.valid)) return i;
    return undefined;
  }

  /** Whether the entry changed since clearModified. */
  isModified(index: number): boolean {
    return ((this.#memory.load(this.#bitAt(index)) >>> (index & 31)) & 1) === 1;
  }

  clearModified(index: number): void {
    this.#memory.and(this.#bitAt(index), ~(1 << (index & 31)));
  }

  /**
   * Under the lock: copies the bolted entries into `next`, where the hash of another size puts them. False: two of them
   * want one place. Others are the guest's to make again.
   */
  rehashInto(next: HptPlace): boolean {
    const memory = this.#memory;
    const { order = 0 } = this.table ?? {};
    const oldMask = BigInt(2 ** (order - 7) - 1);
    const newMask = BigInt(2 ** (next.order - 7) - 1);
    memory.bytes(next.address, tableBytes(next.order)).fill(0);
    memory.bytes(next.address + tableBytes(next.order), bitmapBytes(next.order)).fill(0xff);
    for (let index = 0; index < this.size; index++) {
      const entry = this.at(index);
      if (!(entry.v & HpteV.valid && entry.v & HpteV.bolted)) continue;
      const group = Number(groupAfter(entry, BigInt(Math.floor(index / hpteGroup)), oldMask, newMask));
      const to = next.address / 8 + (group * hpteGroup + (index % hpteGroup)) * 2;
      const words = memory.i64s;
      if ((words[to] ?? 0n) & HpteV.valid) return false;
      words[to] = BigInt.asIntN(64, entry.v);
      words[to + 1] = BigInt.asIntN(64, entry.r);
    }
    return true;
  }

  #modified(index: number): void {
    this.#memory.or(this.#bitAt(index), 1 << (index & 31));
  }

  /** Address of the word with the entry's bit. */
  #bitAt(index: number): number {
    const { address = 0, order = 0 } = this.table ?? {};
    return address + tableBytes(order) + ((index >>> 5) << 2);
  }

  /** Place in i64s. */
  #word(index: number): number {
    return (this.table?.address ?? 0) / 8 + index * 2;
  }
}

/** Of a group of the old table, the group of the new one: bits of the address that the old hash hid are worked out. */
function groupAfter(entry: Hpte, group: bigint, oldMask: bigint, newMask: bigint): bigint {
  const secondary = (entry.v & HpteV.secondary) !== 0n;
  const pageShift = basePageShift(entry);
  // Low bits of a large page's address are not the hash's.
  const avpn = ((entry.v & HpteV.avpn) >> HpteV.avpnShift) & ~(((1n << pageShift) - 1n) >> 23n);
  const hashed = secondary ? ~group : group;
  const is1T = (entry.v & HpteV.segment1T) !== 0n;
  const vsid = avpn >> (is1T ? 17n : 5n);
  const segment = is1T ? vsid ^ (vsid << 25n) : vsid;
  let offset = (avpn & (is1T ? 0x1ffffn : 0x1fn)) << 23n;
  if (pageShift < 23n) offset |= ((segment ^ hashed) & oldMask) << pageShift;
  const hash = segment ^ (offset >> pageShift);
  return (secondary ? ~hash : hash) & newMask;
}
