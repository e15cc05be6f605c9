/** Heads of a tar archive's entries. */
import { blockSize, entryTypes, fields, headSum, padding, type TarEntry } from "./format.js";

/** The largest number that a field of 12 and of 8 holds, in octal digits. */
const octal12 = 0o77777777777;
const octal8 = 0o7777777;
const billion = 1_000_000_000n;

/** The bytes before an entry's own, with a pax head where one is needed. */
export function tarHead(entry: TarEntry): Uint8Array {
  const encoder = new TextEncoder();
  const [path, target] = [encoder.encode(entry.path), encoder.encode(entry.target)];
  const fraction = entry.time % billion;
  const records = [
    ...(path.length > fields.name[1] ? [record("path", entry.path)] : []),
    ...(target.length > fields.target[1] ? [record("linkpath", entry.target)] : []),
    ...(entry.size > octal12 ? [record("size", String(entry.size))] : []),
    ...(entry.user > octal8 ? [record("uid", String(entry.user))] : []),
    ...(entry.group > octal8 ? [record("gid", String(entry.group))] : []),
    ...(fraction > 0n ? [record("mtime", `${entry.time / billion}.${String(fraction).padStart(9, "0")}`)] : []),
  ];
  const own = head(entry, path, target, entryTypes[entry.kind], entry.size);
  if (records.length === 0) return own;
  const said = encoder.encode(records.join(""));
  const before = head(entry, path, new Uint8Array(0), "x", said.length);
  const all = new Uint8Array(2 * blockSize + said.length + padding(said.length));
  all.set(before);
  all.set(said, blockSize);
  all.set(own, all.length - blockSize);
  return all;
}

/** What follows the last entry. */
export const tarEnd = (): Uint8Array => new Uint8Array(2 * blockSize);

/** "LENGTH KEY=VALUE\n", the length of all of it included. */
function record(key: string, value: string): string {
  const rest = new TextEncoder().encode(` ${key}=${value}\n`).length;
  let length = rest + 1;
  while (String(length).length + rest !== length) length++;
  return `${length} ${key}=${value}\n`;
}

function head(entry: TarEntry, path: Uint8Array, target: Uint8Array, type: string, size: number): Uint8Array {
  const block = new Uint8Array(blockSize);
  const put = ([at, length]: readonly [number, number], bytes: Uint8Array): void =>
    block.set(bytes.subarray(0, length), at);
  const text = (field: readonly [number, number], value: string): void => put(field, new TextEncoder().encode(value));
  const octal = (field: readonly [number, number], value: number, most: number): void =>
    text(field, (value <= most ? value : 0).toString(8).padStart(field[1] - 1, "0"));
  put(fields.name, path);
  octal(fields.mode, entry.mode, octal8);
  octal(fields.user, entry.user, octal8);
  octal(fields.group, entry.group, octal8);
  octal(fields.size, size, octal12);
  octal(fields.time, Number(entry.time / billion), octal12);
  text(fields.type, type);
  put(fields.target, target);
  text(fields.magic, "ustar\0");
  text(fields.version, "00");
  text(fields.sum, `${headSum(block).toString(8).padStart(6, "0")}\0 `);
  return block;
}
