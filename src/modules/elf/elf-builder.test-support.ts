/** Builds the file of a kernel module in memory, of either class and byte order, for tests. */

export interface BuiltModule {
  readonly bits?: 32 | 64;
  readonly little?: boolean;
  readonly info?: readonly string[];
  readonly exports?: readonly {
    readonly name: string;
    readonly gplOnly?: boolean;
    /** Whether that is said in `__kflagstab`, as newer kernels say it, instead of by the table's name. */
    readonly flags?: boolean;
    readonly namespace?: string;
    /** Given: a `__crc_` symbol with this value. */
    readonly crc?: number;
  }[];
  readonly imports?: readonly { readonly name: string; readonly weak?: boolean; readonly crc?: number }[];
  /** Further entries of `__versions`. */
  readonly versions?: readonly { readonly name: string; readonly crc: number }[];
  /** In `.gnu.linkonce.this_module`. */
  readonly thisModule?: string;
  /** In `.note.gnu.build-id`. */
  readonly buildId?: Uint8Array;
  readonly machine?: number;
  readonly withoutSymbols?: boolean;
}

interface Symbol {
  readonly name: string;
  readonly section: number;
  readonly value?: number;
  readonly info?: number;
}

const encoder = new TextEncoder();
const join = (parts: readonly Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));
const strings = (all: readonly string[]) => encoder.encode(all.map((one) => `${one}\0`).join(""));

class Writer {
  readonly #bits: 32 | 64;
  readonly #little: boolean;

  constructor({ bits = 64, little = true }: BuiltModule) {
    this.#bits = bits;
    this.#little = little;
  }

  number(value: number, size: number): Uint8Array {
    const bytes = Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** index) % 256);
    return new Uint8Array(this.#little ? bytes : bytes.reverse());
  }

  word(value: number): Uint8Array {
    return this.number(value, this.#bits / 8);
  }

  version({ name, crc }: { name: string; crc: number }): Uint8Array {
    const entry = new Uint8Array(64);
    entry.set(this.word(crc));
    entry.set(encoder.encode(name), this.#bits / 8);
    return entry;
  }

  symbol(nameAt: number, { section, value = 0, info = 0x10 }: Symbol): Uint8Array {
    const name = this.number(nameAt, 4);
    const [tag, index] = [new Uint8Array([info, 0]), this.number(section, 2)];
    return this.#bits === 64
      ? join([name, tag, index, this.word(value), this.word(0)])
      : join([name, this.word(value), this.word(0), tag, index]);
  }

  sectionHeader(name: number, offset: number, size: number): Uint8Array {
    const [none, type] = [this.word(0), this.number(1, 4)];
    const tail = [this.number(0, 4), this.number(0, 4), none, none];
    return join([this.number(name, 4), type, none, none, this.word(offset), this.word(size), ...tail]);
  }

  header(sections: number, tableAt: number, machine: number): Uint8Array {
    const identification = new Uint8Array(16);
    identification.set([0x7f, 0x45, 0x4c, 0x46, this.#bits === 64 ? 2 : 1, this.#little ? 1 : 2, 1]);
    const halves = [this.#bits === 64 ? 64 : 52, 0, 0, this.#bits === 64 ? 64 : 40, sections, sections - 1];
    return join([
      identification,
      this.number(1, 2),
      this.number(machine, 2),
      this.number(1, 4),
      this.word(0),
      this.word(0),
      this.word(tableAt),
      this.number(0, 4),
      ...halves.map((half) => this.number(half, 2)),
    ]);
  }
}

export function buildModule(module: BuiltModule): Uint8Array {
  const { info = [], exports = [], imports = [], machine = 21, bits = 64 } = module;
  const writer = new Writer(module);
  const texts = [...new Set(exports.flatMap(({ name, namespace = "" }) => [name, namespace]))];
  const textAt = (text: string) => strings(texts.slice(0, texts.indexOf(text))).length;
  const versions = [
    ...imports.flatMap(({ name, crc }) => (crc === undefined ? [] : [{ name, crc }])),
    ...(module.versions ?? []),
  ];
  const self = new Uint8Array(256);
  self.set(encoder.encode(module.thisModule ?? ""), bits === 64 ? 24 : 12);
  // Sections 1 to 7; symbols name them by number.
  const contents: [string, Uint8Array][] = [
    [".modinfo", join([new Uint8Array(1), strings(info)])],
    ["__ksymtab", new Uint8Array(16)],
    ["__ksymtab_gpl", new Uint8Array(16)],
    ["__ksymtab_strings", texts.length === 0 ? new Uint8Array() : strings(texts)],
    ["__versions", join(versions.map((version) => writer.version(version)))],
    [".gnu.linkonce.this_module", module.thisModule === undefined ? new Uint8Array() : self],
    ["__kflagstab", new Uint8Array(exports.map(({ gplOnly }) => (gplOnly ? 1 : 0)))],
  ];
  const symbols: Symbol[] = [
    ...exports.flatMap(({ name, gplOnly, flags, namespace = "", crc }, index): Symbol[] => [
      { name: `__ksymtab_${name}`, section: gplOnly && !flags ? 3 : 2 },
      ...(flags ? [{ name: `__flags_${name}`, section: 7, value: index }] : []),
      { name: `__kstrtabns_${name}`, section: 4, value: textAt(namespace) },
      ...(crc === undefined ? [] : [{ name: `__crc_${name}`, section: 0xfff1, value: crc }]),
    ]),
    ...imports.map(({ name, weak }) => ({ name, section: 0, info: weak ? 0x20 : 0x10 })),
  ];
  if (module.buildId) {
    const sizes = [4, module.buildId.length, 3].map((one) => writer.number(one, 4));
    contents.push([".note.gnu.build-id", join([...sizes, encoder.encode("GNU\0"), module.buildId])]);
  }
  if (!module.withoutSymbols) {
    const names = symbols.map(({ name }) => name);
    const none = writer.symbol(0, { name: "", section: 0 });
    const nameAt = (index: number) => 1 + strings(names.slice(0, index)).length;
    contents.push(
      [".symtab", join([none, ...symbols.map((symbol, index) => writer.symbol(nameAt(index), symbol))])],
      [".strtab", join([new Uint8Array(1), strings(names)])],
    );
  }
  return assemble(writer, contents, { machine, headerSize: bits === 64 ? 64 : 52 });
}

function assemble(
  writer: Writer,
  contents: readonly [string, Uint8Array][],
  { machine, headerSize }: { machine: number; headerSize: number },
): Uint8Array {
  const sectionNames = [...contents.map(([name]) => name), ".shstrtab"];
  const all = [...contents.map(([, bytes]) => bytes), join([new Uint8Array(1), strings(sectionNames)])];
  const headers = [writer.sectionHeader(0, 0, 0)];
  let [offset, nameAt] = [headerSize, 1];
  for (const [index, bytes] of all.entries()) {
    headers.push(writer.sectionHeader(nameAt, offset, bytes.length));
    offset += bytes.length;
    nameAt += (sectionNames[index]?.length ?? 0) + 1;
  }
  return join([writer.header(headers.length, offset, machine), ...all, ...headers]);
}
