/**
 * Non-volatile memory of a pSeries partition: 64 KiB that RTAS calls read and write.
 * A new one holds two partitions, so that Linux finds room for its logs.
 * Source: LoPAPR, "NVRAM"; CHRP System Architecture, "NVRAM Partitions".
 */

import { KvmError } from "../../base/errors.js";
import { bytes, guard, type Signatures, size } from "../../base/takes.js";

export const nvramSize = 65536;
const blockSize = 16;
const signatureCommon = 0x70;
const signatureFree = 0x7f;
const commonSize = 4096;

/** Non-volatile memory: 64 KiB, which outlive a reboot. */
export class Nvram {
  static {
    const signatures = { fetch: { offset: size, length: size }, store: { offset: size, bytes }, save: {} };
    guard(Nvram.prototype, "nvram", signatures satisfies Signatures<Nvram>);
  }

  readonly #bytes: Uint8Array;

  /** `contents` is what an earlier `save` gave. EINVAL: it is not. */
  constructor(contents: Uint8Array = formatted()) {
    bytes(contents, "new Nvram", "contents");
    if (contents.length !== nvramSize) {
      throw new KvmError("EINVAL", `an NVRAM has ${nvramSize} bytes, not ${contents.length}`);
    }
    this.#bytes = contents.slice();
  }

  /** Bytes from `offset`, or undefined if they do not all lie inside. */
  fetch(offset: number, length: number): Uint8Array | undefined {
    return offset + length > nvramSize ? undefined : this.#bytes.slice(offset, offset + length);
  }

  /** False if the bytes do not all fit. */
  store(offset: number, bytes: Uint8Array): boolean {
    if (offset + bytes.length > nvramSize) return false;
    this.#bytes.set(bytes, offset);
    return true;
  }

  /** Its contents: the constructor makes one from them that has these. */
  save(): Uint8Array {
    return this.#bytes.slice();
  }
}

function formatted(): Uint8Array {
  const bytes = new Uint8Array(nvramSize);
  writePartition(bytes, 0, signatureCommon, commonSize, "common");
  writePartition(bytes, commonSize, signatureFree, nvramSize - commonSize, "wwwwwwwwwwww");
  return bytes;
}

/** A partition's header: signature, checksum, length in blocks of 16, name. */
function writePartition(bytes: Uint8Array, at: number, signature: number, size: number, name: string): void {
  const header = bytes.subarray(at, at + blockSize);
  header[0] = signature;
  new DataView(bytes.buffer).setUint16(at + 2, size / blockSize);
  header.set(new TextEncoder().encode(name).subarray(0, 12), 4);
  let sum = 0;
  for (const byte of header) {
    sum += byte;
    if (sum > 255) sum = (sum & 255) + 1;
  }
  header[1] = sum;
}
