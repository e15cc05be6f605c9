/**
 * What holds once all files are read: every property depends on the menus around it, selecting is told to who is
 * selected, values know their choice. Source: kconfig-language.rst, "Menu structure"; scripts/kconfig/menu.c.
 */
import { and, type Expression, or, rewrite, symbolOf, symbolsOf } from "./expression.js";
import { type ConfigSymbol, isLogical, KconfigError, type MenuNode } from "./model.js";
import { type Constants, simplify } from "./simplify.js";

/** Throws KconfigError if options depend on themselves. */
export function finalize(
  root: MenuNode,
  modules: ConfigSymbol,
  constants: Constants,
  choices: readonly ConfigSymbol[],
): void {
  const { m, y } = constants;
  const simplified = (expression: Expression | undefined) => expression && simplify(expression, constants);
  /** `m` can only be where modules can be. */
  const withModules = (expression: Expression | undefined): Expression | undefined =>
    rewrite(expression, (part) =>
      part.op === "symbol" && part.symbol === m ? { op: "and", left: part, right: symbolOf(modules) } : part,
    );

  const visit = (parent: MenuNode, outer: Expression | undefined, visibility: Expression | undefined): void => {
    if (parent.symbol?.isChoice) adopt(parent.symbol, parent);
    for (const child of parent.children) {
      const { symbol } = child;
      const choice = symbol?.type === "tristate" || symbol?.choice?.type !== "tristate" ? undefined : symbol?.choice;
      // Values that are not tristate can be had only when exactly one is chosen.
      const chosen: Expression | undefined = choice && { op: "=", low: choice, high: y };
      const base = simplified(and(chosen, and(outer, withModules(child.dependency))));
      child.dependency = base;
      if (symbol) {
        finishProperties(symbol, child, base, visibility);
        // As the kernel's tools have it: a declaration that depends on nothing does not lift what another depends on.
        if (base) symbol.dependency = or(symbol.dependency, base);
      }
      visit(child, symbol?.isChoice ? symbolOf(symbol) : base, and(visibility, child.visibility));
    }
  };
  const finishProperties = (
    symbol: ConfigSymbol,
    node: MenuNode,
    base: Expression | undefined,
    visibility: Expression | undefined,
  ): void => {
    for (const property of symbol.properties) {
      if (property.node !== node) continue;
      const own = property.kind === "prompt" ? and(visibility, property.condition) : property.condition;
      const whole = simplified(and(base, withModules(own)));
      property.condition = symbol.type === "tristate" ? whole : withoutUnequalNo(whole);
      if (property.kind !== "select" && property.kind !== "imply") continue;
      const list = property.kind === "select" ? property.target.selectedBy : property.target.impliedBy;
      list.push(and(symbolOf(symbol), property.condition) as Expression);
    }
    // A choice that can be seen cannot be left unmade.
    const prompt = symbol.properties.find(({ kind, node: at }) => kind === "prompt" && at === node);
    if (symbol.isChoice && !symbol.optional && prompt) {
      symbol.selectedBy.push(and(prompt.condition, symbolOf(m)) as Expression);
    }
  };

  visit(root, undefined, undefined);
  checkTypes(root);
  checkCycles(root, choices);
}

/** What is not tristate reads `A != n` as `A`, of a bool or tristate. */
const withoutUnequalNo = (expression: Expression | undefined): Expression | undefined =>
  rewrite(expression, (part) =>
    part.op === "!=" && isLogical(part.low.type) && part.high.constant && part.high.name === "n"
      ? symbolOf(part.low)
      : part,
  );

/** The values of a choice, also those inside an `if`; types go both ways. */
function adopt(choice: ConfigSymbol, node: MenuNode): void {
  const collect = (at: MenuNode): void => {
    for (const child of at.children) {
      if (child.kind === "if") collect(child);
      else if (child.symbol && !child.symbol.isChoice) {
        choice.type ??= child.symbol.type;
        if (!choice.values.includes(child.symbol)) choice.values.push(child.symbol);
        child.symbol.choice = choice;
      }
    }
  };
  collect(node);
  for (const value of choice.values) value.type ??= choice.type;
}

function checkTypes(node: MenuNode): void {
  const { symbol } = node;
  if (symbol?.type === undefined && symbol && (!symbol.isChoice || symbol.values.length > 0)) {
    throw new KconfigError(node.place, `${symbol.title} has no type`);
  }
  for (const property of symbol?.properties ?? []) {
    if (property.node !== node) continue;
    const logical = symbol?.type === "bool" || symbol?.type === "tristate";
    const target = property.kind === "select" || property.kind === "imply" ? property.target : undefined;
    const fail = (why: string) => new KconfigError(node.place, `${symbol?.title}: ${why}`);
    if (target?.type !== undefined && target.type !== "bool" && target.type !== "tristate") {
      throw fail(`${property.kind} of ${target.title}, which is ${target.type}: only bool and tristate can be`);
    }
    if (target && !logical) throw fail(`${property.kind} is for bool and tristate`);
    if (property.kind === "range" && symbol?.type !== "int" && symbol?.type !== "hex") {
      throw fail("range is for int and hex");
    }
    if (property.kind === "default" && !logical && property.value.op !== "symbol") {
      throw fail(`the default of ${symbol?.type} must be one value`);
    }
  }
  for (const child of node.children) checkTypes(child);
}

/** What a symbol's value is computed from. Choice and values know each other; that is no cycle. */
function edges(symbol: ConfigSymbol): ConfigSymbol[] {
  const out = [...symbolsOf(symbol.dependency)];
  for (const expression of [...symbol.selectedBy, ...symbol.impliedBy]) symbolsOf(expression, out);
  for (const property of symbol.properties) {
    if (property.kind === "select" || property.kind === "imply") continue;
    symbolsOf(property.condition, out);
    if (property.kind === "default") symbolsOf(property.value, out);
    if (property.kind === "range") out.push(property.low, property.high);
  }
  return out.filter((other) => other.choice !== symbol && symbol.choice !== other);
}

function checkCycles(root: MenuNode, choices: readonly ConfigSymbol[]): void {
  const done = new Set<ConfigSymbol>();
  const walk = (symbol: ConfigSymbol, trail: readonly ConfigSymbol[]): void => {
    const at = trail.indexOf(symbol);
    if (at >= 0) {
      const names = [...trail.slice(at), symbol].map(({ title }) => title);
      throw new KconfigError(symbol.nodes[0]?.place, `recursive dependency: ${names.join(" -> ")}`);
    }
    if (done.has(symbol)) return;
    // A choice is computed with its values, and each of them with it.
    for (const next of [symbol, ...symbol.values].flatMap(edges)) {
      if (next.choice !== symbol)
        walk(next.choice && next.choice !== symbol.choice ? next.choice : next, [...trail, symbol]);
    }
    done.add(symbol);
  };
  const visit = (node: MenuNode): void => {
    if (node.symbol) walk(node.symbol, []);
    for (const child of node.children) visit(child);
  };
  visit(root);
  for (const choice of choices) walk(choice, []);
}
