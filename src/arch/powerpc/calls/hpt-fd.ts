/**
 * KVM_PPC_GET_HTAB_FD: the hashed page table as a stream, to move it while the guest runs. Blocks of struct
 * kvm_get_htab_header (index, n_valid, n_invalid; little-endian) with n_valid entries of 16 bytes (big-endian) each.
 * Source: Documentation/virt/kvm/api.rst, "KVM_PPC_GET_HTAB_FD".
 */
import { KvmError } from "../../../base/errors.js";
import { guard } from "../../../base/takes.js";
import type { VmInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { actualPageShift, type Hpt, type Hpte, HpteR, HpteV, pageOf } from "../mmu/hpt.js";
import { storageFits } from "../papr/hpt.js";
import { type GetHtabFd, type HtabFd, KVM_GET_HTAB_BOLTED_ONLY, KVM_GET_HTAB_WRITE } from "../uapi.js";
import { ppcVmOf } from "../vm/ppc-vm.js";
import { htabFdSignatures } from "./signatures.js";

const headerSize = 8;
const entrySize = 16;
/** The header's counts have 16 bits. */
const mostOfAKind = 0xffff;

export function getHtabFd(vm: VmInside, { flags = 0, startIndex = 0n }: GetHtabFd): HtabFd {
  if (flags & ~(KVM_GET_HTAB_BOLTED_ONLY | KVM_GET_HTAB_WRITE)) {
    throw new KvmError("EINVAL", `KVM_PPC_GET_HTAB_FD: unknown flags 0x${flags.toString(16)}`);
  }
  const writes = (flags & KVM_GET_HTAB_WRITE) !== 0;
  const reader = new HtabReader((flags & KVM_GET_HTAB_BOLTED_ONLY) !== 0, startIndex);
  const release = vm.hold();
  let open = true;
  const require = (direction: boolean): void => {
    if (!open) throw new KvmError("EBADF", "the file of the hashed page table is closed");
    if (writes !== direction) {
      throw new KvmError("EBADF", `the file is for ${writes ? "writing" : "reading"}: KVM_GET_HTAB_WRITE says which`);
    }
    vm.requireCurrent();
  };
  const file: HtabFd = {
    read: (buffer) => {
      require(false);
      const { hpt } = ppcVmOf(vm);
      return hpt ? hpt.locked(() => reader.read(hpt, buffer)) : 0;
    },
    write: (buffer) => {
      require(true);
      return write(vm, buffer);
    },
    close: () => {
      if (open) release();
      open = false;
    },
  };
  return guard(file, "htab", htabFdSignatures);
}

/** One reader: first all of the table, then what has changed since. */
class HtabReader {
  readonly #boltedOnly: boolean;
  #next: number;
  #first = true;

  constructor(boltedOnly: boolean, startIndex: bigint) {
    this.#boltedOnly = boltedOnly;
    this.#next = Number(BigInt.asUintN(64, startIndex));
  }

  read(hpt: Hpt, buffer: Uint8Array): number {
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    const { size } = hpt;
    let length = 0;
    let index = this.#next;
    while (index < size && length + headerSize + entrySize <= buffer.length) {
      if (!this.#first) while (index < size && !hpt.isModified(index)) index++;
      const header = length;
      const start = index;
      let at = header + headerSize;
      let valid = 0;
      for (; index < size && valid < mostOfAKind && at + entrySize <= buffer.length; index++, valid++) {
        const entry = this.#take(hpt, index, true);
        if (!entry) break;
        view.setBigUint64(at, entry.v);
        view.setBigUint64(at + 8, entry.r);
        at += entrySize;
      }
      let invalid = 0;
      for (; index < size && invalid < mostOfAKind && this.#take(hpt, index, false); index++) invalid++;
      if (valid + invalid === 0) break;
      view.setUint32(header, start, true);
      view.setUint16(header + 4, valid, true);
      view.setUint16(header + 6, invalid, true);
      length = at;
    }
    if (index >= size) {
      this.#first = false;
      index = 0;
    }
    this.#next = index;
    return length;
  }

  /** The entry, if it is to be told and is of this kind; it then counts as told. */
  #take(hpt: Hpt, index: number, valid: boolean): Hpte | undefined {
    if (!this.#first && !hpt.isModified(index)) return undefined;
    const entry = hpt.at(index);
    const counts = (entry.v & HpteV.valid) !== 0n && (!this.#boltedOnly || (entry.v & HpteV.bolted) !== 0n);
    if (counts !== valid) return undefined;
    hpt.clearModified(index);
    return entry;
  }
}

/** A block at the end that is not whole is left for the next write. */
function write(vm: VmInside, buffer: Uint8Array): number {
  const refuse = (why: string) => new KvmError("EINVAL", `the stream of the hashed page table: ${why}`);
  const ppc = ppcVmOf(vm);
  const { hpt } = ppc;
  if (!hpt) throw refuse("the VM has none; KVM_PPC_ALLOCATE_HTAB comes first");
  if (vm.mem.load(vmLayout.runners) !== 0) throw new KvmError("EBUSY", "a vCPU is running");
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  return hpt.locked(() => {
    let done = 0;
    while (done + headerSize <= buffer.length) {
      const start = view.getUint32(done, true);
      const valid = view.getUint16(done + 4, true);
      const total = valid + view.getUint16(done + 6, true);
      const end = done + headerSize + valid * entrySize;
      if (end > buffer.length) break;
      if (start + total > hpt.size) throw refuse(`the table ends before entry ${start + total}`);
      for (let i = 0; i < total; i++) if (hpt.at(start + i).v & HpteV.valid) hpt.remove(start + i);
      for (let i = 0; i < valid; i++) {
        const at = done + headerSize + i * entrySize;
        const v = view.getBigUint64(at);
        const entry = { v: v & ~HpteV.hypervisor, r: view.getBigUint64(at + 8) & ~HpteR.reserved };
        if (!(v & HpteV.valid)) throw refuse(`entry ${start + i} is not valid`);
        const shift = actualPageShift(entry);
        if (shift === undefined || !storageFits(ppc, pageOf(entry, shift), entry.r)) {
          throw new KvmError("EIO", `entry ${start + i} is none that H_ENTER takes`);
        }
        hpt.fill(start + i, entry);
      }
      done = end;
    }
    return done;
  });
}
