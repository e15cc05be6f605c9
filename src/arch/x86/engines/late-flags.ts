/**
 * Flags that regions leave to be worked out by whoever looks. A word of the state, `flagSource`, says what they come from, with
 * the operands where two of the flags are: 0 where all five are there themselves, as they are outside regions.
 */
import type { FlagName, FlagSource } from "../isa/machine.js";

export const flagNames = ["zero", "sign", "overflow", "carry", "adjust"] as const satisfies readonly FlagName[];

/** Where the operands are; the second one only of what has two. */
export const operandPlaces = { a: "zero", b: "overflow" } as const satisfies Record<string, FlagName>;

/** What flags come from, but for the operands. */
export type FlagOrigin = Pick<FlagSource, "operation" | "size">;

/** Each by its number: 0 has none. */
export const origins: readonly (FlagOrigin | undefined)[] = [
  undefined,
  ...(["difference", "logic", "sum", "shr", "shl", "sar"] as const).flatMap((operation) =>
    ([64, 32, 8, 16] as const).map((size) => ({ operation, size })),
  ),
];

export const originNumber = (origin: FlagOrigin): number =>
  origins.findIndex((known) => known?.operation === origin.operation && known.size === origin.size);

/** The flags whose places count. */
export function placesOf(number: number): readonly FlagName[] {
  const origin = origins[number];
  if (!origin) return flagNames;
  return origin.operation === "logic" ? [operandPlaces.a] : [operandPlaces.a, operandPlaces.b];
}
