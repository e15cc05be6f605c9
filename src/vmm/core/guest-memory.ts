import { KvmError } from "../../kvm/uapi.js";

/** Which way bytes go: "read", out of the memory; "write", into it. */
export type MemoryWay = "read" | "write";

/** Is given bytes where they lie, as a view that is not to be kept, and how many came before: it reads them, or fills them. */
export type VisitMemory = (memory: Uint8Array, done: number) => void;

/** Guest physical memory as the user side reads and writes it: every address is the guest's and therefore checked. */
export class GuestMemory {
  /** Bytes of RAM, from guest physical address 0 on. */
  readonly size: number;
  readonly #bytes: (address: number, length: number) => Uint8Array;
  readonly #written: (address: number, length: number) => void;

  /**
   * `bytes` gives a fresh view of RAM; it is only asked for what lies inside. `written` is told of what was written here, for
   * the VM's `guestWritten`: who writes to a view tells it too.
   */
  constructor(
    size: number,
    bytes: (address: number, length: number) => Uint8Array,
    written: (address: number, length: number) => void = () => undefined,
  ) {
    this.size = size;
    this.#bytes = bytes;
    this.#written = written;
  }

  /** RAM of its own, for tests. */
  static standalone(size: number): GuestMemory {
    const ram = new Uint8Array(size);
    return new GuestMemory(size, (address, length) => ram.subarray(address, address + length));
  }

  /** A view of `length` bytes, or undefined if they do not all lie in RAM. Not to be kept: memory may grow. */
  view(address: number, length: number): Uint8Array | undefined {
    if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length)) return undefined;
    if (address < 0 || length < 0 || address + length > this.size) return undefined;
    return this.#bytes(address, length);
  }

  /** A view of what RAM surely has. Throws KvmError, EFAULT: not all of it lies there. */
  viewOf(address: number, length: number): Uint8Array {
    const bytes = this.view(address, length);
    if (bytes) return bytes;
    throw new KvmError("EFAULT", `RAM has not ${length} bytes at ${address}`);
  }

  /** A copy, safe from what the guest's other CPUs write meanwhile. */
  read(address: number, length: number): Uint8Array | undefined {
    return this.view(address, length)?.slice();
  }

  /** False, and nothing written, if the bytes do not all lie in RAM. */
  write(address: number, bytes: Uint8Array): boolean {
    return this.visit(address, bytes.length, "write", (view) => view.set(bytes));
  }

  /** Calls `visit` with a view that it reads or, with `way` "write", fills. False: the bytes do not all lie in RAM. */
  visit(address: number, length: number, way: MemoryWay, visit: VisitMemory): boolean {
    const view = this.view(address, length);
    if (!view) return false;
    try {
      visit(view, 0);
    } finally {
      if (way === "write") this.written(address, length);
    }
    return true;
  }

  /** What was written into a view. */
  written(address: number, length: number): void {
    if (length > 0) this.#written(address, length);
  }
}
