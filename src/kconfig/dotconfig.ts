/** `.config` files, as the kernel's tools read and write them. Source: scripts/kconfig/confdata.c. */
import { contradictions } from "./contradictions.js";
import { type Asked, Evaluation, isNumber } from "./evaluate.js";
import { no, type Tristate, tristateNames } from "./expression.js";
import { type ConfigSymbol, isLogical, KconfigError, type MenuNode } from "./model.js";
import type { Kconfig } from "./parser.js";

export interface ReadConfig {
  readonly asked: Asked;
  /** Lines that ask for options that are not declared; the kernel's tools pass over them. */
  readonly unknown: readonly string[];
}

/** What a sentence shows of a line: a file that is no .config may be one line of anything. */
function shown(text: string): string {
  const visible = text.replaceAll(/\p{Cc}/gu, "?");
  return visible.length > 60 ? `${visible.slice(0, 60)}…` : visible;
}

/** Throws KconfigError with the line that is malformed. A later line about an option stands for an earlier one. */
export function readConfig(kconfig: Kconfig, text: string, file = ".config"): ReadConfig {
  const asked = new Map<ConfigSymbol, Tristate | string>();
  const unknown: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const place = { file, line: index + 1 };
    const unset = /^# CONFIG_([A-Za-z0-9_]+) is not set\s*$/.exec(line);
    if (!unset && (line.trim() === "" || line.startsWith("#"))) continue;
    const set = unset ?? /^CONFIG_([A-Za-z0-9_]+)=(.*?)\s*$/.exec(line);
    if (!set)
      throw new KconfigError(place, `\`${shown(line)}\` is neither CONFIG_NAME=value nor # CONFIG_NAME is not set`);
    const [, name = "", value = "n"] = set;
    const symbol = kconfig.symbols.get(name);
    if (!symbol?.type) {
      if (value !== "n") unknown.push(`${file}:${index + 1}: CONFIG_${name}`);
      continue;
    }
    if (unset && !isLogical(symbol.type)) continue;
    // So the kernel's tools write a number that has no default.
    if (value === "" && (symbol.type === "int" || symbol.type === "hex")) continue;
    asked.set(
      symbol,
      parseValue(symbol, value, (why) => new KconfigError(place, `CONFIG_${shown(`${name}=${value}`)}: ${why}`)),
    );
  }
  return { asked, unknown };
}

function parseValue(symbol: ConfigSymbol, text: string, fail: (why: string) => KconfigError): Tristate | string {
  switch (symbol.type) {
    case "bool":
    case "tristate": {
      const tristate = tristateNames.indexOf(text as "n");
      if (tristate < 0) throw fail(`${symbol.name} is ${symbol.type}, y${symbol.type === "bool" ? "" : ", m"} or n`);
      if (symbol.type === "bool" && text === "m") throw fail(`${symbol.name} is bool and cannot be m`);
      return tristate as Tristate;
    }
    case "string": {
      const match = /^"((?:[^"\\]|\\.)*)"$/.exec(text);
      if (!match) throw fail("a string stands between double quotes");
      return (match[1] ?? "").replace(/\\(.)/g, "$1");
    }
    case "int":
    case "hex":
      if (!isNumber(text, symbol.type)) throw fail(`${text} is no ${symbol.type}`);
      return text;
    default:
      throw fail(`${symbol.name} is not declared`);
  }
}

/** The whole configuration, as the kernel's tools write it. */
export function formatConfig(evaluation: Evaluation): string {
  const { kconfig } = evaluation;
  const lines = ["#", "# Automatically generated file; DO NOT EDIT.", `# ${kconfig.title}`, "#"];
  const written = new Set<ConfigSymbol>();
  let needsSpace = false;
  const visible = (node: MenuNode): boolean =>
    (node.kind === "menu" || node.kind === "comment") && menuVisible(evaluation, node);
  const walk = (node: MenuNode): void => {
    const { symbol } = node;
    if (!symbol) {
      if (visible(node)) {
        lines.push("", "#", `# ${node.title}`, "#");
        needsSpace = false;
      }
    } else if (!symbol.isChoice && !written.has(symbol) && evaluation.value(symbol).written) {
      if (needsSpace) lines.push("");
      needsSpace = false;
      written.add(symbol);
      lines.push(formatLine(evaluation, symbol));
    }
    for (const child of node.children) walk(child);
    if (node.kind === "menu" && visible(node)) {
      lines.push(`# end of ${node.title}`);
      needsSpace = true;
    }
  };
  for (const choice of kconfig.choices) evaluation.value(choice);
  for (const child of kconfig.root.children) walk(child);
  return `${lines.join("\n")}\n`;
}

/** A menu is shown if its own condition holds, and one of `visible if` does not hide it. */
function menuVisible(evaluation: Evaluation, node: MenuNode): boolean {
  return evaluation.evaluate(node.dependency) !== no && evaluation.evaluate(node.visibility) !== no;
}

function formatLine(evaluation: Evaluation, symbol: ConfigSymbol): string {
  const text = evaluation.text(symbol);
  if (symbol.type === "string") return `CONFIG_${symbol.name}="${text.replace(/["\\]/g, "\\$&")}"`;
  if (isLogical(symbol.type) && text === "n") return `# CONFIG_${symbol.name} is not set`;
  return `CONFIG_${symbol.name}=${text}`;
}

/** A configuration that was asked for and is not possible in itself. Each sentence names the options and why. */
export class ContradictionError extends Error {
  override name = "ContradictionError";
  readonly sentences: readonly string[];
  constructor(file: string, sentences: readonly string[]) {
    super(`${file} contradicts itself:\n${sentences.map((sentence) => `  ${sentence}`).join("\n")}`);
    this.sentences = sentences;
  }
}

/** Reads a configuration that must be possible as it is. Throws KconfigError, ContradictionError. */
export function configure(
  kconfig: Kconfig,
  text: string,
  file = ".config",
): { evaluation: Evaluation; unknown: readonly string[] } {
  const { asked, unknown } = readConfig(kconfig, text, file);
  const evaluation = new Evaluation(kconfig, asked);
  const sentences = contradictions(evaluation, asked);
  if (sentences.length > 0) throw new ContradictionError(file, sentences);
  return { evaluation, unknown };
}
