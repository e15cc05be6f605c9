/** Plain data with a declared layout: offsets are derived from a list of fields, once. */

export type FieldType = "i32" | "i64" | "f64";
export type FieldList = Readonly<Record<string, FieldType | readonly [FieldType, number]>>;

const sizeOf = { i32: 4, i64: 8, f64: 8 } as const;

export interface Struct<F extends FieldList> {
  /** Byte offset of each field. */
  readonly offset: { readonly [K in keyof F]: number };
  /** Bytes, a multiple of 8. */
  readonly size: number;
  /** As declared. */
  readonly fields: F;
}

/** Lays the fields out in their order, each aligned to its size. */
export function struct<const F extends FieldList>(fields: F): Struct<F> {
  const offset: Record<string, number> = {};
  let at = 0;
  for (const [name, field] of Object.entries(fields)) {
    const [type, count] = typeof field === "string" ? [field, 1] : field;
    at = alignUp(at, sizeOf[type]);
    offset[name] = at;
    at += sizeOf[type] * count;
  }
  return { offset: offset as Struct<F>["offset"], size: alignUp(at, 8), fields };
}

/** The next multiple of `alignment`. */
export const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;
