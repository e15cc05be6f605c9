/** A big-endian kernel in the rough: what lies in memory from `start` on, and how it begins to run translated. */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";

export const start = 0x100000;

/** Bits of radix entries (Power ISA v3.0B, Book III "Radix Tree Translation"). */
export const valid = 1n << 63n;
export const leaf = 1n << 62n;
export const rights = 0x18fn;

export class KernelImage {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** @param end address behind its last byte. */
  constructor(end: number) {
    this.bytes = new Uint8Array(end - start);
    this.#view = new DataView(this.bytes.buffer);
  }

  double(at: number, value: bigint): void {
    this.#view.setBigUint64(at - start, value);
  }

  text(at: number, source: string): void {
    this.bytes.set(assemble(source, { littleEndian: false, origin: BigInt(at) }).bytes, at - start);
  }

  /** The process table's entry of a process: its root, with levels of 13, 9, 9 and 9 bits. */
  process(table: number, process: number, root: number): void {
    this.double(table + 16 * process, (2n << 61n) | (5n << 5n) | BigInt(root) | 13n);
  }

  /** At `start`: registers the process table and goes on at an effective address with these bits of the MSR. */
  begin(table: number, ea: number, msr: number): void {
    this.text(
      start,
      `
      li 3,0x37c
      li 4,0
      lis 5,${table >>> 16}
      li 6,0
      li 7,4
      sc 1
      lis 4,${ea >>> 16}
      ori 4,4,${ea & 0xffff}
      mtspr 26,4
      mfmsr 5
      ori 5,5,${msr}
      mtspr 27,5
      rfid
      `,
    );
  }
}
