/**
 * A device to learn and to test with: a few registers, a buffer, DMA between the buffer and memory, and four interrupts by
 * pin, MSI or MSI-X. docs/how-to-add-a-device.md walks through it.
 *
 * BAR 0, registers of 32 bits:
 *
 * | offset | |
 * |---|---|
 * | 0x00 | identification, read only |
 * | 0x04 | liveness: reads the complement of what was written |
 * | 0x08 | interrupts asserted, one bit each, read only |
 * | 0x0c | writing 1 bits takes these interrupts back |
 * | 0x10 | writing 1 bits asserts these interrupts |
 * | 0x20, 0x24 | DMA: bus address, lower and upper half |
 * | 0x28 | DMA: offset in the buffer |
 * | 0x2c | DMA: number of bytes |
 * | 0x30 | writing starts DMA: 1 memory to buffer, 2 buffer to memory; and bit 8: assert interrupt 0 when done |
 * | 0x34 | how the last DMA ended, read only: 0 well, 1 fault, 2 the buffer does not reach so far, or no such command |
 *
 * BAR 1 holds MSI-X's table and pending bits, BAR 2 (64-bit, prefetchable) the buffer.
 */
import { KvmError } from "../../../base/errors.js";
import { bytesOf, having, listOf } from "../../../base/takes.js";
import type { PciBus, PciDevice } from "./device.js";

export const eduRegister = {
  identification: 0x00,
  liveness: 0x04,
  interruptStatus: 0x08,
  interruptAcknowledge: 0x0c,
  interruptRaise: 0x10,
  dmaAddressLow: 0x20,
  dmaAddressHigh: 0x24,
  dmaOffset: 0x28,
  dmaLength: 0x2c,
  dmaCommand: 0x30,
  dmaResult: 0x34,
} as const;

export const eduIdentification = 0x756b_0001;
export const eduBufferSize = 0x1_0000;
const messages = 4;
const registerBar = 0;
const bufferBar = 2;

export const EduDma = { toBuffer: 1, toMemory: 2, interrupt: 0x100 } as const;
export const EduResult = { done: 0, fault: 1, refused: 2 } as const;

/** All that outlives an access. */
export interface EduState {
  /** By their offset in BAR 0. */
  readonly registers: readonly (readonly [register: number, value: number])[];
  readonly buffer: Uint8Array;
}

const kept: ReadonlySet<number> = new Set([
  ...[eduRegister.liveness, eduRegister.interruptStatus, eduRegister.dmaAddressLow, eduRegister.dmaAddressHigh],
  ...[eduRegister.dmaOffset, eduRegister.dmaLength, eduRegister.dmaResult],
]);

const eduState = having({
  registers: listOf((pair, call, name) => {
    const [register, value] = Array.isArray(pair) ? (pair as unknown[]) : [];
    const most = register === eduRegister.interruptStatus ? 2 ** messages - 1 : 0xffff_ffff;
    if (kept.has(register as number) && Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most)
      return;
    throw new KvmError(
      "EINVAL",
      `${call}: ${name} is [${String(register)}, ${String(value)}], no register and its value`,
    );
  }),
  buffer: bytesOf(eduBufferSize),
});

export class EduDevice implements PciDevice {
  // Vendor 0x1234 is nobody's; its other known user is QEMU.
  readonly identity = { vendorId: 0x1234, deviceId: 0x756b, classCode: 0xff_0000, revision: 1 } as const;
  readonly bars = [
    { kind: "memory32", size: 0x1000 },
    { kind: "memory32", size: 0x1000 },
    { kind: "memory64", size: eduBufferSize, prefetchable: true },
  ] as const;
  readonly interrupts = {
    intx: true,
    msi: messages,
    msix: { vectors: messages, table: { bar: 1, offset: 0 }, pba: { bar: 1, offset: 0x800 } },
  } as const;
  #bus: PciBus | undefined;
  readonly #registers: Map<number, number>;
  readonly #buffer: Uint8Array;

  /** `state` is what an earlier `save` gave. EINVAL: it is not. */
  constructor(state: EduState = { registers: [], buffer: new Uint8Array(eduBufferSize) }) {
    eduState(state, "new EduDevice", "state");
    this.#registers = new Map(state.registers);
    this.#buffer = state.buffer.slice();
  }

  connect(bus: PciBus): void {
    this.#bus = bus;
  }

  disconnect(): void {
    this.#bus = undefined;
  }

  reset(): void {
    this.#registers.clear();
    this.#buffer.fill(0);
  }

  read(bar: number, offset: number, length: number): bigint {
    if (bar === bufferBar) {
      const bytes = this.#buffer.subarray(offset, offset + length);
      return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
    }
    if (bar !== registerBar || length !== 4) return 0n;
    switch (offset) {
      case eduRegister.identification:
        return BigInt(eduIdentification);
      case eduRegister.liveness:
        return BigInt(~this.#get(offset) >>> 0);
      default:
        return BigInt(this.#get(offset));
    }
  }

  write(bar: number, offset: number, length: number, value: bigint): void {
    if (bar === bufferBar) {
      for (let i = 0; i < length; i++) this.#buffer[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      return;
    }
    if (bar !== registerBar || length !== 4) return;
    const word = Number(value);
    switch (offset) {
      case eduRegister.interruptRaise:
        this.#raise(word);
        break;
      case eduRegister.interruptAcknowledge:
        this.#setStatus(this.#get(eduRegister.interruptStatus) & ~word);
        break;
      case eduRegister.dmaCommand:
        this.#registers.set(eduRegister.dmaResult, this.#dma(word & ~EduDma.interrupt));
        if (word & EduDma.interrupt) this.#raise(1);
        break;
      case eduRegister.liveness:
      case eduRegister.dmaAddressLow:
      case eduRegister.dmaAddressHigh:
      case eduRegister.dmaOffset:
      case eduRegister.dmaLength:
        this.#registers.set(offset, word);
        break;
      default:
    }
  }

  save(): EduState {
    return { registers: [...this.#registers], buffer: this.#buffer.slice() };
  }

  #get(register: number): number {
    return this.#registers.get(register) ?? 0;
  }

  /** Interrupt n is message n. */
  #raise(bits: number): void {
    this.#setStatus(this.#get(eduRegister.interruptStatus) | bits);
    for (let vector = 0; vector < messages; vector++) if ((bits >>> vector) & 1) this.#bus?.message(vector);
  }

  #setStatus(bits: number): void {
    const status = bits & (2 ** messages - 1);
    this.#registers.set(eduRegister.interruptStatus, status);
    this.#bus?.setIntx(status !== 0);
  }

  #dma(command: number): number {
    const offset = this.#get(eduRegister.dmaOffset);
    const length = this.#get(eduRegister.dmaLength);
    if (offset + length > eduBufferSize) return EduResult.refused;
    const address =
      (BigInt(this.#get(eduRegister.dmaAddressHigh)) << 32n) | BigInt(this.#get(eduRegister.dmaAddressLow));
    const bytes = this.#buffer.subarray(offset, offset + length);
    if (command === EduDma.toBuffer) return this.#bus?.read(address, bytes) ? EduResult.done : EduResult.fault;
    if (command === EduDma.toMemory) return this.#bus?.write(address, bytes) ? EduResult.done : EduResult.fault;
    return EduResult.refused;
  }
}
