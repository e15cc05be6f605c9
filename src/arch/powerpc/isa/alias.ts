/**
 * Extended mnemonics: other spellings of an instruction, declared as text (`aliases.ts`).
 *
 *   alias("sldi[.] ra, rs, n", "rldicr[.] ra, rs, n, 63-n")
 *
 * Right of the comma stands a declared instruction with a value for each of its operands, in terms of the operands on the
 * left. [.] declares the pair without and with the dot; [l] and [a] likewise. A value of 64-n that comes to 64 is 0.
 */
import { Scanner } from "./expression.js";
import { type OperandKind, parseTemplate, type Template } from "./operand.js";

export interface Alias {
  readonly mnemonic: string;
  readonly template: Template;
  /** The mnemonic of the instruction it stands for. */
  readonly target: string;
  /** A value for each operand of the target, in order. */
  readonly values: readonly AliasValue[];
  /** Whether the disassembler prefers it to the instruction's own name. */
  readonly print: boolean;
}

/** An expression over the alias's operands. */
export interface AliasValue {
  readonly text: string;
  readonly variables: readonly string[];
  evaluate(operand: (name: string) => bigint): bigint;
}

function parseValue(text: string, names: readonly string[]): AliasValue {
  const variables = [...new Set(text.match(/[a-z_]\w*/g) ?? [])];
  for (const name of variables) {
    if (!names.includes(name)) throw new Error(`"${name}" is not an operand on the left`);
  }
  return {
    text,
    variables,
    evaluate(operand) {
      return new Scanner(text, operand).expression().value;
    },
  };
}

function parseOne(left: string, right: string, print: boolean): Alias {
  try {
    const [, mnemonic = "", operands = ""] = /^(\S+)\s*(.*)$/.exec(left) ?? [];
    const [, target = "", list = ""] = /^(\S+)\s*(.*)$/.exec(right) ?? [];
    const template = parseTemplate(operands);
    const values =
      list === ""
        ? []
        : list.split(/[,(]/).map((v) => parseValue(v.trim().replace(/^([^(]*)\)$/, "$1"), template.names));
    // An alias's operands are always written: leaving one out would make it the shorter alias beside it.
    return { mnemonic, template: { ...template, required: template.names.length }, target, values, print };
  } catch (error) {
    throw new Error(`alias "${left}": ${error instanceof Error ? error.message : error}`);
  }
}

function declare(left: string, right: string, print: boolean): Alias[] {
  const option = /\[([^\]]+)\]/.exec(left);
  if (!option) return [parseOne(left, right, print)];
  const [bracketed, suffix = ""] = option;
  if (!right.includes(bracketed)) throw new Error(`alias "${left}": ${bracketed} is missing in "${right}"`);
  return ["", suffix].flatMap((s) => declare(left.replace(bracketed, s), right.replace(bracketed, s), print));
}

/** An extended mnemonic that the disassembler prints. Earlier ones win. */
export const alias = (left: string, right: string): Alias[] => declare(left, right, true);
/** An extended mnemonic that only the assembler knows. */
export const accept = (left: string, right: string): Alias[] => declare(left, right, false);

/** How many registers an operand can name, where the instruction it stands for may name more. */
const registerCounts: Readonly<Partial<Record<OperandKind, number>>> = { r: 32, f: 32, v: 32, vs: 64, cr: 8 };

/**
 * The alias's operands if the target's operands have these values, else undefined. Only values with one operand to the
 * first degree can be solved; `accept` may use others.
 * `modulus` gives 2^width of the i-th operand of the target.
 */
export function matchAlias(
  candidate: Alias,
  operands: readonly bigint[],
  modulus: (index: number) => bigint,
): ReadonlyMap<string, bigint> | undefined {
  const bound = new Map<string, bigint>();
  for (const [i, value] of candidate.values.entries()) {
    const actual = operands[i];
    if (actual === undefined) return undefined;
    const [name] = value.variables;
    if (name === undefined) {
      if (value.evaluate(() => undefined as never) !== actual) return undefined;
      continue;
    }
    const at0 = value.evaluate(() => 0n);
    const slope = value.evaluate(() => 1n) - at0;
    if ((actual - at0) % slope !== 0n) return undefined;
    let solved = (actual - at0) / slope;
    if (slope < 0n && at0 === modulus(i) && actual === 0n) solved = 0n;
    if (solved < 0n && at0 !== 0n) return undefined;
    const before = bound.get(name);
    if (before !== undefined && before !== solved) return undefined;
    bound.set(name, solved);
  }
  if (candidate.values.length !== operands.length) return undefined;
  for (const part of candidate.template.parts) {
    if (part.type === "operand" && (bound.get(part.name) ?? 0n) >= (registerCounts[part.kind] ?? Infinity))
      return undefined;
  }
  return bound;
}
