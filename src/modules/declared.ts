/** Whether what claims to be a declared module is one: it may come from JavaScript, where nothing checked its types. */
import { KvmError } from "../base/errors.js";
import type { Exports, Imports, ModuleDefinition } from "./define-module.js";
import { type Parameters, parseParameter } from "./parameters.js";

/** ENOEXEC, with a sentence that says what is wrong. */
export function requireDeclared(definition: ModuleDefinition): void {
  const {
    name,
    license,
    description,
    vermagic,
    alternative,
    init,
    exit,
    aliases = [],
    params = {},
    exports = {},
  } = definition;
  const refuse = (what: string): never => {
    throw new KvmError("ENOEXEC", `${typeof name === "string" && name ? name : "a module"}: ${what}`);
  };
  if (typeof name !== "string" || !/^[\w-]+$/.test(name)) refuse("a module's name is letters, digits, _ and -");
  if (typeof license !== "string") refuse("it declares no license");
  if (description !== undefined && typeof description !== "string") refuse("its description is no text");
  if (typeof vermagic !== "string") refuse("it was not made by defineModule");
  if (alternative !== undefined && typeof alternative !== "string") refuse("its alternative is no text");
  if (typeof init !== "function") refuse("it has no init");
  if (exit !== undefined && typeof exit !== "function") refuse("its exit is no function");
  if (!aliases.every((alias) => typeof alias === "string")) refuse("an alias is no string");
  for (const [parameter, row] of Object.entries(params as Parameters)) {
    try {
      parseParameter(name, parameter, row, row.default);
    } catch {
      refuse(`the default of its parameter ${parameter} is none of type ${row.type}`);
    }
  }
  const symbols = Object.values(exports as Exports).map(({ symbol }) => symbol?.name);
  requireSymbols(symbols, refuse);
  requireSymbols(
    Object.values((definition.imports ?? {}) as Imports).map((symbol) => symbol?.name),
    refuse,
  );
  const twice = symbols.find((symbol, at) => symbols.indexOf(symbol) !== at);
  if (twice !== undefined) refuse(`exports duplicate symbol ${twice} (owned by ${name})`);
}

function requireSymbols(symbols: readonly (string | undefined)[], refuse: (what: string) => never): void {
  for (const symbol of symbols) {
    if (typeof symbol !== "string" || !/^\w+$/.test(symbol)) refuse(`${symbol} is no symbol that declareSymbol made`);
  }
}
