/**
 * Reads a tar archive piece by piece. Whoever made it is hostile: nothing here grows with a number that it holds, and what is
 * no tar is a VmError.
 */
import { VmError } from "../error.js";
import { blockSize, entryTypes, fields, headSum, padding, type TarEntry, type TarEntryKind } from "./format.js";

/** What a pax head may hold, bytes. */
const mostSaid = 65536;
/** Linux's PATH_MAX. */
const mostPath = 4095;

const noTar = (why: string): VmError => new VmError("EBADMSG", `what comes is no tar: ${why}`, { errno: 74 });

/** What heads before an entry's own say of it. */
type Said = { -readonly [Field in "path" | "target" | "size" | "time" | "user" | "group"]?: TarEntry[Field] };

export class TarReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  /** Bytes of the entry that were not read, and what fills its last block. */
  #left = 0;
  #fill = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next entry, once the one before is passed by; undefined: that was all. */
  async next(): Promise<TarEntry | undefined> {
    for await (const _ of this.contents());
    await this.#skip(this.#fill);
    this.#fill = 0;
    let said: Said = {};
    for (let any = false; ; any = true) {
      if (this.#piece.length === 0 && !(await this.#more())) {
        if (any) throw noTar("it breaks off");
        return undefined;
      }
      const block = await this.#take(blockSize);
      if (block.every((byte) => byte === 0)) {
        await this.#drain();
        return undefined;
      }
      const entry = head(block);
      if (entry.kind !== undefined) return this.#begin(entry, said);
      if (entry.size > mostSaid) throw noTar(`a head of ${entry.size} bytes`);
      const bytes = await this.#take(entry.size);
      await this.#skip(padding(entry.size));
      if (entry.type === "x") said = { ...said, ...records(bytes) };
      else if (entry.type === "L") said.path = textOf(bytes);
      else if (entry.type === "K") said.target = textOf(bytes);
      else if (entry.type !== "g") throw noTar(`an entry of type ${JSON.stringify(entry.type)}`);
    }
  }

  /** The bytes of the entry that `next` gave, as far as they were not read; views that are good until the next one. */
  async *contents(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      if (this.#piece.length === 0 && !(await this.#more())) throw noTar("it breaks off");
      const part = this.#piece.subarray(0, this.#left);
      this.#piece = this.#piece.subarray(part.length);
      this.#left -= part.length;
      yield part;
    }
  }

  /** Ends where it comes from. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #begin(entry: Head & { kind: TarEntryKind }, said: Said): TarEntry {
    const { type: _, ...own } = { ...entry, ...said };
    if (own.path.includes("\0") || own.target.includes("\0")) throw noTar("a name with a zero byte");
    // Before there was a type for folders they ended with a slash.
    const kind = own.kind === "file" && own.path.endsWith("/") ? "folder" : own.kind;
    this.#left = kind === "file" || kind === "folder" ? own.size : 0;
    this.#fill = padding(this.#left);
    return { ...own, kind };
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.#source.next();
      if (done) return false;
      this.#piece = value;
      if (value.length > 0) return true;
    }
  }

  async #take(length: number): Promise<Uint8Array> {
    if (this.#piece.length >= length) {
      const bytes = this.#piece.subarray(0, length);
      this.#piece = this.#piece.subarray(length);
      return bytes;
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      if (this.#piece.length === 0 && !(await this.#more())) throw noTar("it breaks off");
      const part = this.#piece.subarray(0, length - done);
      bytes.set(part, done);
      done += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
    return bytes;
  }

  /** At most a block's rest. */
  async #skip(length: number): Promise<void> {
    if (length > 0) await this.#take(length);
  }

  /** Whoever writes it is not held up. */
  async #drain(): Promise<void> {
    this.#piece = new Uint8Array(0);
    while (await this.#more()) this.#piece = new Uint8Array(0);
  }
}

type Head = Omit<TarEntry, "kind"> & { readonly kind: TarEntryKind | undefined; readonly type: string };

function head(block: Uint8Array): (Head & { kind: TarEntryKind }) | (Head & { kind: undefined }) {
  const text = ([at, length]: readonly [number, number]): string => textOf(block.subarray(at, at + length));
  const number = (field: readonly [number, number]): number => numberIn(block.subarray(field[0], field[0] + field[1]));
  if (number(fields.sum) !== headSum(block)) throw noTar("a head whose sum is wrong");
  const type = text(fields.type) || "0";
  const magic = block.subarray(fields.magic[0], fields.magic[0] + 6);
  // Only POSIX's magic, with its zero, has a prefix; GNU's has other things there.
  const prefix = new TextDecoder().decode(magic) === "ustar\0" ? text(fields.prefix) : "";
  const own = {
    path: prefix ? `${prefix}/${text(fields.name)}` : text(fields.name),
    mode: number(fields.mode) & 0o7777,
    user: number(fields.user),
    group: number(fields.group),
    size: number(fields.size),
    time: BigInt(number(fields.time)) * 1_000_000_000n,
    target: text(fields.target),
    type: type === "7" ? "0" : type,
  };
  const kind = (Object.keys(entryTypes) as TarEntryKind[]).find((one) => entryTypes[one] === own.type);
  return kind === undefined ? { ...own, kind } : { ...own, kind };
}

/** Up to a zero byte. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, end < 0 ? bytes.length : end);
  if (text.length > mostPath) throw noTar(`a name of ${text.length} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
  } catch {
    throw new VmError("EILSEQ", `the name ${JSON.stringify(new TextDecoder().decode(text))} is not UTF-8`, {
      errno: 84,
    });
  }
}

/** As octal digits, or base 256 where the first bit is set. */
function numberIn(field: Uint8Array): number {
  const [first = 0] = field;
  if (first & 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, first & 0x7f);
    if (Number.isSafeInteger(value)) return value;
    // A time before 1970, or what no file has.
    throw noTar("a number that is too large");
  }
  const text = new TextDecoder().decode(field).replace(/\0.*$/s, "").trim();
  if (!/^[0-7]*$/.test(text)) throw noTar(`a number ${JSON.stringify(text)}`);
  return text === "" ? 0 : Number.parseInt(text, 8);
}

/** What a pax head says: records of "LENGTH KEY=VALUE\n". */
function records(bytes: Uint8Array): Said {
  const said: Said = {};
  const whole = (value: string): number => {
    const number = Number(value);
    if (/^\d+$/.test(value) && Number.isSafeInteger(number)) return number;
    throw noTar(`a number ${JSON.stringify(value)}`);
  };
  for (let at = 0; at < bytes.length; ) {
    const digits = /^\d{1,5} /.exec(new TextDecoder("latin1").decode(bytes.subarray(at, at + 6)))?.[0];
    const end = at + Number(digits);
    if (digits === undefined || end > bytes.length || end <= at + digits.length || bytes[end - 1] !== 10) {
      throw noTar("a record of a wrong length");
    }
    const record = bytes.subarray(at + digits.length, end - 1);
    const equals = record.indexOf(61);
    if (equals < 0) throw noTar("a record without a value");
    const key = new TextDecoder().decode(record.subarray(0, equals));
    const value = record.subarray(equals + 1);
    const text = (): string => new TextDecoder().decode(value);
    if (value.includes(0) && (key === "path" || key === "linkpath")) throw noTar("a name with a zero byte");
    if (key === "path") said.path = textOf(value);
    else if (key === "linkpath") said.target = textOf(value);
    else if (key === "size") said.size = whole(text());
    else if (key === "uid") said.user = whole(text());
    else if (key === "gid") said.group = whole(text());
    else if (key === "mtime") said.time = timeOf(text());
    else if (key.startsWith("GNU.sparse.")) throw noTar("a file with holes, as only GNU tar has them");
    at = end;
  }
  return said;
}

/** Seconds with a fraction, in nanoseconds. */
function timeOf(text: string): bigint {
  const match = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(text);
  if (!match) throw noTar(`a time ${JSON.stringify(text)}`);
  if (match[1]) return 0n;
  return BigInt(match[2] ?? 0) * 1_000_000_000n + BigInt((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
}
