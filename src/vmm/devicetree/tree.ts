/** A device tree as a value, before it is flattened. Source: Devicetree Specification, "The Devicetree". */

/**
 * What a property may be given as: bytes; a string or a list of strings; a 32-bit cell or a list of cells; a bigint, one
 * 64-bit number; true, a property that is merely present.
 */
export type PropertyValue = Uint8Array | string | readonly string[] | number | readonly number[] | bigint | true;

export interface TreeNode {
  /** With its unit address, as "vty@71000000"; the root's is empty. */
  readonly name: string;
  readonly properties: Readonly<Record<string, PropertyValue>>;
  readonly children: readonly TreeNode[];
}

/** Makes a node; later children follow earlier ones. */
export function node(
  name: string,
  properties: Readonly<Record<string, PropertyValue>>,
  children: readonly TreeNode[] = [],
): TreeNode {
  return { name, properties, children };
}

/** The upper and the lower cell of a number below 2^53. */
export function wide(value: number): [number, number] {
  return [Math.floor(value / 0x1_0000_0000), value >>> 0];
}

/** A property's value as it stands in the tree: big-endian cells, strings with their zero bytes. */
export function encodeProperty(value: PropertyValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value === true) return new Uint8Array(0);
  if (typeof value === "bigint") {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value);
    return bytes;
  }
  if (typeof value === "number") return encodeCells([value]);
  if (typeof value === "string") return encodeStrings([value]);
  return isCells(value) ? encodeCells(value) : encodeStrings(value);
}

function isCells(list: readonly string[] | readonly number[]): list is readonly number[] {
  return list.length > 0 && typeof list[0] === "number";
}

function encodeCells(cells: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(cells.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, cell] of cells.entries()) view.setUint32(i * 4, cell >>> 0);
  return bytes;
}

function encodeStrings(strings: readonly string[]): Uint8Array {
  return new TextEncoder().encode(strings.map((s) => `${s}\0`).join(""));
}
