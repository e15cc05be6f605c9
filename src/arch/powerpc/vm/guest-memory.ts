/** Guest physical memory as the kernel side's handlers read and write it: big-endian, bounds checked, dirty-logged. */
import { byteSwap32 } from "../../../base/bits.js";
import { KVM_MEM_READONLY } from "../../../kvm/constants.js";
import type { VmInside } from "../../../kvm/inside.js";
import { dropCode } from "./translations.js";

export class GuestMemory {
  readonly #vm: VmInside;

  constructor(vm: VmInside) {
    this.#vm = vm;
  }

  /** A view of `length` bytes, or undefined if they are not RAM (all in one slot). */
  read(address: bigint, length: number): DataView | undefined {
    const found = this.#vm.slots.find(address, length);
    return found && this.#view(found.address, length);
  }

  /**
   * Has `work` write there; false, and nothing done, if it is not RAM that can be written. Noted afterwards: who takes the
   * dirty log meanwhile copies what was there before, and is to find the page in the next.
   */
  write(address: bigint, length: number, work: (view: DataView) => void): boolean {
    const found = this.#writable(address, length);
    if (!found) return false;
    try {
      work(this.#view(found.address, length));
    } finally {
      this.#vm.slots.markDirty(found.slot, address, length);
    }
    return true;
  }

  /** Stores a word at an address that is a multiple of 4, all of it at once. False: there is no memory to write. */
  storeWord(address: bigint, word: number): boolean {
    const found = this.#writable(address, 4);
    if (!found) return false;
    this.#vm.mem.store(found.address, byteSwap32(word));
    this.#vm.slots.markDirty(found.slot, address, 4);
    return true;
  }

  isWritable(address: bigint, length: number): boolean {
    return this.#writable(address, length) !== undefined;
  }

  #writable(address: bigint, length: number) {
    const found = this.#vm.slots.find(address, length);
    return found && !(found.slot.flags & KVM_MEM_READONLY) ? found : undefined;
  }

  /** After bytes were written that may be code: when it returns, no vCPU runs what was there before. */
  codeWritten(address: bigint, length: number): void {
    dropCode(this.#vm, address, BigInt(length));
  }

  #view(address: number, length: number): DataView {
    return new DataView(this.#vm.mem.wasm.buffer, address, length);
  }
}
