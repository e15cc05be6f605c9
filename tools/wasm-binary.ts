/** The little that the build must know of a WebAssembly module's bytes. Source: WebAssembly specification, "Binary Format". */

class Reader {
  at = 8;
  constructor(readonly bytes: Uint8Array) {}
  u8(): number {
    return this.bytes[this.at++] ?? 0;
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
  skipName(): void {
    const length = this.leb();
    this.at += length;
  }
}

function section(bytes: Uint8Array, wanted: number): Reader | undefined {
  const reader = new Reader(bytes);
  while (reader.at < bytes.length) {
    const id = reader.u8();
    const size = reader.leb();
    if (id === wanted) return reader;
    reader.at += size;
  }
  return undefined;
}

/** The address behind the last byte that active data segments write. */
export function staticDataEnd(bytes: Uint8Array): number {
  const reader = section(bytes, 11);
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

/** The same module importing a shared memory: one bit of the import, since plain memories allow atomic accesses too. */
export function memoryShared(bytes: Uint8Array): Uint8Array {
  const result = bytes.slice();
  const reader = section(result, 2);
  for (let count = reader?.leb() ?? 0; reader && count > 0; count--) {
    reader.skipName();
    reader.skipName();
    switch (reader.u8()) {
      case 0:
        reader.leb();
        break;
      case 2:
        result[reader.at] = 0x03;
        return result;
      case 3:
        reader.at += 2;
        break;
      default:
        throw new Error("an import of an unexpected kind");
    }
  }
  throw new Error("the module imports no memory");
}
