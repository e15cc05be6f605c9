/**
 * What a kernel module's file says of itself: `.modinfo`, the symbols it exports and those it needs. Source: the
 * kernel's include/linux/export-internal.h and scripts/mod/modpost.c; order and fallbacks are libkmod's, since the order
 * of modules.dep comes from them.
 */
import type { GraphExport } from "../graph.js";
import { type ByteSource, cString } from "./bytes.js";
import { ElfFile, ModuleFileError, type Reader } from "./elf-file.js";
import { signatureFields } from "./signature.js";

export interface ModuleImport {
  readonly name: string;
  readonly weak: boolean;
  /** From `__versions`; 0 if it has none. */
  readonly crc: number;
}

/** A symbol's version as `modprobe --show-modversions` prints it. */
export interface ModuleVersion {
  readonly name: string;
  readonly crc: number;
}

interface Symbols {
  readonly exports: readonly GraphExport[];
  /** undefined: the symbol table is unusable. */
  readonly imports: readonly ModuleImport[] | undefined;
}

/** Indexes with a meaning of their own (ELF, "Special Section Indexes"). */
const undefinedSection = 0;
const absoluteSection = 0xfff1;
const weakBinding = 2;
/** A register reserved by a SPARC program looks like an undefined symbol. */
const sparcMachines = new Set([2, 43]);
const registerType = 13;
/** struct modversion_info is this long in either class. */
const versionSize = 64;

const symbolLayouts = {
  32: { size: 16, value: 4, info: 12, section: 14 },
  64: { size: 24, value: 8, info: 4, section: 6 },
} as const;

interface SymbolTable {
  readonly reader: Reader;
  readonly count: number;
  readonly names: Uint8Array;
}

export class ElfModule {
  readonly elf: ElfFile;
  readonly #source: ByteSource;
  #symbols: Symbols | undefined;

  /** Throws ModuleFileError. */
  constructor(source: ByteSource) {
    this.#source = source;
    this.elf = new ElfFile(source);
  }

  /** The fields of `.modinfo`, in their order; one without `=` has its name as value too. Throws ENOENT without any. */
  info(): (readonly [key: string, value: string])[] {
    const section = this.elf.find(".modinfo");
    if (!section) throw new ModuleFileError("ENOENT", "no .modinfo");
    return strings(this.elf.contents(section)).map((text) => {
      const equals = text.indexOf("=");
      return equals < 0 ? [text, text] : [text.slice(0, equals), text.slice(equals + 1)];
    });
  }

  /** What its signature says, as modinfo's fields. */
  signature(): (readonly [key: string, value: string])[] {
    return signatureFields(this.#source);
  }

  /** The name in `.gnu.linkonce.this_module`, which is the kernel's `struct module` as it will be loaded. */
  thisModule(): string | undefined {
    const section = this.elf.find(".gnu.linkonce.this_module");
    // After the state and the list's two pointers.
    const at = this.elf.bits === 64 ? 24 : 12;
    if (!section || section.size <= at) return undefined;
    return cString(this.elf.contents(section), at, at + versionSize - this.elf.bits / 8);
  }

  get exports(): readonly GraphExport[] {
    return this.#read().exports;
  }

  /** The undefined symbols, then what `__versions` names besides them. Throws EINVAL without a usable symbol table. */
  get imports(): readonly ModuleImport[] {
    const { imports } = this.#read();
    if (!imports) throw new ModuleFileError("EINVAL", "no usable symbol table");
    return imports;
  }

  /** `__versions`, as it stands. Throws ENOENT without one, EINVAL if its size fits no number of entries. */
  versions(): readonly ModuleVersion[] {
    const section = this.elf.find("__versions");
    if (!section) throw new ModuleFileError("ENOENT", "no __versions");
    if (section.size % versionSize !== 0) throw new ModuleFileError("EINVAL", "__versions of an odd size");
    return this.#readVersions().map(({ name, crc }) => ({ name: name.startsWith(".") ? name.slice(1) : name, crc }));
  }

  #readVersions(): ModuleVersion[] {
    const section = this.elf.find("__versions");
    if (!section || section.size % versionSize !== 0) return [];
    const bytes = this.elf.contents(section);
    const reader = this.elf.reader(bytes);
    const { bits } = this.elf;
    return Array.from({ length: section.size / versionSize }, (_, index) => {
      const at = index * versionSize;
      return { name: cString(bytes, at + bits / 8, at + versionSize), crc: reader.word(at, bits) };
    });
  }

  #read(): Symbols {
    this.#symbols ??= this.#readSymbols();
    return this.#symbols;
  }

  #symbolTable(): SymbolTable | undefined {
    const names = this.elf.find(".strtab");
    const symbols = this.elf.find(".symtab");
    if (!names || !symbols || symbols.size % symbolLayouts[this.elf.bits].size !== 0) return undefined;
    return {
      reader: this.elf.reader(this.elf.contents(symbols)),
      count: symbols.size / symbolLayouts[this.elf.bits].size,
      names: this.elf.contents(names),
    };
  }

  /** One pass over the symbol table. */
  #readSymbols(): Symbols {
    const table = this.#symbolTable();
    if (!table) return { exports: this.#exportsByString(new Set(), new Map()), imports: undefined };
    const layout = symbolLayouts[this.elf.bits];
    const { reader, names } = table;
    const versions = this.#readVersions();
    const versionOf = new Map<string, number>();
    for (const [index, { name }] of versions.entries()) if (!versionOf.has(name)) versionOf.set(name, index);
    const used = new Set<number>();
    const imports: ModuleImport[] = [];
    const crcs: { name: string; crc: number }[] = [];
    const gplOnly = new Set<string>();
    const namespaces = new Map<string, string>();
    let [importsUsable, crcsUsable] = [true, true];
    for (let index = 1; index < table.count; index++) {
      const at = index * layout.size;
      const nameAt = reader.u32(at);
      const section = reader.u16(at + layout.section);
      const info = reader.u16(at + layout.info) >> (this.elf.little ? 0 : 8);
      if (nameAt >= names.length) {
        crcsUsable = false;
        if (section === undefinedSection) importsUsable = false;
        continue;
      }
      if (section === undefinedSection && !(sparcMachines.has(this.elf.machine) && (info & 0xf) === registerType)) {
        const name = cString(names, nameAt);
        if (name !== "") {
          const version = versionOf.get(name);
          if (version !== undefined) used.add(version);
          const crc = version === undefined ? 0 : (versions[version]?.crc ?? 0);
          imports.push({ name, weak: ((info >> 4) & 0xf) === weakBinding, crc });
        }
      }
      if (names[nameAt] !== 0x5f || names[nameAt + 1] !== 0x5f) continue;
      const letter = names[nameAt + 2];
      if (letter === 0x63 && startsWith(names, nameAt, "__crc_")) {
        const name = cString(names, nameAt + "__crc_".length);
        crcs.push({ name, crc: this.#crc(reader.word(at + layout.value, this.elf.bits), section) });
      } else if (letter === 0x6b && startsWith(names, nameAt, "__ksymtab_")) {
        if (this.elf.at(section)?.name.startsWith("___ksymtab_gpl") || this.elf.at(section)?.name === "__ksymtab_gpl") {
          gplOnly.add(cString(names, nameAt + "__ksymtab_".length));
        }
      } else if (letter === 0x6b && startsWith(names, nameAt, "__kstrtabns_")) {
        const namespace = this.#stringAt(section, reader.word(at + layout.value, this.elf.bits));
        if (namespace !== "") namespaces.set(cString(names, nameAt + "__kstrtabns_".length), namespace);
      }
    }
    for (const [index, { name, crc }] of versions.entries()) {
      if (!used.has(index)) imports.push({ name, weak: false, crc });
    }
    const exports =
      crcsUsable && crcs.length > 0
        ? crcs.map(({ name, crc }) => exportOf(name, crc, gplOnly, namespaces))
        : this.#exportsByString(gplOnly, namespaces);
    return { exports, imports: importsUsable ? imports : undefined };
  }

  /** The names in `__ksymtab_strings`: what is left to go by when no symbol carries a checksum. */
  #exportsByString(gplOnly: ReadonlySet<string>, namespaces: ReadonlyMap<string, string>): GraphExport[] {
    const section = this.elf.find("__ksymtab_strings");
    if (!section) return [];
    return strings(this.elf.contents(section)).map((name) => exportOf(name, 0, gplOnly, namespaces));
  }

  /** A `__crc_` symbol's value is the checksum, or where it lies. */
  #crc(value: number, section: number): number {
    if (section === absoluteSection || section === undefinedSection) return value;
    const found = this.elf.at(section);
    if (!found || value > found.size - 4) return Number.POSITIVE_INFINITY;
    return this.elf.reader(this.elf.contents(found)).u32(value);
  }

  #stringAt(section: number, offset: number): string {
    const found = this.elf.at(section);
    return found && offset < found.size ? cString(this.elf.contents(found), offset) : "";
  }
}

function exportOf(
  name: string,
  crc: number,
  gplOnly: ReadonlySet<string>,
  namespaces: ReadonlyMap<string, string>,
): GraphExport {
  const namespace = namespaces.get(name);
  return { name, gplOnly: gplOnly.has(name), crc, ...(namespace === undefined ? {} : { namespace }) };
}

function startsWith(bytes: Uint8Array, at: number, prefix: string): boolean {
  for (let index = 0; index < prefix.length; index++) {
    if (bytes[at + index] !== prefix.charCodeAt(index)) return false;
  }
  return true;
}

/** The strings between runs of zero bytes. */
function strings(bytes: Uint8Array): string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    const zero = bytes.indexOf(0, at);
    const end = zero < 0 ? bytes.length : zero;
    found.push(cString(bytes, at, end));
    at = end;
  }
  return found;
}
