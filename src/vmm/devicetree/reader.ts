/** Reads a flattened device tree. Source: Devicetree Specification, "Flattened Devicetree (DTB) Format". */
import { VmmError } from "../errors.js";

export interface ReadNode {
  readonly name: string;
  readonly properties: ReadonlyMap<string, Uint8Array>;
  readonly children: readonly ReadNode[];
}

export interface ReadTree {
  readonly root: ReadNode;
  readonly reservations: readonly { readonly address: bigint; readonly size: bigint }[];
  readonly bootCpu: number;
}

const maxDepth = 64;

/** Reads a whole tree. Throws VmmError if it is damaged. */
export function readDeviceTree(blob: Uint8Array): ReadTree {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const refuse = (why: string): never => {
    throw new VmmError(`the device tree is damaged: ${why}`);
  };
  const u32 = (at: number): number => (at >= 0 && at + 4 <= blob.length ? view.getUint32(at) : refuse("it ends early"));
  const u64 = (at: number): bigint => (BigInt(u32(at)) << 32n) | BigInt(u32(at + 4));
  const text = (at: number): string => {
    const end = at >= 0 && at < blob.length ? blob.indexOf(0, at) : -1;
    if (end < 0) refuse("a name does not end");
    return new TextDecoder().decode(blob.slice(at, end));
  };
  if (u32(0) !== 0xd00dfeed) refuse("it does not begin as one");
  const stringsAt = u32(12);
  let at = u32(8);

  const reservations: { address: bigint; size: bigint }[] = [];
  for (let entry = u32(16); ; entry += 16) {
    const address = u64(entry);
    const size = u64(entry + 8);
    if (address === 0n && size === 0n) break;
    reservations.push({ address, size });
  }

  const readNode = (depth: number): ReadNode => {
    if (depth > maxDepth) refuse("it is nested too deeply");
    const name = text(at);
    at += (new TextEncoder().encode(name).length + 4) & ~3;
    const properties = new Map<string, Uint8Array>();
    const children: ReadNode[] = [];
    for (;;) {
      const token = u32(at);
      at += 4;
      if (token === 1) children.push(readNode(depth + 1));
      else if (token === 2) return { name, properties, children };
      else if (token === 3) {
        const length = u32(at);
        if (at + 8 + length > blob.length) refuse("a property is cut off");
        properties.set(text(stringsAt + u32(at + 4)), blob.slice(at + 8, at + 8 + length));
        at += 8 + ((length + 3) & ~3);
      } else if (token !== 4) refuse(`token ${token} does not exist`);
    }
  };
  while (u32(at) === 4) at += 4;
  if (u32(at) !== 1) refuse("it has no root");
  at += 4;
  return { root: readNode(0), reservations, bootCpu: u32(28) };
}

/** The node at a path such as "/vdevice/vty@71000000", or undefined. */
export function findNode(root: ReadNode, path: string): ReadNode | undefined {
  let at: ReadNode | undefined = root;
  for (const name of path.split("/").filter(Boolean)) at = at?.children.find((child) => child.name === name);
  return at;
}
