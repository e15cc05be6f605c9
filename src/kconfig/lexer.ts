/** Lines of a Kconfig file as tokens. Source: kconfig-language.rst, kconfig-macro-language.rst. */
import type { Relation } from "./expression.js";
import { type AssignmentOperator, type Macros, referenceEnd } from "./macros.js";
import { KconfigError, type Place } from "./model.js";

export type Token =
  | {
      readonly kind: "word" | "string";
      readonly text: string;
      /** It came out of a macro, and so is no keyword. */
      readonly expanded?: boolean;
    }
  | { readonly kind: "operator"; readonly text: Relation | "&&" | "||" | "!" | "(" | ")" };

/** `NAME = value`, the value as it stands. */
export interface Assignment {
  readonly name: string;
  readonly operator: AssignmentOperator;
  readonly value: string;
}

export interface Line {
  readonly place: Place;
  /** With comments and line ends; what help is made of. */
  readonly raw: string;
  readonly tokens: () => readonly Token[];
  /** undefined: the line assigns nothing. `isKeyword`: what cannot be assigned to. */
  readonly assignment: (isKeyword: (word: string) => boolean) => Assignment | undefined;
}

const operators = ["&&", "||", "!=", "<=", ">=", "=", "<", ">", "!", "(", ")"] as const;

/** Joins lines that end in a backslash; makes tokens only of the lines that are asked for, since help is no language. */
export function linesOf(file: string, text: string, macros: Macros): Line[] {
  const out: Line[] = [];
  const rows = text.replace(/\r\n/g, "\n").split("\n");
  for (let i = 0; i < rows.length; i++) {
    const place = { file, line: i + 1 };
    const raw = rows[i] ?? "";
    let whole = raw;
    let skip = 0;
    while (/\\$/.test(whole) && i + skip + 1 < rows.length) whole = whole.slice(0, -1) + rows[i + ++skip];
    out.push({
      place,
      raw,
      tokens: () => tokensOf(whole, place, macros),
      // The value ends with the line, whatever it ends in.
      assignment: (isKeyword) => assignmentOf(raw, { place, macros, isKeyword }),
    });
    // The joined lines stay in the list as empty ones, for those who read help; a backslash there is text.
    for (let k = 1; k <= skip; k++) {
      const row = rows[i + k] ?? "";
      out.push({
        place: { file, line: i + 1 + k },
        raw: row,
        tokens: () => [],
        assignment: () => undefined,
      });
    }
    i += skip;
  }
  return out;
}

function assignmentOf(
  line: string,
  { place, macros, isKeyword }: { place: Place; macros: Macros; isKeyword: (word: string) => boolean },
): Assignment | undefined {
  // Most lines are none, and expanding a macro twice may say something twice.
  if (!/^\s*[\w$-].*=/.test(line)) return undefined;
  const start = line.search(/\S/);
  const end = wordEnd(line, start, place);
  const [all, operator, value = ""] = /^\s*(:=|\+=|=)[ \t]*(.*)$/.exec(line.slice(end)) ?? [];
  if (all === undefined || end === start || isKeyword(line.slice(start, end))) return undefined;
  const name = macros.expand(line.slice(start, end), place);
  return { name, operator: operator as AssignmentOperator, value };
}

/** Where the word ends that begins at `at`; references may be part of it. */
function wordEnd(line: string, at: number, place: Place): number {
  let end = at;
  for (;;) {
    if (line.startsWith("$(", end)) end = referenceEnd(line, end, place);
    else if (/[A-Za-z0-9_/.-]/.test(line[end] ?? "")) end++;
    else return end;
  }
}

function tokensOf(line: string, place: Place, macros: Macros): Token[] {
  const out: Token[] = [];
  let at = 0;
  while (at < line.length) {
    const rest = line.slice(at);
    const space = /^\s+/.exec(rest);
    if (space) {
      at += space[0].length;
      continue;
    }
    if (rest.startsWith("#")) break;
    const operator = operators.find((text) => rest.startsWith(text));
    if (operator) {
      out.push({ kind: "operator", text: operator });
      at += operator.length;
      continue;
    }
    if (rest[0] === '"' || rest[0] === "'") {
      const { text, end } = stringAt(line, at, place, macros);
      out.push({ kind: "string", text });
      at = end;
      continue;
    }
    const end = wordEnd(line, at, place);
    if (end === at) throw new KconfigError(place, `\`${rest[0]}\` is nothing of the language`);
    const word = line.slice(at, end);
    const expanded = word.includes("$(");
    const text = expanded ? macros.expand(word, place) : word;
    // A function that only says something leaves nothing behind.
    if (text !== "") out.push({ kind: "word", text, ...(expanded && { expanded }) });
    at = end;
  }
  return out;
}

/** A string from its first quote; what a reference holds, quotes too, belongs to the reference. */
function stringAt(line: string, start: number, place: Place, macros: Macros): { text: string; end: number } {
  const quote = line[start];
  let text = "";
  for (let at = start + 1; at < line.length; ) {
    const char = line[at] ?? "";
    if (char === quote) return { text, end: at + 1 };
    if (char === "\\") {
      text += line[at + 1] ?? "";
      at += 2;
    } else if (line.startsWith("$(", at)) {
      const end = referenceEnd(line, at, place);
      text += macros.expand(line.slice(at, end), place);
      at = end;
    } else {
      text += char;
      at++;
    }
  }
  throw new KconfigError(place, "a string does not end");
}
