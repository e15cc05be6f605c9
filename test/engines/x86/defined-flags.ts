/** Which flags of an instruction's result are defined, for comparisons. */
import type { Form } from "../../../src/arch/x86/isa/encoding.js";

const letters: Readonly<Record<string, number>> = { o: 11, s: 7, z: 6, a: 4, p: 2, c: 0 };
/** The arithmetic flags, and the direction. */
const compared = 0xcd5n;

export interface DrawnInstruction {
  readonly form: Form;
  readonly operandSize: number;
  readonly general: readonly bigint[];
  readonly code: readonly number[];
  readonly length: number;
}

/** Flags of a case that are defined; undefined if its result is not. */
export function definedFlags({ form, operandSize, general, code, length }: DrawnInstruction): bigint | undefined {
  const { always = "", beyondOne = "", beyondSize = "" } = form.definition.options.undefinedFlags ?? {};
  const size = form.sizeRule === 0 ? 8 : operandSize;
  let count = 1;
  const type = form.operands.find(({ name }) => name === "count");
  if (type?.kind === "u") count = code[length - 1] as number;
  else if (type?.kind === "c") count = Number((general[1] as bigint) & 0xffn);
  count &= size === 64 ? 63 : 31;
  let out = count > 0 ? always : "";
  if (count > 1) out += beyondOne;
  if (count >= size) out += beyondSize;
  if (count > size && form.definition.name.startsWith("sh") && form.definition.name.endsWith("d")) return undefined;
  return [...out].reduce((mask, letter) => mask & ~(1n << BigInt(letters[letter] as number)), compared);
}
