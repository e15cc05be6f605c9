/**
 * The values that follow from what was asked for: visibility, defaults, select, imply, choices, the limits of m.
 * Sources: kconfig-language.rst; scripts/kconfig/symbol.c.
 */
import { type Expression, mod, no, type Relation, type Tristate, tristateNames, yes } from "./expression.js";
import { type ConfigSymbol, isLogical, type Property, type SymbolType } from "./model.js";
import type { Kconfig } from "./parser.js";

/** What a .config asks for: a tristate for bool and tristate, else text. */
export type Asked = ReadonlyMap<ConfigSymbol, Tristate | string>;

/** What an option is, and why. */
export interface Value {
  /** bool and tristate; n for others. */
  tristate: Tristate;
  /** int, hex and string, without quotes. */
  text: string;
  /** How far the user may set it. */
  visible: Tristate;
  /** What it depends on, and what it is forced to at least. */
  dependency: Tristate;
  selected: Tristate;
  implied: Tristate;
  /** Of a choice: what is chosen. */
  chosen: ConfigSymbol | undefined;
  /** Whether a .config names it. */
  written: boolean;
}

export class Evaluation {
  readonly kconfig: Kconfig;
  readonly #asked: Asked;
  readonly #choices = new Map<ConfigSymbol, { tristate: Tristate; value: ConfigSymbol | undefined }>();
  readonly #values = new Map<ConfigSymbol, Value>();

  constructor(kconfig: Kconfig, asked: Asked) {
    this.kconfig = kconfig;
    this.#asked = asked;
    // The last value of a choice that is asked for is the chosen one.
    for (const [symbol, value] of asked) {
      if (!symbol.choice || typeof value !== "number") continue;
      const known = this.#choices.get(symbol.choice) ?? { tristate: no, value: undefined };
      if (value === yes) known.value = symbol;
      known.tristate = larger(known.tristate, value);
      this.#choices.set(symbol.choice, known);
    }
  }

  tristate(symbol: ConfigSymbol): Tristate {
    return this.value(symbol).tristate;
  }

  /** As a .config writes it, without quotes. */
  text(symbol: ConfigSymbol): string {
    const { tristate, text } = this.value(symbol);
    if (!isLogical(symbol.type)) return text;
    if (tristate === mod && this.tristate(this.kconfig.modules) === no) return "n";
    return tristateNames[tristate];
  }

  /** Undefined stands for y. */
  evaluate(expression: Expression | undefined): Tristate {
    if (!expression) return yes;
    switch (expression.op) {
      case "symbol":
        return this.tristate(expression.symbol);
      case "not":
        return (yes - this.evaluate(expression.of)) as Tristate;
      case "and":
        return smaller(this.evaluate(expression.left), this.evaluate(expression.right));
      case "or":
        return larger(this.evaluate(expression.left), this.evaluate(expression.right));
      default:
        return this.#compare(expression.op, expression.low, expression.high) ? yes : no;
    }
  }

  #compare(relation: Relation, low: ConfigSymbol, high: ConfigSymbol): boolean {
    const texts = [this.text(low), this.text(high)] as const;
    const numbers =
      low.type === "string" && high.type === "string"
        ? ([undefined, undefined] as const)
        : ([numberOf(texts[0], low.type), numberOf(texts[1], high.type)] as const);
    const [a, b] = numbers;
    const order = a === undefined || b === undefined ? compareOf(texts[0], texts[1]) : compareOf(a, b);
    switch (relation) {
      case "=":
        return order === 0;
      case "!=":
        return order !== 0;
      case "<":
        return order < 0;
      case "<=":
        return order <= 0;
      case ">":
        return order > 0;
      case ">=":
        return order >= 0;
      default:
        return relation satisfies never;
    }
  }

  /** The first property of a kind that is in force. */
  first<K extends Property["kind"]>(symbol: ConfigSymbol, kind: K): (Property & { kind: K }) | undefined {
    return symbol.properties.find((property) => property.kind === kind && this.evaluate(property.condition) !== no) as
      | (Property & { kind: K })
      | undefined;
  }

  value(symbol: ConfigSymbol): Value {
    const known = this.#values.get(symbol);
    if (known) return known;
    const value: Value = {
      tristate: symbol.constant ? (Math.max(no, tristateNames.indexOf(symbol.name as "n")) as Tristate) : no,
      text: symbol.type ? "" : (symbol.name ?? ""),
      visible: no,
      dependency: yes,
      selected: no,
      implied: no,
      chosen: undefined,
      written: false,
    };
    this.#values.set(symbol, value);
    if (!symbol.type) return value;
    this.#judgeVisibility(symbol, value);
    value.written = value.visible !== no;
    if (isLogical(symbol.type)) this.#judgeTristate(symbol, value);
    else this.#judgeText(symbol, value);
    return value;
  }

  #judgeVisibility(symbol: ConfigSymbol, value: Value): void {
    const bounded = (tristate: Tristate, asTristate: boolean): Tristate =>
      tristate === mod && !(asTristate && symbol.type === "tristate") ? yes : tristate;
    const modules = symbol !== this.kconfig.modules && this.tristate(this.kconfig.modules) !== no;
    let visible: Tristate = no;
    for (const property of symbol.properties) {
      if (property.kind !== "prompt") continue;
      const here = this.evaluate(property.condition);
      // Where one is chosen for good, others cannot be modules.
      const shut = here === mod && symbol.choice && symbol.type === "tristate" && this.tristate(symbol.choice) === yes;
      visible = larger(visible, shut ? no : here);
    }
    value.visible = bounded(visible, modules);
    if (symbol.choice) return;
    const tristate = this.#isTristate(symbol, value);
    value.dependency = bounded(this.evaluate(symbol.dependency), tristate);
    const any = (list: readonly Expression[]): Tristate =>
      list.reduce<Tristate>((sum, expression) => larger(sum, this.evaluate(expression)), no);
    value.selected = bounded(any(symbol.selectedBy), tristate);
    value.implied = bounded(any(symbol.impliedBy), tristate);
  }

  /** Whether it can be m. */
  #isTristate(symbol: ConfigSymbol, { visible }: Value): boolean {
    if (symbol.type !== "tristate" || (symbol.choice && visible === yes)) return false;
    return this.tristate(this.kconfig.modules) !== no;
  }

  #judgeTristate(symbol: ConfigSymbol, value: Value): void {
    if (symbol.choice && value.visible === yes) {
      value.tristate = this.value(symbol.choice).chosen === symbol ? yes : no;
    } else {
      const asked = symbol.isChoice ? (this.#choices.get(symbol)?.tristate ?? no) : this.#asked.get(symbol);
      let tristate: Tristate = no;
      if (value.visible !== no && typeof asked === "number") tristate = smaller(asked, value.visible);
      else {
        if (value.selected !== no) value.written = true;
        if (!symbol.isChoice) tristate = this.#unasked(symbol, value);
      }
      value.tristate = larger(tristate, value.selected);
    }
    if (value.tristate === mod && !this.#isTristate(symbol, value)) value.tristate = yes;
    if (!symbol.isChoice) return;
    if (value.tristate === yes) value.chosen = this.#choose(symbol, value);
    for (const each of symbol.values) {
      const other = this.value(each);
      if (value.written && other.visible !== no) other.written = true;
    }
    value.written = false;
  }

  /** What defaults and implications make it. */
  #unasked(symbol: ConfigSymbol, value: Value): Tristate {
    let tristate: Tristate = no;
    const standard = this.first(symbol, "default");
    if (standard) {
      tristate = smaller(this.evaluate(standard.value), this.evaluate(standard.condition));
      if (tristate !== no) value.written = true;
    }
    if (value.implied !== no) {
      value.written = true;
      tristate = smaller(larger(tristate, value.implied), value.dependency);
    }
    return tristate;
  }

  #choose(choice: ConfigSymbol, value: Value): ConfigSymbol | undefined {
    // Their visibility depends on the choice's value, which is known by now.
    const visible = (symbol: ConfigSymbol): boolean =>
      symbol.properties.some(({ kind, condition }) => kind === "prompt" && this.#visibleIn(symbol, condition));
    const asked = this.#choices.get(choice)?.value;
    if (asked && visible(asked)) return asked;
    for (const property of choice.properties) {
      if (property.kind !== "default" || property.value.op !== "symbol") continue;
      if (this.evaluate(property.condition) !== no && visible(property.value.symbol)) return property.value.symbol;
    }
    const first = choice.values.find(visible);
    if (!first) value.tristate = no;
    return first;
  }

  #visibleIn(symbol: ConfigSymbol, condition: Expression | undefined): boolean {
    const here = this.evaluate(condition);
    return symbol.type === "tristate" ? here === yes : here !== no;
  }

  #judgeText(symbol: ConfigSymbol, value: Value): void {
    const asked = this.#asked.get(symbol);
    const range = this.first(symbol, "range");
    if (value.visible !== no && typeof asked === "string" && this.withinRange(symbol, asked)) {
      value.text = asked;
    } else {
      const standard = this.first(symbol, "default");
      if (standard?.value.op === "symbol") {
        value.written = true;
        value.text = this.text(standard.value.symbol);
      }
    }
    if (!range) return;
    const number = numberOf(value.text, symbol.type) ?? 0n;
    const [low, high] = this.bounds(range);
    if (number < low) value.text = this.text(range.low);
    else if (number > high) value.text = this.text(range.high);
  }

  bounds({ low, high, node }: Property & { kind: "range" }): readonly [bigint, bigint] {
    // A number as such is written like the values of the option that it bounds.
    const bound = ({ type }: ConfigSymbol) => (type === "int" || type === "hex" ? type : node.symbol?.type);
    return [numberOf(this.text(low), bound(low)) ?? 0n, numberOf(this.text(high), bound(high)) ?? 0n];
  }

  /** Whether a user may give this text. */
  withinRange(symbol: ConfigSymbol, text: string): boolean {
    if (symbol.type === "string") return true;
    if (!isNumber(text, symbol.type)) return false;
    const range = this.first(symbol, "range");
    if (!range) return true;
    const [low, high] = this.bounds(range);
    const number = numberOf(text, symbol.type) ?? 0n;
    return number >= low && number <= high;
  }
}

export const smaller = (a: Tristate, b: Tristate): Tristate => (a < b ? a : b);
export const larger = (a: Tristate, b: Tristate): Tristate => (a > b ? a : b);

const compareOf = <T extends bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** How an int or a hex is written. */
export const isNumber = (text: string, type: SymbolType | undefined): boolean =>
  type === "hex" ? /^(?:0[xX])?[0-9a-fA-F]+$/.test(text) : /^-?(?:0|[1-9][0-9]*)$/.test(text);

/** A value as a comparison reads it; undefined: only its text can be compared. */
function numberOf(text: string, type: SymbolType | undefined): bigint | undefined {
  if (isLogical(type)) return BigInt(tristateNames.indexOf(text as "n"));
  const match = /^([+-]?)(0[xX])?([0-9a-fA-F]+)$/.exec(text);
  if (!match) return undefined;
  const [, sign, prefix, digits = ""] = match;
  const octal = type === undefined || type === "string" ? !prefix && /^0[0-7]+$/.test(digits) : false;
  const hex = type === "hex" || (prefix !== undefined && type !== "int");
  if (prefix && type === "int") return undefined;
  if (!hex && !/^[0-9]+$/.test(digits)) return undefined;
  const size = BigInt(hex ? `0x${digits}` : octal ? `0o${digits}` : digits);
  return sign === "-" ? -size : size;
}
