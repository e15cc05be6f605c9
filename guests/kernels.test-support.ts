/** Kernels for tests of what is done with their files. */
import { gzipSync } from "node:zlib";

/** A bzImage with nothing but its header and what it has packed, by gzip. Source: Linux, Documentation/x86/boot.rst. */
export function bzImageOf(contents: Uint8Array | string): Uint8Array {
  const packed = gzipSync(contents);
  const file = Buffer.alloc(1024 + packed.length);
  file[0x1f1] = 1;
  file.writeUInt16LE(0xaa55, 0x1fe);
  file.write("HdrS", 0x202);
  file.writeUInt16LE(0x20f, 0x206);
  file.writeUInt32LE(packed.length, 0x24c);
  file.set(packed, 1024);
  return file;
}

/** The same header, whose packed bytes nobody can read any more. */
export const damaged = (bzImage: Uint8Array): Uint8Array => Uint8Array.from(bzImage).fill(0xff, 1034, 1040);
