/** The little that must be known of a built WebAssembly module's bytes. Source: WebAssembly specification, "Binary Format". */

/** Reads a module. */
export class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number = 8,
  ) {}
  /** Throws at the end: what was read by a length or a count may be damaged. */
  u8(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error("the module ends too soon");
    return byte;
  }
  /** LEB128; `signed` sign-extends from the last byte. */
  leb(signed = false): number {
    let result = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = this.u8();
      result |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    return signed && shift < 32 && byte & 0x40 ? result | (-1 << shift) : result;
  }
  /** A number of any size. */
  skipNumber(): void {
    while (this.u8() & 0x80);
  }
  skipName(): void {
    const length = this.leb();
    this.at += length;
  }
}

interface Section {
  readonly id: number;
  /** Where it begins, its content, and what comes after. */
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** A module's sections, in their order. */
export function* sections(bytes: Uint8Array): Generator<Section> {
  const reader = new Reader(bytes);
  while (reader.at < bytes.length) {
    const start = reader.at;
    const id = reader.u8();
    const size = reader.leb() >>> 0;
    const content = reader.at;
    reader.at += size;
    yield { id, start, content, end: reader.at };
  }
}

/** Reads the content of the first section of a kind. */
export function sectionReader(bytes: Uint8Array, wanted: number): Reader | undefined {
  for (const { id, content } of sections(bytes)) {
    if (id !== wanted) continue;
    return new Reader(bytes, content);
  }
  return undefined;
}

/** The custom section of branch hints. Source: WebAssembly, "Code Metadata" and "Branch Hints". */
export const branchHints = "metadata.code.branch_hint";

/** Whether a section is that of branch hints. */
export function hasBranchHints(bytes: Uint8Array, { id, content, end }: Section): boolean {
  if (id !== 0) return false;
  const reader = new Reader(bytes, content);
  const length = reader.leb() >>> 0;
  if (reader.at + length > end) return false;
  return new TextDecoder().decode(bytes.subarray(reader.at, reader.at + length)) === branchHints;
}

/** The same module without the names of its functions, which only profiles use, and whatever else no engine reads. */
export function withoutNames(bytes: Uint8Array): Uint8Array {
  const kept = [...sections(bytes)]
    .filter((section) => section.id !== 0 || hasBranchHints(bytes, section))
    .map(({ start, end }) => bytes.subarray(start, end));
  const result = new Uint8Array(kept.reduce((sum, { length }) => sum + length, 8));
  result.set(bytes.subarray(0, 8));
  let at = 8;
  for (const part of kept) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** The address behind the last byte that active data segments write. */
export function staticDataEnd(bytes: Uint8Array): number {
  const reader = sectionReader(bytes, 11);
  let end = 0;
  for (let count = reader?.leb() ?? 0; reader && count > 0; count--) {
    const kind = reader.leb();
    let offset = 0;
    if (kind !== 1) {
      if (kind === 2) reader.leb();
      if (reader.u8() !== 0x41) throw new Error("a data segment's offset is not i32.const");
      offset = reader.leb(true) >>> 0;
      reader.u8();
    }
    const length = reader.leb();
    reader.at += length;
    if (kind !== 1) end = Math.max(end, offset + length);
  }
  return end;
}

/** The kinds of what is imported and exported. */
export const Kind = { function: 0, table: 1, memory: 2, global: 3 } as const;

/** What a module imports, in its order: of which kind, and where it is described. Throws if it is of another kind. */
export function* imports(bytes: Uint8Array): Generator<{ readonly kind: number; readonly at: number }> {
  const reader = sectionReader(bytes, 2);
  for (let count = reader?.leb() ?? 0; reader && count > 0; count--) {
    reader.skipName();
    reader.skipName();
    const kind = reader.u8();
    yield { kind, at: reader.at };
    if (kind === Kind.function) reader.leb();
    else if (kind === Kind.global) reader.at += 2;
    else if (kind === Kind.table || kind === Kind.memory) {
      if (kind === Kind.table) reader.u8();
      const flags = reader.u8();
      reader.leb();
      if (flags & 1) reader.leb();
    } else throw new Error("an import of an unexpected kind");
  }
}

/** How many functions it imports: its own have the numbers behind them. */
export const importedFunctions = (bytes: Uint8Array): number =>
  [...imports(bytes)].filter(({ kind }) => kind === Kind.function).length;

/**
 * The same module importing a shared memory: one bit of the import, since plain memories allow atomic accesses too. Throws if
 * it imports none.
 */
export function memoryShared(bytes: Uint8Array): Uint8Array {
  const result = bytes.slice();
  for (const { kind, at } of imports(bytes)) {
    if (kind !== Kind.memory) continue;
    result[at] = 0x03;
    return result;
  }
  throw new Error("the module imports no memory");
}
