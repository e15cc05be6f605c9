/**
 * ELF's header and sections, of either class and byte order, for files that may say anything. A section that does not
 * lie within the file is as good as absent. Source: System V ABI, "Object Files"; what is refused is what libkmod refuses.
 */
import { type ByteSource, cString } from "./bytes.js";

/** A file is no module: ENOEXEC if it is no ELF file at all, EINVAL if it is a broken one. */
export class ModuleFileError extends Error {
  override name = "ModuleFileError";
  readonly code: "ENOEXEC" | "EINVAL" | "ENOMEM" | "ENOENT";

  constructor(code: ModuleFileError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export interface Section {
  readonly index: number;
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** Where a class keeps its fields: [offset, bytes]. */
const layouts = {
  32: { header: 52, shoff: [32, 4], shentsize: 46, shnum: 48, shstrndx: 50, sectionHeader: 40, offset: 16, size: 20 },
  64: { header: 64, shoff: [40, 8], shentsize: 58, shnum: 60, shstrndx: 62, sectionHeader: 64, offset: 24, size: 32 },
} as const;

/** Numbers in a file's byte order. Those of 64 bits that no file's size can reach come out as Infinity. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, little: boolean) {
    this.#bytes = bytes;
    this.#little = little;
  }

  u16(at: number): number {
    const low = this.#bytes[at] as number;
    const high = this.#bytes[at + 1] as number;
    return this.#little ? low | (high << 8) : (low << 8) | high;
  }

  u32(at: number): number {
    const first = this.u16(at);
    const second = this.u16(at + 2);
    return this.#little ? first + second * 0x10000 : first * 0x10000 + second;
  }

  /** An unsigned long of the class. */
  word(at: number, bits: 32 | 64): number {
    if (bits === 32) return this.u32(at);
    const low = this.u32(this.#little ? at : at + 4);
    const high = this.u32(this.#little ? at + 4 : at);
    return high > 0x1fffff ? Number.POSITIVE_INFINITY : high * 2 ** 32 + low;
  }
}

export class ElfFile {
  readonly bits: 32 | 64;
  readonly little: boolean;
  readonly machine: number;
  readonly #source: ByteSource;
  readonly #sections: Section[] = [];
  readonly #byName = new Map<string, Section>();
  readonly #contents = new Map<number, Uint8Array>();

  /** Throws ModuleFileError. */
  constructor(source: ByteSource) {
    this.#source = source;
    const start = source.read(0, Math.min(source.size, 64));
    if (start.length <= 16 || start[0] !== 0x7f || cString(start, 1, 4) !== "ELF") {
      throw new ModuleFileError("ENOEXEC", "not an ELF file");
    }
    const [elfClass, order] = [start[4], start[5]];
    if ((elfClass !== 1 && elfClass !== 2) || (order !== 1 && order !== 2)) {
      throw new ModuleFileError("EINVAL", "neither of ELF's classes, or neither of its byte orders");
    }
    this.bits = elfClass === 1 ? 32 : 64;
    this.little = order === 1;
    const layout = layouts[this.bits];
    if (source.size <= layout.header) throw new ModuleFileError("EINVAL", "shorter than ELF's header");
    const header = this.reader(start);
    this.machine = header.u16(18);
    const count = header.u16(layout.shnum);
    const tableAt = header.word(layout.shoff[0], this.bits);
    if (header.u16(layout.shentsize) !== layout.sectionHeader) {
      throw new ModuleFileError("EINVAL", "section headers of an unknown size");
    }
    if (tableAt + count * layout.sectionHeader > source.size) {
      throw new ModuleFileError("EINVAL", "too short to hold its section headers");
    }
    this.#readSections(source.read(tableAt, count * layout.sectionHeader), count, header.u16(layout.shstrndx));
  }

  #readSections(table: Uint8Array, count: number, namesIndex: number): void {
    const { sectionHeader, offset, size } = layouts[this.bits];
    const reader = this.reader(table);
    const place = (index: number) => ({
      offset: reader.word(index * sectionHeader + offset, this.bits),
      size: reader.word(index * sectionHeader + size, this.bits),
    });
    const inside = (at: { offset: number; size: number }) => at.offset + at.size <= this.#source.size;
    const namesAt = namesIndex > 0 && namesIndex < count ? place(namesIndex) : undefined;
    if (!namesAt || !inside(namesAt)) throw new ModuleFileError("EINVAL", "no section with the sections' names");
    const names = this.#source.read(namesAt.offset, namesAt.size);
    if (names.at(-1) !== 0) throw new ModuleFileError("EINVAL", "the sections' names do not end");
    for (let index = 1; index < count; index++) {
      const at = place(index);
      const nameAt = reader.u32(index * sectionHeader);
      if (!inside(at) || nameAt >= names.length) continue;
      const section = { index, name: cString(names, nameAt), ...at };
      this.#sections[index] = section;
      if (!this.#byName.has(section.name)) this.#byName.set(section.name, section);
    }
  }

  reader(bytes: Uint8Array): Reader {
    return new Reader(bytes, this.little);
  }

  /** The first section of that name. */
  find(name: string): Section | undefined {
    return this.#byName.get(name);
  }

  at(index: number): Section | undefined {
    return this.#sections[index];
  }

  contents({ index, offset, size }: Section): Uint8Array {
    let bytes = this.#contents.get(index);
    if (!bytes) {
      bytes = this.#source.read(offset, size);
      this.#contents.set(index, bytes);
    }
    return bytes;
  }
}
