/**
 * Expressions as the kernel's tools simplify them before they look for loops: `H || !H` of a bool depends on nothing. The
 * value stays what it was. Source: scripts/kconfig/expr.c (expr_transform, expr_eliminate_dups).
 */
import type { Expression, Relation } from "./expression.js";
import type { ConfigSymbol } from "./model.js";

/** The constants that an expression may become. */
export interface Constants {
  readonly y: ConfigSymbol;
  readonly m: ConfigSymbol;
  readonly n: ConfigSymbol;
}

const constant = (symbol: ConfigSymbol): Expression => ({ op: "symbol", symbol });
const compared = (op: Relation, low: ConfigSymbol, high: ConfigSymbol): Expression => ({ op, low, high });
const opposite: Readonly<Record<Relation, Relation>> = {
  "=": "!=",
  "!=": "=",
  "<": ">=",
  "<=": ">",
  ">": "<=",
  ">=": "<",
};

export function simplify(expression: Expression, constants: Constants): Expression {
  switch (expression.op) {
    case "symbol":
      return expression;
    case "not":
      return negate(expression.of, constants);
    case "and":
    case "or":
      return join(expression.op, [expression.left, expression.right], constants);
    default:
      return comparison(expression, constants);
  }
}

/** `!` goes down to the leaves. */
function negate(expression: Expression, constants: Constants): Expression {
  switch (expression.op) {
    case "symbol":
      if (expression.symbol === constants.y) return constant(constants.n);
      if (expression.symbol === constants.n) return constant(constants.y);
      return { op: "not", of: expression };
    case "not":
      return simplify(expression.of, constants);
    case "and":
    case "or": {
      const parts = [expression.left, expression.right].map((of): Expression => ({ op: "not", of }));
      return join(expression.op === "and" ? "or" : "and", parts, constants);
    }
    default:
      return comparison({ ...expression, op: opposite[expression.op] }, constants);
  }
}

/** A bool that is compared with y or n stands for itself. */
function comparison(expression: Expression & { readonly op: Relation }, constants: Constants): Expression {
  const { op, low, high } = expression;
  if (low.type !== "bool" || (op !== "=" && op !== "!=")) return expression;
  if (high === constants.m) return constant(op === "=" ? constants.n : constants.y);
  if (high !== constants.y && high !== constants.n) return expression;
  return (high === constants.y) === (op === "=") ? constant(low) : { op: "not", of: constant(low) };
}

function join(op: "and" | "or", parts: readonly Expression[], constants: Constants): Expression {
  const [whole, nothing] = op === "or" ? [constants.y, constants.n] : [constants.n, constants.y];
  const is = (part: Expression, symbol: ConfigSymbol) => part.op === "symbol" && part.symbol === symbol;
  const kept: Expression[] = [];
  for (const part of parts.flatMap((one) => flat(op, simplify(one, constants)))) {
    let next: Expression | undefined = part;
    for (let at = 0; next && at < kept.length; at++) {
      const joined = joinTwo(op, kept[at] as Expression, next, constants);
      if (!joined) continue;
      kept.splice(at, 1);
      // What came of two may go together with one before.
      next = joined;
      at = -1;
    }
    kept.push(next);
  }
  if (kept.some((part) => is(part, whole))) return constant(whole);
  const left = kept.filter((part) => !is(part, nothing));
  return (
    left.reduce<Expression | undefined>((all, part) => (all ? { op, left: all, right: part } : part), undefined) ??
    constant(nothing)
  );
}

const flat = (op: "and" | "or", part: Expression): Expression[] =>
  part.op === op ? [...flat(op, part.left), ...flat(op, part.right)] : [part];

/** One expression for both; undefined: there is none. */
function joinTwo(op: "and" | "or", a: Expression, b: Expression, constants: Constants): Expression | undefined {
  if (isSame(a, b)) return a;
  const symbol = leafOf(a);
  if (!symbol || symbol !== leafOf(b) || (symbol.type !== "bool" && symbol.type !== "tristate")) return undefined;
  if (op === "or") {
    const both = [a.op, b.op].sort().join();
    if (symbol.type === "bool" && both === "not,symbol") return constant(constants.y);
    return joinComparisons("=", a, b, constants);
  }
  return alone(a, b, constants) ?? alone(b, a, constants) ?? joinComparisons("!=", a, b, constants);
}

/** `A && A = y`, `A && A != n`, `A && A != m`. */
function alone(a: Expression, b: Expression, { y, m, n }: Constants): Expression | undefined {
  if (a.op !== "symbol") return undefined;
  if (b.op === "=" && b.high === y) return b;
  if (b.op === "!=" && b.high === n) return a;
  return b.op === "!=" && b.high === m ? compared("=", a.symbol, y) : undefined;
}

/** Of a tristate: two values that it may have are all but the third; two that it may not, only the third. */
function joinComparisons(op: "=" | "!=", a: Expression, b: Expression, constants: Constants): Expression | undefined {
  if (a.op !== op || b.op !== op || a.low.type !== "tristate") return undefined;
  const all = [constants.y, constants.m, constants.n];
  if (!all.includes(a.high) || !all.includes(b.high)) return undefined;
  const third = all.find((one) => one !== a.high && one !== b.high);
  return third && compared(opposite[op], a.low, third);
}

function leafOf(expression: Expression): ConfigSymbol | undefined {
  switch (expression.op) {
    case "symbol":
      return expression.symbol;
    case "not":
      return expression.of.op === "symbol" ? expression.of.symbol : undefined;
    case "=":
    case "!=":
      return expression.low;
    default:
      return undefined;
  }
}

function isSame(a: Expression, b: Expression): boolean {
  switch (a.op) {
    case "symbol":
      return b.op === "symbol" && a.symbol === b.symbol;
    case "not":
      return b.op === "not" && isSame(a.of, b.of);
    case "and":
    case "or":
      return b.op === a.op && isSame(a.left, b.left) && isSame(a.right, b.right);
    default:
      return b.op === a.op && a.low === b.low && a.high === b.high;
  }
}
