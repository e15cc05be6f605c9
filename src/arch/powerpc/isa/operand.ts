/**
 * Operands as the assembler writes them: what kind an operand is follows from its name (see the head of `insn.ts`),
 * and an operand list such as "rt, ds(ra)" is read into a template that assembler and disassembler share.
 */

/** `register` kinds carry the prefix they are printed with; a number in their place is accepted too. */
export type OperandKind = "r" | "f" | "v" | "vs" | "a" | "cr" | "crbit" | "target" | "number";

const kinds: Readonly<Record<string, OperandKind>> = Object.fromEntries(
  (
    [
      ["r", "rt ra rb rc rs rtp rsp rap rbp"],
      ["f", "frt fra frb frc frs frtp frsp frap frbp"],
      ["v", "vrt vra vrb vrc vrs"],
      ["vs", "xt xa xb xc xs"],
      ["a", "at"],
      ["cr", "bf bfa"],
      ["crbit", "bi bt ba bb bc"],
      ["target", "target"],
    ] as [OperandKind, string][]
  ).flatMap(([kind, names]) => names.split(" ").map((name) => [name, kind])),
);

/** What an operand of this name is. */
export const kindOf = (name: string): OperandKind => kinds[name] ?? "number";

/** Operands that the assembler may leave out at the end of the list; they are then 0, and 0 is not printed. */
const optional = new Set(["bh", "eh", "l", "w", "ric", "prs", "r", "ih", "wc", "th", "lev", "is", "sc", "pl"]);
export const isOptional = (name: string): boolean => optional.has(name);

/** One piece of an operand list: punctuation, an operand by name, or a number that must stand there. */
export type TemplatePart =
  | { readonly type: "punctuation"; readonly text: "," | "(" | ")" }
  | { readonly type: "operand"; readonly name: string; readonly kind: OperandKind }
  | { readonly type: "fixed"; readonly value: number };

export interface Template {
  readonly parts: readonly TemplatePart[];
  /** Number of operands that must be written. */
  readonly required: number;
  /** Names of the operands in order; a fixed number has none. */
  readonly names: readonly string[];
}

/** Reads an operand list. Throws an Error that quotes it if it is not names, numbers, commas and parentheses. */
export function parseTemplate(operands: string): Template {
  const parts: TemplatePart[] = [];
  for (const token of operands.match(/[a-zA-Z_]\w*|\d+|[^\s]/g) ?? []) {
    if (token === "," || token === "(" || token === ")") parts.push({ type: "punctuation", text: token });
    else if (/^[a-zA-Z_]/.test(token)) parts.push({ type: "operand", name: token, kind: kindOf(token) });
    else if (/^\d/.test(token)) parts.push({ type: "fixed", value: Number(token) });
    else throw new Error(`operand list "${operands}": unexpected "${token}"`);
  }
  const listed = parts.filter((p) => p.type !== "punctuation");
  let required = listed.length;
  while (required > 0) {
    const last = listed[required - 1];
    if (last?.type !== "operand" || !isOptional(last.name)) break;
    required--;
  }
  return { parts, required, names: listed.flatMap((p) => (p.type === "operand" ? [p.name] : [])) };
}

const bitNames = ["lt", "gt", "eq", "so"] as const;

/** An operand as the disassembler prints it. `value` is a bigint for `target` only. */
export function printOperand(kind: OperandKind, value: number | bigint): string {
  switch (kind) {
    case "r":
    case "f":
    case "v":
    case "vs":
    case "a":
    case "cr":
      return `${kind}${value}`;
    case "crbit": {
      const bit = bitNames[Number(value) & 3] as string;
      return Number(value) < 4 ? bit : `4*cr${Number(value) >> 2}+${bit}`;
    }
    case "target":
      return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
    case "number":
      return `${value}`;
    default:
      return kind satisfies never;
  }
}

/**
 * The operand list with values in place, in the assembler's spelling ("r3,8(r4)"). Optional operands at the end that
 * are all 0 are left out. A name whose value is missing is a mistake of the caller.
 */
export function printOperands(template: Template, value: (name: string) => number | bigint): string {
  let end = template.parts.length;
  while (end > 0) {
    const part = template.parts[end - 1] as TemplatePart;
    if (part.type !== "operand" || !isOptional(part.name) || BigInt(value(part.name)) !== 0n) break;
    end -= end > 1 ? 2 : 1; // with its comma
  }
  let text = "";
  for (const part of template.parts.slice(0, end)) {
    if (part.type === "punctuation") text += part.text;
    else if (part.type === "fixed") text += part.value;
    else text += printOperand(part.kind, value(part.name));
  }
  return text;
}
