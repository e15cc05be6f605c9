/** A VM's WebAssembly memory seen from TypeScript, with views that follow its growth. */
import { KvmError } from "../base/errors.js";
import { mayFail } from "../base/fault.js";

const wasmPage = 65536;

/** Whether this platform gives shared memory (a page needs cross-origin isolation). */
export function platformShares(): boolean {
  if (typeof SharedArrayBuffer === "undefined") return false;
  return (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;
}

let mayBlock: boolean | undefined;

/** Whether this thread may wait (the main thread of a page may not). */
export function canBlock(): boolean {
  if (mayBlock === undefined) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
      mayBlock = true;
    } catch {
      mayBlock = false;
    }
  }
  return mayBlock;
}

export class VmMemory {
  readonly wasm: WebAssembly.Memory;
  readonly shared: boolean;
  #buffer: ArrayBufferLike;
  #i32: Int32Array;
  #i64: BigInt64Array;
  #f64: Float64Array;
  #u8: Uint8Array;

  constructor(wasm: WebAssembly.Memory) {
    this.wasm = wasm;
    this.#buffer = wasm.buffer;
    this.shared = !(this.#buffer instanceof ArrayBuffer);
    this.#i32 = new Int32Array(this.#buffer);
    this.#i64 = new BigInt64Array(this.#buffer);
    this.#f64 = new Float64Array(this.#buffer);
    this.#u8 = new Uint8Array(this.#buffer);
  }

  /** Memory that can grow to `limit` bytes. ENOMEM: no address space. EOPNOTSUPP: shared, and the platform cannot. */
  static create(initial: number, limit: number, shared: boolean): VmMemory {
    if (shared && !platformShares()) {
      throw new KvmError("EOPNOTSUPP", "this platform has no shared memory (a page needs cross-origin isolation)");
    }
    mayFail("WebAssembly.Memory");
    const descriptor = { initial: Math.ceil(initial / wasmPage), maximum: Math.floor(limit / wasmPage), shared };
    try {
      return new VmMemory(new WebAssembly.Memory(descriptor));
    } catch (cause) {
      throw new KvmError("ENOMEM", `no address space for a memory of up to ${limit} bytes; ask for less`, { cause });
    }
  }

  /** To ask the memory for its buffer takes as long as ten accesses: it is only asked where the views may be too short. */
  #refresh(): void {
    const buffer = this.wasm.buffer;
    if (buffer === this.#buffer) return;
    this.#buffer = buffer;
    this.#i32 = new Int32Array(buffer);
    this.#i64 = new BigInt64Array(buffer);
    this.#f64 = new Float64Array(buffer);
    this.#u8 = new Uint8Array(buffer);
  }

  get i32s(): Int32Array {
    this.#refresh();
    return this.#i32;
  }
  get i64s(): BigInt64Array {
    this.#refresh();
    return this.#i64;
  }
  get u8s(): Uint8Array {
    this.#refresh();
    return this.#u8;
  }
  get byteLength(): number {
    return this.wasm.buffer.byteLength;
  }

  // Views that reach so far. Those of a memory that has grown are shorter: where it is not shared, they have nothing.
  #reach(address: number): void {
    if (address < this.#u8.length) return;
    this.#refresh();
    if (address < this.#u8.length || !this.shared) return;
    // Engines tell each thread that another has made the memory longer when it next runs. Some forget one that had nothing to do
    // (Deno 2.9), until it grows the memory itself.
    this.wasm.grow(0);
    this.#refresh();
  }
  #words(address: number): Int32Array {
    this.#reach(address);
    return this.#i32;
  }

  // Plain accesses: what one thread owns. Addresses are bytes, aligned to the size.
  i32(address: number): number {
    return this.#words(address)[address >>> 2] ?? 0;
  }
  setI32(address: number, value: number): void {
    this.#words(address)[address >>> 2] = value;
  }
  u32(address: number): number {
    return this.i32(address) >>> 0;
  }
  i64(address: number): bigint {
    this.#reach(address);
    return this.#i64[address / 8] ?? 0n;
  }
  u64(address: number): bigint {
    return BigInt.asUintN(64, this.i64(address));
  }
  setI64(address: number, value: bigint): void {
    this.#reach(address);
    this.#i64[address / 8] = value;
  }
  f64(address: number): number {
    this.#reach(address);
    return this.#f64[address / 8] ?? 0;
  }
  setF64(address: number, value: number): void {
    this.#reach(address);
    this.#f64[address / 8] = value;
  }
  /** Counts up. */
  increment(address: number): void {
    this.setI32(address, this.i32(address) + 1);
  }

  // Atomic accesses: where two threads meet.
  load(address: number): number {
    return Atomics.load(this.#words(address), address >>> 2);
  }
  store(address: number, value: number): void {
    Atomics.store(this.#words(address), address >>> 2, value);
  }
  add(address: number, value: number): number {
    return Atomics.add(this.#words(address), address >>> 2, value);
  }
  or(address: number, bits: number): number {
    return Atomics.or(this.#words(address), address >>> 2, bits);
  }
  and(address: number, bits: number): number {
    return Atomics.and(this.#words(address), address >>> 2, bits);
  }
  exchange(address: number, value: number): number {
    return Atomics.exchange(this.#words(address), address >>> 2, value);
  }
  compareExchange(address: number, expected: number, value: number): number {
    return Atomics.compareExchange(this.#words(address), address >>> 2, expected, value);
  }
  notify(address: number, count?: number): void {
    if (this.shared) Atomics.notify(this.#words(address), address >>> 2, count);
  }
  /** Waits while the word is `value`, at most `timeout` ms. Only on shared memory, on a thread that may block. */
  wait(address: number, value: number, timeout: number): void {
    Atomics.wait(this.#words(address), address >>> 2, value, timeout);
  }

  /** EFAULT if it does not lie inside. */
  bytes(address: number, length: number): Uint8Array {
    const end = address + length;
    this.#reach(end - 1);
    if (
      !(Number.isInteger(address) && Number.isInteger(length) && address >= 0 && length >= 0 && end <= this.#u8.length)
    ) {
      throw new KvmError("EFAULT", `${length} bytes at ${address} do not lie in the VM's memory of ${this.#u8.length}`);
    }
    return this.#u8.subarray(address, end);
  }

  /** Makes the memory at least `length` bytes long. ENOMEM if it may not or cannot. */
  ensure(length: number): void {
    const missing = length - this.byteLength;
    if (missing <= 0) return;
    try {
      this.wasm.grow(Math.ceil(missing / wasmPage));
    } catch (cause) {
      throw new KvmError(
        "ENOMEM",
        `the VM's memory cannot grow to ${length} bytes: beyond its limit, or the platform refuses`,
        { cause },
      );
    }
    this.#refresh();
  }
}
