/**
 * What a kernel module's file says of itself: `.modinfo`, the symbols it exports and those it needs. Source: the
 * kernel's include/linux/export-internal.h and scripts/mod/modpost.c; order and fallbacks are libkmod's, since the order
 * of modules.dep comes from them.
 */
import type { GraphExport } from "../graph.js";
import { type ByteSource, cString } from "./bytes.js";
import { ElfFile, ModuleFileError, type Reader } from "./elf-file.js";
import { hexLines, signatureFields } from "./signature.js";

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
const underscore = 0x5f;
/** KSYM_FLAG_GPL_ONLY, of a byte in `__kflagstab`. */
const gplOnlyFlag = 1;
/** A register reserved by a SPARC program looks like an undefined symbol. */
const sparcMachines = new Set([2, 43]);
const registerType = 13;
/** An ELF note: the sizes of name and content, its type. */
const noteHeader = 12;
const buildIdType = 3;
/** struct modversion_info is this long in either class. */
const versionSize = 64;

const symbolLayouts = {
  32: { size: 16, value: 4, info: 12, section: 14 },
  64: { size: 24, value: 8, info: 4, section: 6 },
} as const;

/** What the symbol table says of exports, by their names. */
interface ExportNotes {
  readonly crcs: { readonly name: string; readonly crc: number }[];
  /** Those that have an entry in a table of exports; none: the file does not say. */
  readonly entries: Set<string>;
  readonly gplOnly: Set<string>;
  readonly namespaces: Map<string, string>;
}

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

  /** What the linker called it, as modinfo's field; none if it did not. Source: the ELF note NT_GNU_BUILD_ID. */
  buildId(): (readonly [key: string, value: string])[] {
    const section = this.elf.find(".note.gnu.build-id");
    if (!section || section.size < noteHeader) return [];
    const bytes = this.elf.contents(section);
    const reader = this.elf.reader(bytes);
    const [nameSize, size, type] = [reader.u32(0), reader.u32(4), reader.u32(8)];
    if (noteHeader + nameSize + size > section.size || type !== buildIdType) return [];
    if (cString(bytes, noteHeader, noteHeader + nameSize) !== "GNU") return [];
    const from = noteHeader + nameSize;
    return [["build-id", hexLines(bytes.subarray(from, from + size))]];
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
    const notes: ExportNotes = { crcs: [], entries: new Set(), gplOnly: new Set(), namespaces: new Map() };
    if (!table) return { exports: this.#exportsByString(notes), imports: undefined };
    const { reader, names } = table;
    const layout = symbolLayouts[this.elf.bits];
    const versions = new Versions(this.#readVersions());
    const imports: ModuleImport[] = [];
    let [importsUsable, crcsUsable] = [true, true];
    for (let index = 1; index < table.count; index++) {
      const at = index * layout.size;
      const nameAt = reader.u32(at);
      const section = reader.u16(at + layout.section);
      if (nameAt >= names.length) {
        crcsUsable = false;
        if (section === undefinedSection) importsUsable = false;
      } else if (section === undefinedSection) {
        const info = reader.u16(at + layout.info) >> (this.elf.little ? 0 : 8);
        const name = this.#isReserved(info) ? "" : cString(names, nameAt);
        if (name !== "") imports.push({ name, weak: ((info >> 4) & 0xf) === weakBinding, crc: versions.use(name) });
      }
      // Most symbols have nothing to do with exports: two bytes tell.
      if (names[nameAt] === underscore && names[nameAt + 1] === underscore) {
        this.#note(notes, table, { nameAt, section, value: reader.word(at + layout.value, this.elf.bits) });
      }
    }
    imports.push(...versions.unused().map(({ name, crc }) => ({ name, weak: false, crc })));
    const exports =
      crcsUsable && notes.crcs.length > 0
        ? notes.crcs.map(({ name, crc }) => exportOf(name, crc, notes))
        : this.#exportsByString(notes);
    return { exports, imports: importsUsable ? imports : undefined };
  }

  #isReserved(info: number): boolean {
    return (info & 0xf) === registerType && sparcMachines.has(this.elf.machine);
  }

  /** Takes down what a symbol says of an export, if it does. */
  #note(notes: ExportNotes, { names }: SymbolTable, symbol: { nameAt: number; section: number; value: number }): void {
    const { nameAt, section, value } = symbol;
    const after = (prefix: string) =>
      startsWith(names, nameAt, prefix) ? cString(names, nameAt + prefix.length) : undefined;
    const withCrc = after("__crc_");
    if (withCrc !== undefined) notes.crcs.push({ name: withCrc, crc: this.#crc(value, section) });
    const entry = after("__ksymtab_");
    if (entry !== undefined) {
      notes.entries.add(entry);
      if (/^_?__ksymtab_gpl/.test(this.elf.at(section)?.name ?? "")) notes.gplOnly.add(entry);
    }
    const flagged = after("__flags_");
    if (flagged !== undefined && this.#flagsAt(section, value) & gplOnlyFlag) notes.gplOnly.add(flagged);
    const withNamespace = after("__kstrtabns_");
    const namespace = withNamespace === undefined ? "" : this.#stringAt(section, value);
    if (withNamespace !== undefined && namespace !== "") notes.namespaces.set(withNamespace, namespace);
  }

  /**
   * The names in `__ksymtab_strings`: what is left to go by when no symbol carries a checksum. Namespaces stand there
   * too, in modules built without checksums, and count as names for libkmod.
   */
  #exportsByString(notes: ExportNotes): GraphExport[] {
    const section = this.elf.find("__ksymtab_strings");
    if (!section) return [];
    const { entries } = notes;
    return strings(this.elf.contents(section)).map((name) => ({
      ...exportOf(name, 0, notes),
      ...(entries.size > 0 && !entries.has(name) && { textOnly: true }),
    }));
  }

  /** Of a `__flags_` symbol: where newer kernels keep what `__ksymtab_gpl` said before. */
  #flagsAt(section: number, offset: number): number {
    const found = this.elf.at(section);
    return found?.name === "__kflagstab" && offset < found.size ? (this.elf.contents(found)[offset] ?? 0) : 0;
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

function exportOf(name: string, crc: number, { gplOnly, namespaces }: ExportNotes): GraphExport {
  const namespace = namespaces.get(name);
  return { name, gplOnly: gplOnly.has(name), crc, ...(namespace === undefined ? {} : { namespace }) };
}

/** `__versions`: which checksum an import has, and which entries no import asked for. */
class Versions {
  readonly #all: readonly ModuleVersion[];
  readonly #indexOf = new Map<string, number>();
  readonly #used = new Set<number>();

  constructor(all: readonly ModuleVersion[]) {
    this.#all = all;
    for (const [index, { name }] of all.entries()) if (!this.#indexOf.has(name)) this.#indexOf.set(name, index);
  }

  /** 0 if there is none. */
  use(name: string): number {
    const index = this.#indexOf.get(name);
    if (index === undefined) return 0;
    this.#used.add(index);
    return this.#all[index]?.crc ?? 0;
  }

  unused(): ModuleVersion[] {
    return this.#all.filter((_, index) => !this.#used.has(index));
  }
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
