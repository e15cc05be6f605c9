/** A module's file on disk: only the parts that are asked for are read, unless it has to be unpacked. */
import { closeSync, readSync } from "node:fs";
import { openRegular, readAll } from "../../base/node/regular-file.js";
import { type ByteSource, bytesSource } from "../elf/bytes.js";
import { ModuleFileError } from "../elf/elf-file.js";
import { ElfModule } from "../elf/elf-module.js";
import { decompress, isCompressed, magicLength, maxModuleSize } from "./decompress.js";

/** Up to this size a file is read at once: quicker than in parts. */
const wholeUpTo = 64 * 1024;

/** Bytes of an open file. Throws the file system's error, or EINVAL if the file has become shorter. */
function fileSource(fd: number, size: number): ByteSource {
  const read = (offset: number, length: number): Uint8Array => {
    const buffer = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const count = readSync(fd, buffer, done, length - done, offset + done);
      if (count === 0) throw new ModuleFileError("EINVAL", "the file ends early");
      done += count;
    }
    return buffer;
  };
  return size <= wholeUpTo ? bytesSource(read(0, size)) : { size, read };
}

/** Reads a module's file: `use` gets it while it is open. Throws ModuleFileError or as openRegular. */
export async function withModule<T>(path: string, use: (module: ElfModule) => T): Promise<T> {
  return withSource(path, (source) => use(new ElfModule(source)));
}

/** The same, with the whole file, unpacked. */
export async function withModuleBytes<T>(path: string, use: (module: ElfModule, bytes: Uint8Array) => T): Promise<T> {
  return withSource(path, (source) => use(new ElfModule(source), source.read(0, source.size)));
}

async function withSource<T>(path: string, use: (source: ByteSource) => T): Promise<T> {
  const { fd, size } = openRegular(path);
  let packed: Uint8Array;
  try {
    if (size > maxModuleSize) throw new ModuleFileError("ENOMEM", "too large for a module");
    if (size < magicLength) throw new ModuleFileError("EINVAL", "too short for a module");
    const source = fileSource(fd, size);
    if (!isCompressed(source.read(0, magicLength))) return use(source);
    packed = readAll(fd, { path, size, limit: maxModuleSize });
  } finally {
    closeSync(fd);
  }
  return use(bytesSource(await decompress(packed)));
}
