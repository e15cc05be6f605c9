/** Writes a flattened device tree, version 17. Source: Devicetree Specification, "Flattened Devicetree (DTB) Format". */
import { encodeProperty, type TreeNode } from "./tree.js";

export interface FlattenOptions {
  /** Memory the kernel must leave alone, bytes. */
  readonly reservations?: readonly { readonly address: number; readonly size: number }[];
  /** Physical number of the CPU that boots. */
  readonly bootCpu?: number;
}

const magic = 0xd00dfeed;
const version = 17;
const lastCompatibleVersion = 16;
const headerSize = 40;
const token = { beginNode: 1, endNode: 2, property: 3, end: 9 } as const;

/** Flattens a tree into one block of bytes. */
export function flatten(root: TreeNode, { reservations = [], bootCpu = 0 }: FlattenOptions = {}): Uint8Array {
  const structure = new Writer();
  const strings = new Writer();
  const stringOffsets = new Map<string, number>();
  const stringOffset = (name: string): number => {
    let offset = stringOffsets.get(name);
    if (offset === undefined) {
      offset = strings.length;
      strings.string(name);
      stringOffsets.set(name, offset);
    }
    return offset;
  };
  const write = (node: TreeNode): void => {
    structure.u32(token.beginNode);
    structure.string(node.name);
    structure.align(4);
    for (const [name, value] of Object.entries(node.properties)) {
      const bytes = encodeProperty(value);
      structure.u32(token.property);
      structure.u32(bytes.length);
      structure.u32(stringOffset(name));
      structure.bytes(bytes);
      structure.align(4);
    }
    for (const child of node.children) write(child);
    structure.u32(token.endNode);
  };
  write(root);
  structure.u32(token.end);

  const reserved = new Writer();
  for (const { address, size } of [...reservations, { address: 0, size: 0 }]) {
    reserved.u64(BigInt(address));
    reserved.u64(BigInt(size));
  }
  const structureOffset = headerSize + reserved.length;
  const stringsOffset = structureOffset + structure.length;
  const out = new Writer();
  out.u32(magic);
  out.u32(stringsOffset + strings.length);
  out.u32(structureOffset);
  out.u32(stringsOffset);
  out.u32(headerSize);
  out.u32(version);
  out.u32(lastCompatibleVersion);
  out.u32(bootCpu);
  out.u32(strings.length);
  out.u32(structure.length);
  out.bytes(reserved.finish());
  out.bytes(structure.finish());
  out.bytes(strings.finish());
  return out.finish();
}

/** Bytes, growing; numbers big-endian. */
class Writer {
  #bytes = new Uint8Array(1024);
  length = 0;

  #room(size: number): DataView {
    if (this.length + size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + size));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return new DataView(this.#bytes.buffer);
  }

  u32(value: number): void {
    this.#room(4).setUint32(this.length, value >>> 0);
    this.length += 4;
  }

  u64(value: bigint): void {
    this.#room(8).setBigUint64(this.length, value);
    this.length += 8;
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** With its terminating zero. */
  string(text: string): void {
    this.bytes(new TextEncoder().encode(`${text}\0`));
  }

  align(size: number): void {
    while (this.length % size !== 0) this.bytes(new Uint8Array(1));
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }
}
