/** Expressions of the Kconfig language: tristate logic on symbols. Source: kconfig-language.rst, "Menu dependencies". */
import type { ConfigSymbol, Expression } from "./model.js";

export type { Expression, Relation } from "./model.js";

/** n, m, y. */
export type Tristate = 0 | 1 | 2;
export const no = 0;
export const mod = 1;
export const yes = 2;
export const tristateNames = ["n", "m", "y"] as const;

export const symbolOf = (symbol: ConfigSymbol): Expression => ({ op: "symbol", symbol });
/** Undefined stands for y on either side. */
export function and(left: Expression | undefined, right: Expression | undefined): Expression | undefined {
  return left && right ? { op: "and", left, right } : (left ?? right);
}
export const or = (left: Expression | undefined, right: Expression): Expression =>
  left ? { op: "or", left, right } : right;

/** Every symbol that it mentions. */
export function symbolsOf(expression: Expression | undefined, out: ConfigSymbol[] = []): ConfigSymbol[] {
  if (!expression) return out;
  switch (expression.op) {
    case "symbol":
      out.push(expression.symbol);
      break;
    case "not":
      symbolsOf(expression.of, out);
      break;
    case "and":
    case "or":
      symbolsOf(expression.left, out);
      symbolsOf(expression.right, out);
      break;
    default:
      out.push(expression.low, expression.high);
  }
  return out;
}

/** Replaces parts, from the leaves up. */
export function rewrite(
  expression: Expression | undefined,
  leaf: (part: Expression) => Expression,
): Expression | undefined {
  if (!expression) return undefined;
  const inner = (part: Expression): Expression => rewrite(part, leaf) as Expression;
  switch (expression.op) {
    case "not":
      return { op: "not", of: inner(expression.of) };
    case "and":
    case "or":
      return { op: expression.op, left: inner(expression.left), right: inner(expression.right) };
    default:
      return leaf(expression);
  }
}

const quoted = (symbol: ConfigSymbol): string =>
  symbol.constant && !/^[ymn]$/.test(symbol.name ?? "") ? `"${symbol.name}"` : symbol.title;

/** As the language writes it; `describe` puts a symbol into words. */
export function formatExpression(
  expression: Expression,
  describe: (symbol: ConfigSymbol) => string = quoted,
  around: "or" | "and" | "not" = "or",
): string {
  switch (expression.op) {
    case "symbol":
      return describe(expression.symbol);
    case "not":
      return `!${formatExpression(expression.of, describe, "not")}`;
    case "and": {
      const text = `${formatExpression(expression.left, describe, "and")} && ${formatExpression(expression.right, describe, "and")}`;
      return around === "not" ? `(${text})` : text;
    }
    case "or": {
      const text = `${formatExpression(expression.left, describe)} || ${formatExpression(expression.right, describe)}`;
      return around === "or" ? text : `(${text})`;
    }
    default: {
      const text = `${quoted(expression.low)} ${expression.op} ${quoted(expression.high)}`;
      return around === "not" ? `(${text})` : text;
    }
  }
}
