/**
 * A machine state as the harness keeps it: one block of bytes, doublewords in the host's (little-endian) order. The same
 * offsets serve the guest program, where doublewords are in the guest's byte order.
 */

/** Where code, window and records lie, in QEMU's process and in our engines alike. */
export const addresses = {
  /** The window of memory that cases may touch. */
  window: 0x80000,
  /** Doubleword: address of the current case's record, for the signal handler. */
  current: 0x90000,
  signalStack: 0xa0000,
  signalStackSize: 0x10000,
  code: 0x100000,
  records: 0x10000000,
} as const;

export const windowSize = 512;

/** Byte offsets in a record. A vector register is its two doublewords, the more significant first. */
export const offsets = {
  gpr: 0,
  vsr: 256,
  cr: 1280,
  xer: 1288,
  lr: 1296,
  ctr: 1304,
  fpscr: 1312,
  /** Address of what ended the case: the instruction that trapped, or 0. */
  trapAddress: 1320,
  /** 16 bytes, as mfvscr gives it. */
  vscr: 1328,
  /** Signal that ended the case (Linux's numbers), or 0. */
  signal: 1344,
  /** Guest program only: address of the next case's code. */
  next: 1352,
  window: 1408,
} as const;

export const recordSize = 1408 + windowSize;

/** Linux's signal numbers, by the program interrupt that stands behind them. */
export const Signal = { none: 0, illegal: 4, trap: 5, bus: 7, float: 8, segment: 11 } as const;

/** One machine state. */
export class State {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes = new Uint8Array(recordSize)) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  copy(): State {
    return new State(this.bytes.slice());
  }

  get(offset: number): bigint {
    return this.view.getBigUint64(offset, true);
  }

  set(offset: number, value: bigint): void {
    this.view.setBigUint64(offset, value, true);
  }

  gpr(n: number): bigint {
    return this.get(offsets.gpr + 8 * n);
  }

  setGpr(n: number, value: bigint): void {
    this.set(offsets.gpr + 8 * n, value);
  }

  vsr(n: number): [bigint, bigint] {
    return [this.get(offsets.vsr + 16 * n), this.get(offsets.vsr + 16 * n + 8)];
  }

  setVsr(n: number, [high, low]: readonly [bigint, bigint]): void {
    this.set(offsets.vsr + 16 * n, high);
    this.set(offsets.vsr + 16 * n + 8, low);
  }

  get window(): Uint8Array {
    return this.bytes.subarray(offsets.window, offsets.window + windowSize);
  }
}
