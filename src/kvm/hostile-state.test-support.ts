/** States with one value that is another, as hostile files have them. */

/** The same numbers for the same seed. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export const junk = [
  -1,
  0,
  1,
  7,
  255,
  65535,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1n,
  0n,
  1n,
  1n << 31n,
  (1n << 64n) - 1n,
  1n << 70n,
  "text",
  null,
  undefined,
  true,
  [],
  {},
  new Uint8Array(3),
  [1n],
  [-1],
  { a: 1 },
] as const;

/** The ways to every value in it; of a list of numbers to the first and the last. */
export function* places(value: unknown, way: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  const keys = Object.keys(value);
  const plain = Array.isArray(value) && typeof value[0] !== "object";
  for (const key of plain ? keys.filter((_, i) => i === 0 || i === keys.length - 1) : keys) {
    yield [...way, key];
    yield* places((value as Record<string, unknown>)[key], [...way, key]);
  }
}

export function put(value: unknown, [key = "", ...way]: readonly string[], other: unknown): void {
  const holder = value as Record<string, unknown>;
  if (way.length === 0) holder[key] = other;
  else put(holder[key], way, other);
}
