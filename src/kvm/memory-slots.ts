/** Memory slots and the dirty log: what guest physical memory is made of. Source: KVM_SET_USER_MEMORY_REGION. */
import { KvmError } from "../base/errors.js";
import { allocate, type Range } from "./heap.js";
import { memorySlot, vmLayout } from "./layout.js";
import { locked } from "./lock.js";
import type { VmMemory } from "./memory.js";
import type { MissingPages } from "./missing-pages.js";
import { vmState } from "./state.js";
import {
  KVM_DIRTY_LOG_INITIALLY_SET,
  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
  type MemoryRegion,
} from "./uapi.js";

const { offset: field } = memorySlot;
const page = BigInt(vmLayout.pageSize);

export interface Slot {
  readonly slot: number;
  readonly base: bigint;
  readonly size: bigint;
  readonly address: number;
  readonly flags: number;
  /** Address of the dirty bitmap, 0 for none. */
  readonly bitmap: number;
}

export class MemorySlots {
  readonly #memory: VmMemory;
  readonly #missing: Pick<MissingPages, "need">;
  readonly #changed: () => void;
  readonly #noted: (slot: number, page: number) => void;

  /**
   * `changed` returns when no vCPU uses what was before. `noted` is told each page that the kernel side writes and whose
   * bit in the dirty log was 0.
   */
  constructor(
    memory: VmMemory,
    missing: Pick<MissingPages, "need">,
    changed: () => void,
    noted: (slot: number, page: number) => void,
  ) {
    this.#memory = memory;
    this.#missing = missing;
    this.#changed = changed;
    this.#noted = noted;
  }

  set(region: MemoryRegion): void {
    check(region, vmLayout.slotMax);
    const { slot, guestPhysAddr: base, memorySize: size, userspaceAddr: address, flags = 0 } = region;
    const memory = this.#memory;
    locked(memory, vmState.lock, () => {
      const slots = this.list();
      const old = slots.find((candidate) => candidate.slot === slot);
      const others = slots.filter((candidate) => candidate !== old);
      if (size === 0n) {
        if (!old) throw new KvmError("EINVAL", `slot ${slot} is deleted but does not exist`);
        this.#write(others);
        return;
      }
      if (address % vmLayout.pageSize !== 0) {
        throw new KvmError("EINVAL", `the backing's address is no multiple of ${vmLayout.pageSize}`);
      }
      memory.bytes(address, Number(size));
      if (old) {
        if (old.size !== size || old.address !== address || (old.flags ^ flags) & KVM_MEM_READONLY) {
          throw new KvmError("EINVAL", `slot ${slot} cannot change its size, backing or READONLY; delete it first`);
        }
        if (old.base === base && old.flags === flags) return;
      } else if (slots.length >= vmLayout.slotMax) {
        throw new KvmError("EINVAL", `a VM has at most ${vmLayout.slotMax} memory slots`);
      }
      const overlapped = others.find((other) => base < other.base + other.size && other.base < base + size);
      if (overlapped) {
        throw new KvmError("EEXIST", `slot ${slot} would overlap slot ${overlapped.slot}`);
      }
      const bitmap = flags & KVM_MEM_LOG_DIRTY_PAGES ? old?.bitmap || this.#newBitmap(size) : 0;
      this.#write([...others, { slot, base, size, address, flags, bitmap }]);
    });
    this.#changed();
  }

  /** The slots by ascending base. */
  list(): Slot[] {
    const memory = this.#memory;
    return Array.from({ length: memory.i32(vmLayout.slotCount) }, (_, index) => this.#read(index));
  }

  #read(index: number): Slot {
    const memory = this.#memory;
    const at = vmLayout.slots + index * vmLayout.slotSize;
    return {
      base: memory.u64(at + field.base),
      size: memory.u64(at + field.size),
      address: memory.u32(at + field.address),
      flags: memory.i32(at + field.flags),
      bitmap: memory.u32(at + field.bitmap),
      slot: memory.i32(at + field.slot),
    };
  }

  /** Where `length` bytes of guest physical memory lie, which are there, or undefined if not in one slot. */
  find(base: bigint, length: number): { readonly address: number; readonly slot: Slot } | undefined {
    const found = this.#at(base, length);
    if (found) this.#missing.need(found.address, length);
    return found;
  }

  /** The same, there or missing. */
  #at(base: bigint, length: number): ReturnType<MemorySlots["find"]> {
    const memory = this.#memory;
    // Handlers of hypercalls come here often: nothing is made for slots that do not match.
    for (let index = 0, count = memory.i32(vmLayout.slotCount); index < count; index++) {
      const at = vmLayout.slots + index * vmLayout.slotSize;
      const offset = base - memory.u64(at + field.base);
      if (offset < 0n || offset + BigInt(length) > memory.u64(at + field.size)) continue;
      return { address: memory.u32(at + field.address) + Number(offset), slot: this.#read(index) };
    }
    return undefined;
  }

  /** Notes a write by the kernel side. */
  markDirty(slot: Slot, base: bigint, length: number): void {
    if (!slot.bitmap) return;
    const first = Number((base - slot.base) / page);
    const last = Number((base + BigInt(length) - 1n - slot.base) / page);
    for (let index = first; index <= last; index++) {
      const bit = 1 << (index & 31);
      if (!(this.#memory.or(slot.bitmap + ((index >>> 5) << 2), bit) & bit)) this.#noted(slot.slot, index);
    }
  }

  /** The page is to be noted when it is written next. Nothing happens if the slot has no such page, or no log. */
  clearDirty(slot: Slot, index: bigint): void {
    if (!slot.bitmap || index < 0n || index >= slot.size / page) return;
    const bit = Number(index);
    this.#memory.and(slot.bitmap + ((bit >>> 5) << 2), ~(1 << (bit & 31)));
  }

  /** Notes a write from outside, which may go over several slots. EFAULT if part of it is no memory. */
  written(base: bigint, length: number): void {
    if (!(Number.isSafeInteger(length) && length >= 0)) throw new KvmError("EINVAL", `${length} is no number of bytes`);
    if (length === 0) return;
    // Devices come here often: most of it lies in one slot.
    const whole = this.#at(base, length);
    if (whole) {
      this.markDirty(whole.slot, base, length);
      return;
    }
    const end = base + BigInt(length);
    const parts: [Slot, bigint, number][] = [];
    let at = base;
    for (const slot of this.list()) {
      if (at >= end || slot.base > at) break;
      const slotEnd = slot.base + slot.size;
      if (slotEnd <= at) continue;
      const partEnd = slotEnd < end ? slotEnd : end;
      parts.push([slot, at, Number(partEnd - at)]);
      at = partEnd;
    }
    if (at < end) throw new KvmError("EFAULT", `there is no memory at guest physical address 0x${at.toString(16)}`);
    for (const part of parts) this.markDirty(...part);
  }

  getDirtyLog(number: number): Uint8Array {
    const memory = this.#memory;
    const slot = this.#logged(number);
    const keep = memory.i32(vmState.manualDirtyLog) & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
    const words = bitmapBytes(slot.size) / 4;
    const copy = new Int32Array(words);
    let any = false;
    for (let i = 0; i < words; i++) {
      const at = slot.bitmap + 4 * i;
      const bits = keep ? memory.load(at) : memory.load(at) && memory.exchange(at, 0);
      copy[i] = bits;
      any ||= bits !== 0;
    }
    // A vCPU that may write without asking would not be seen again.
    if (any && !keep) this.#changed();
    return new Uint8Array(copy.buffer);
  }

  clearDirtyLog(range: { slot: number; firstPage: bigint; numPages: number; bitmap: Uint8Array }): void {
    const slot = this.#logged(range.slot);
    const pages = slot.size / page;
    if (!Number.isSafeInteger(range.numPages)) throw new KvmError("EINVAL", `${range.numPages} is no number of pages`);
    const end = range.firstPage + BigInt(range.numPages);
    if (range.firstPage < 0n || range.numPages < 0 || end > pages) {
      throw new KvmError("EINVAL", `pages ${range.firstPage} to ${end} are not all in slot ${range.slot}`);
    }
    if (range.firstPage % 64n !== 0n || (range.numPages % 64 !== 0 && end !== pages)) {
      throw new KvmError("EINVAL", "the range must begin and end at multiples of 64 pages or at the slot's end");
    }
    if (range.bitmap.length * 8 < range.numPages) throw new KvmError("EFAULT", "the bitmap is too short");
    for (let i = 0; i < range.numPages; i++) {
      if (!(((range.bitmap[i >>> 3] ?? 0) >>> (i & 7)) & 1)) continue;
      const index = Number(range.firstPage) + i;
      this.#memory.and(slot.bitmap + ((index >>> 5) << 2), ~(1 << (index & 31)));
    }
    this.#changed();
  }

  #logged(number: number): Slot {
    const { dirtyRingBytes, dirtyRingBitmap } = vmState;
    if (this.#memory.load(dirtyRingBytes) !== 0 && this.#memory.load(dirtyRingBitmap) === 0) {
      throw new KvmError(
        "ENXIO",
        "the VM has dirty rings; KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP lets bitmaps be read too",
      );
    }
    const slot = this.list().find((candidate) => candidate.slot === number);
    if (!slot?.bitmap) throw new KvmError("ENOENT", `slot ${number} does not exist or does not log dirty pages`);
    return slot;
  }

  #newBitmap(size: bigint): number {
    const bytes = bitmapBytes(size);
    // It stays where it is when the VM moves.
    const address = allocate(this.#memory, bytes, 64, { lowest: vmLayout.userStart });
    if (this.#memory.i32(vmState.manualDirtyLog) & KVM_DIRTY_LOG_INITIALLY_SET) {
      for (let index = 0; index < Number(size / page); index++) {
        this.#memory.or(address + ((index >>> 5) << 2), 1 << (index & 31));
      }
    }
    return address;
  }

  /** Puts back what `list` gave, with bitmaps that are there. */
  restore(slots: readonly Slot[]): void {
    for (const { slot, base, size, flags, address, bitmap } of slots) {
      // An older version took every number of 16 bits.
      check({ slot, flags, guestPhysAddr: base, memorySize: size, userspaceAddr: address }, 0x10000);
      this.#memory.bytes(address, Number(size));
      this.#memory.bytes(bitmap, bitmap === 0 ? 0 : bitmapBytes(size));
    }
    this.#write(slots);
  }

  /** What of the VM's memory dirty bitmaps take. */
  bitmaps(): Range[] {
    const logged = this.list().filter(({ bitmap }) => bitmap !== 0);
    return logged.map(({ bitmap, size }) => ({ address: bitmap, bytes: bitmapBytes(size) }));
  }

  #write(slots: readonly Slot[]): void {
    const memory = this.#memory;
    memory.add(vmLayout.slotsGeneration, 1);
    const sorted = [...slots].sort((a, b) => (a.base < b.base ? -1 : 1));
    for (const [index, { base, size, address, flags, bitmap, slot }] of sorted.entries()) {
      const at = vmLayout.slots + index * vmLayout.slotSize;
      memory.setI64(at + field.base, base);
      memory.setI64(at + field.size, size);
      memory.setI32(at + field.address, address);
      memory.setI32(at + field.flags, flags);
      memory.setI32(at + field.bitmap, bitmap);
      memory.setI32(at + field.slot, slot);
    }
    memory.store(vmLayout.slotCount, sorted.length);
    memory.add(vmLayout.slotsGeneration, 1);
  }
}

/** Bytes of the bitmap of a slot: whole 64-bit words. */
const bitmapBytes = (size: bigint): number => Number((size / page + 63n) / 64n) * 8;

function check({ slot, flags = 0, guestPhysAddr: base, memorySize: size }: MemoryRegion, slots: number): void {
  if (!(Number.isInteger(slot) && slot >= 0 && slot < slots)) {
    throw new KvmError("EINVAL", `slot ${slot}: there is one address space with slots 0 to ${slots - 1}`);
  }
  if (flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)) {
    throw new KvmError("EINVAL", `slot ${slot}: unknown flags 0x${flags.toString(16)}`);
  }
  if (base < 0n || size < 0n || base % page !== 0n || size % page !== 0n) {
    throw new KvmError("EINVAL", `slot ${slot}: base and size must be multiples of ${page}`);
  }
  if (base + size > 1n << 64n) throw new KvmError("EINVAL", `slot ${slot} wraps around the end of the address space`);
}
