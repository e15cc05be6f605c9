/**
 * The binary indexes (`modules.alias.bin` and its like) that kmod's modprobe reads: a trie of keys, each with values in
 * the order of their priority. Source: kmod, "index file" format, version 2.1.
 */

const magic = 0xb007f457;
const version = 0x0002_0001;
/** Keys and values are 7-bit ASCII. */
const alphabet = 128;
/** What an offset's high bits say of the node there. */
const has = { prefix: 0x8000_0000, values: 0x4000_0000, children: 0x2000_0000 } as const;
const largestOffset = 0x0fff_ffff;

interface IndexValue {
  readonly value: string;
  readonly priority: number;
}

interface TrieNode {
  readonly prefix: string;
  readonly values: readonly IndexValue[];
  /** By the code of the character that leads there. */
  readonly children: ReadonlyMap<number, TrieNode>;
}

/** Collects what goes into an index file. */
export class IndexBuilder {
  readonly #entries = new Map<string, IndexValue[]>();

  /**
   * Adds a value to a key; lower priorities are found first, of equal ones the last added. Returns whether the key had
   * that value. RangeError: a character that an index cannot hold.
   */
  add(key: string, value: string, priority: number): boolean {
    for (const text of [key, value]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: all that is ASCII, but for the end of a string
      if (!/^[\x01-\x7f]*$/.test(text)) {
        throw new RangeError(`Module index: bad character - only 7-bit ASCII is supported:\n${text}`);
      }
    }
    const values = this.#entries.get(key);
    if (!values) {
      this.#entries.set(key, [{ value, priority }]);
      return false;
    }
    const duplicate = values.some((one) => one.value === value);
    const at = values.findIndex((one) => one.priority >= priority);
    values.splice(at < 0 ? values.length : at, 0, { value, priority });
    return duplicate;
  }

  /** The file's bytes. */
  build(): Uint8Array {
    const keys = [...this.#entries.keys()].sort(byCodes);
    const out = new Output();
    out.u32(magic);
    out.u32(version);
    out.u32(0);
    // The root never has a prefix.
    const root = this.#node(keys, 0, 0);
    out.patch(8, write(root, out));
    return out.bytes();
  }

  /** The node of all `keys`, which agree up to `depth`; `skip` of these characters lie before its prefix. */
  #node(keys: readonly string[], skip: number, depth: number): TrieNode {
    const first = keys[0] ?? "";
    const groups = new Map<number, string[]>();
    for (const key of keys) {
      if (key.length === depth) continue;
      const code = key.charCodeAt(depth);
      const group = groups.get(code);
      if (group) group.push(key);
      else groups.set(code, [key]);
    }
    const children = new Map<number, TrieNode>();
    for (const [code, group] of groups) {
      children.set(code, this.#node(group, depth + 1, commonLength(group, depth + 1)));
    }
    const values = first.length === depth ? (this.#entries.get(first) ?? []) : [];
    return { prefix: first.slice(skip, depth), values, children };
  }
}

const byCodes = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** How far sorted keys agree; they do up to `from`. */
function commonLength(keys: readonly string[], from: number): number {
  const [first = "", last = ""] = [keys[0], keys.at(-1)];
  let length = from;
  while (length < first.length && first[length] === last[length]) length++;
  return length;
}

/** Writes children before their parent, which names their offsets; returns the node's own, with its flags. */
function write(node: TrieNode, out: Output): number {
  const codes = [...node.children.keys()];
  const [first, last] = [Math.min(...codes), Math.max(...codes)];
  const offsets: number[] = [];
  for (let code = first; code <= last && codes.length > 0; code++) {
    const child = node.children.get(code);
    offsets.push(child ? write(child, out) : 0);
  }
  let offset = out.size;
  if (offset > largestOffset) throw new RangeError("Module index: too large");
  if (node.prefix !== "") {
    offset += has.prefix;
    out.string(node.prefix);
  }
  if (codes.length > 0) {
    offset += has.children;
    out.byte(first);
    out.byte(last);
    for (const child of offsets) out.u32(child);
  }
  if (node.values.length > 0) {
    offset += has.values;
    out.u32(node.values.length);
    for (const { value, priority } of node.values) {
      out.u32(priority);
      out.string(value);
    }
  }
  return offset;
}

/** Bytes that grow; numbers are big endian. */
class Output {
  #bytes = new Uint8Array(4096);
  size = 0;

  #room(length: number): void {
    if (this.size + length <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.size + length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.size++] = value;
  }

  u32(value: number): void {
    this.#room(4);
    this.size += 4;
    this.patch(this.size - 4, value);
  }

  patch(at: number, value: number): void {
    new DataView(this.#bytes.buffer).setUint32(at, value);
  }

  /** ASCII, with the zero that ends it. */
  string(text: string): void {
    this.#room(text.length + 1);
    for (let at = 0; at < text.length; at++) this.#bytes[this.size++] = text.charCodeAt(at) & (alphabet - 1);
    this.#bytes[this.size++] = 0;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }
}
