/** Why a configuration cannot be as it was asked for. The kernel's tools change such values without a word. */
import type { Asked, Evaluation } from "./evaluate.js";
import { type Expression, formatExpression, mod, no, symbolsOf, type Tristate, tristateNames } from "./expression.js";
import { type ConfigSymbol, isLogical } from "./model.js";

/** One sentence for each option that would not be what was asked, or that is selected against what it depends on. */
export function contradictions(evaluation: Evaluation, asked: Asked): string[] {
  const out: string[] = [];
  for (const [symbol, wanted] of asked) {
    const is = evaluation.text(symbol);
    const text = typeof wanted === "string" ? wanted : tristateNames[wanted];
    if (is !== text) out.push(`${symbol.name}=${text} cannot be: ${reason(evaluation, asked, symbol, wanted)}`);
  }
  for (const symbol of evaluation.kconfig.symbols.values()) {
    const { dependency, selected } = evaluation.value(symbol);
    if (symbol.choice || dependency >= selected) continue;
    const by = selectors(evaluation, symbol).join(" and ");
    out.push(`${symbol.name} is selected by ${by}, but depends on ${unmet(evaluation, symbol.dependency)}`);
  }
  return out;
}

function reason(evaluation: Evaluation, asked: Asked, symbol: ConfigSymbol, wanted: Tristate | string): string {
  const value = evaluation.value(symbol);
  if (!isLogical(symbol.type)) {
    if (value.visible === no) return hidden(evaluation, symbol);
    const range = evaluation.first(symbol, "range");
    const [low, high] = range ? evaluation.bounds(range) : [0n, 0n];
    return `it must lie between ${low} and ${high}`;
  }
  if (symbol.choice && value.visible !== no) {
    const chosen = evaluation.value(symbol.choice).chosen;
    const others = symbol.choice.values.filter((other) => other !== symbol && asked.get(other) === 2);
    if (wanted === no) return `${symbol.choice.title} must have one value, and no other is chosen`;
    return `of ${symbol.choice.title} only one can be y, and ${(others[0] ?? chosen)?.name} is`;
  }
  if (value.tristate > Number(wanted)) {
    const modules = evaluation.kconfig.modules;
    if (wanted === mod && evaluation.tristate(modules) === no) return `m needs ${modules.name}, which is n`;
    if (value.selected > Number(wanted)) return `it is selected by ${selectors(evaluation, symbol).join(" and ")}`;
    if (value.visible !== no) return `its declaration lets it be n or y only`;
    const is = tristateNames[value.tristate];
    return prompts(symbol) ? `it is ${is}, and can be set only with ${unmet(evaluation, condition(symbol))}` : noPrompt;
  }
  return value.visible === no ? hidden(evaluation, symbol) : `it depends on ${unmet(evaluation, condition(symbol))}`;
}

const noPrompt = "it has no prompt: others decide it";
const prompts = (symbol: ConfigSymbol): boolean => symbol.properties.some(({ kind }) => kind === "prompt");

function hidden(evaluation: Evaluation, symbol: ConfigSymbol): string {
  const whole = condition(symbol);
  if (!prompts(symbol)) return noPrompt;
  return `it depends on ${unmet(evaluation, whole)}`;
}

const condition = (symbol: ConfigSymbol): Expression | undefined =>
  symbol.properties.find(({ kind }) => kind === "prompt")?.condition ?? symbol.dependency;

/** What keeps the expression from being more than it is, and what the options in it are. */
function unmet(evaluation: Evaluation, expression: Expression | undefined): string {
  const parts = conjuncts(expression);
  const least = Math.min(...parts.map((part) => evaluation.evaluate(part)));
  const limiting = parts.filter((part) => evaluation.evaluate(part) === least);
  const texts = new Set(limiting.map((part) => formatExpression(part, undefined, "and")));
  const values = new Set(
    limiting
      .flatMap((part) => symbolsOf(part))
      .filter((symbol) => !symbol.constant && symbol.type)
      .map((symbol) => `${symbol.title} is ${evaluation.text(symbol)}`),
  );
  const all = values.size > 0 ? ` (${[...values].join(", ")})` : "";
  return `${[...texts].join(" && ")}${all}`;
}

/** What must all hold. */
const conjuncts = (expression: Expression | undefined): Expression[] =>
  expression?.op === "and"
    ? [...conjuncts(expression.left), ...conjuncts(expression.right)]
    : expression
      ? [expression]
      : [];

function selectors(evaluation: Evaluation, symbol: ConfigSymbol): string[] {
  return symbol.selectedBy
    .filter((expression) => evaluation.evaluate(expression) !== no)
    .map((expression) => formatExpression(expression.op === "and" ? expression.left : expression))
    .filter((name, i, all) => all.indexOf(name) === i);
}
