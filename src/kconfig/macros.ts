/**
 * The macro language: variables and functions that Kconfig files put into their text, all but those that run programs of
 * the host. Source: Documentation/kbuild/kconfig-macro-language.rst; scripts/kconfig/preprocess.c.
 */
import { KconfigError, type Place } from "./model.js";

/** What the functions have to say. */
export interface MacroMessages {
  /** `$(info,…)`. */
  readonly info?: (text: string) => void;
  /** `$(warning-if,y,…)`, with the place. */
  readonly warning?: (text: string) => void;
}

export type AssignmentOperator = "=" | ":=" | "+=";

interface Variable {
  value: string;
  /** `:=`: expanded when it was assigned; else each time that it is used. */
  simple: boolean;
  /** How often it is being expanded just now. */
  active: number;
}

/** A function that calls itself ends here, as do many that call each other or grow. */
const deepest = 500;
const longest = 1 << 20;
const mostExpansions = 100_000;
const maxArguments = 16;

export class Macros {
  readonly #variables = new Map<string, Variable>();
  readonly #environment: ReadonlyMap<string, string>;
  readonly #messages: MacroMessages;
  #depth = 0;
  /** Of the text that is being expanded. */
  #expansions = 0;

  /** `environment`: what a name stands for that no file assigns. */
  constructor(environment: ReadonlyMap<string, string> = new Map(), messages: MacroMessages = {}) {
    this.#environment = environment;
    this.#messages = messages;
  }

  /** `NAME = value`. What is not there yet is appended to as if it were assigned with `=`. */
  assign(name: string, operator: AssignmentOperator, value: string, place: Place): void {
    const known = this.#variables.get(name);
    const simple = operator === "+=" ? (known?.simple ?? false) : operator === ":=";
    const added = simple ? this.expand(value, place) : value;
    const whole = operator === "+=" && known ? `${known.value} ${added}` : added;
    if (whole.length > longest) throw new KconfigError(place, `${name} has become longer than ${longest} characters`);
    this.#variables.set(name, { value: whole, simple, active: 0 });
  }

  /** The text with every reference replaced. Throws KconfigError. */
  expand(text: string, place: Place): string {
    if (this.#depth === 0) this.#expansions = 0;
    const depth = this.#depth;
    try {
      return this.#expand(text, [], place);
    } finally {
      this.#depth = depth;
    }
  }

  #expand(text: string, args: readonly string[], place: Place): string {
    if (++this.#depth > deepest) throw new KconfigError(place, "macros expand each other without an end");
    let out = "";
    for (let at = 0; at < text.length; ) {
      const dollar = text.indexOf("$(", at);
      if (dollar < 0) {
        out += text.slice(at);
        break;
      }
      const end = referenceEnd(text, dollar, place);
      out += text.slice(at, dollar) + this.#evaluate(text.slice(dollar + 2, end - 1), args, place);
      at = end;
      if (out.length > longest || ++this.#expansions > mostExpansions) {
        throw new KconfigError(place, "a macro expands to more than anybody needs");
      }
    }
    this.#depth--;
    return out;
  }

  /** What stands between the brackets of a reference. */
  #evaluate(clause: string, args: readonly string[], place: Place): string {
    const number = /^\s*\+?[0-9]+$/.test(clause) ? Number(clause) : 0;
    const argument = number > 0 ? args[number - 1] : undefined;
    if (argument !== undefined) return argument;
    const [first = "", ...rest] = splitArguments(clause, place);
    const name = this.#expand(first, args, place);
    const given = rest.map((one) => this.#expand(one, args, place));
    return (
      this.#variable(name, given, place) ??
      this.#function(name, given, place) ??
      (given.length === 0 ? this.#environment.get(name) : undefined) ??
      ""
    );
  }

  #variable(name: string, given: readonly string[], place: Place): string | undefined {
    const variable = this.#variables.get(name);
    if (!variable || variable.simple) return variable?.value;
    if (given.length === 0 && variable.active > 0) {
      throw new KconfigError(place, `recursive variable '${name}' references itself (eventually)`);
    }
    variable.active++;
    try {
      return this.#expand(variable.value, given, place);
    } finally {
      variable.active--;
    }
  }

  #function(name: string, given: readonly string[], place: Place): string | undefined {
    const count = argumentCounts.get(name);
    if (count === undefined) return undefined;
    if (given.length !== count) {
      const which = given.length < count ? "few" : "many";
      throw new KconfigError(place, `too ${which} function arguments passed to '${name}'`);
    }
    const [first = "", second = ""] = given;
    switch (name) {
      case "shell":
        throw new KconfigError(
          place,
          `$(shell,${first}) would run a program of this host, which is not done here: ` +
            "assign its result to a variable, or give it as one",
        );
      case "error-if":
        if (first === "y") throw new KconfigError(place, second);
        return "";
      case "warning-if":
        if (first === "y") this.#messages.warning?.(`${place.file}:${place.line}: ${second}`);
        return "";
      case "info":
        this.#messages.info?.(first);
        return "";
      case "filename":
        return place.file;
      default:
        return String(place.line);
    }
  }
}

const argumentCounts: ReadonlyMap<string, number> = new Map([
  ["error-if", 2],
  ["filename", 0],
  ["info", 1],
  ["lineno", 0],
  ["shell", 1],
  ["warning-if", 2],
]);

/** Where the reference ends that begins at `$(`; brackets within it belong together. */
export function referenceEnd(text: string, dollar: number, place: Place): number {
  let depth = 0;
  for (let at = dollar + 1; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")" && --depth === 0) return at + 1;
  }
  throw new KconfigError(place, `unterminated reference to '${text.slice(dollar + 2)}': missing ')'`);
}

/** At commas that stand in no brackets. */
function splitArguments(clause: string, place: Place): string[] {
  const parts = [""];
  let depth = 0;
  for (const char of clause) {
    if (char === "(") depth++;
    else if (char === ")") depth--;
    if (char === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += char;
  }
  if (parts.length > maxArguments) throw new KconfigError(place, "too many function arguments");
  return parts;
}
