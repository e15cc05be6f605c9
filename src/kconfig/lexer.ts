/** Lines of a Kconfig file as tokens. Source: kconfig-language.rst, kconfig-macro-language.rst. */
import type { Relation } from "./expression.js";
import { KconfigError, type Place } from "./model.js";

export type Token =
  | { readonly kind: "word" | "string"; readonly text: string }
  | { readonly kind: "operator"; readonly text: Relation | "&&" | "||" | "!" | "(" | ")" };

export interface Line {
  readonly place: Place;
  /** With comments and line ends; what help is made of. */
  readonly raw: string;
  readonly tokens: () => readonly Token[];
}

/** Variables for `$(NAME)`. */
export type Variables = ReadonlyMap<string, string>;

const operators = ["&&", "||", "!=", "<=", ">=", "=", "<", ">", "!", "(", ")"] as const;

/** Joins lines that end in a backslash; makes tokens only of the lines that are asked for, since help is no language. */
export function linesOf(file: string, text: string, variables: Variables): Line[] {
  const out: Line[] = [];
  const rows = text.replace(/\r\n/g, "\n").split("\n");
  for (let i = 0; i < rows.length; i++) {
    const place = { file, line: i + 1 };
    const raw = rows[i] ?? "";
    let whole = raw;
    let skip = 0;
    while (/\\$/.test(whole) && i + skip + 1 < rows.length) whole = whole.slice(0, -1) + rows[i + ++skip];
    out.push({ place, raw, tokens: () => tokensOf(whole, place, variables) });
    // The joined lines stay in the list as empty ones, for those who read help; a backslash there is text.
    for (let k = 1; k <= skip; k++) {
      const row = rows[i + k] ?? "";
      out.push({ place: { file, line: i + 1 + k }, raw: row, tokens: () => [] });
    }
    i += skip;
  }
  return out;
}

/** Puts variables in; the language's functions would run programs of the host. */
export function expand(text: string, place: Place, variables: Variables): string {
  return text.replace(/\$\(([^()]*)\)?/g, (all, inner: string) => {
    const value = all.endsWith(")") ? variables.get(inner) : undefined;
    if (value !== undefined) return value;
    throw new KconfigError(place, `${all} is no variable that is known here; functions of the macro language are not`);
  });
}

function tokensOf(line: string, place: Place, variables: Variables): Token[] {
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
    const string = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/.exec(rest);
    if (string) {
      const text = (string[1] ?? string[2] ?? "").replace(/\\(.)/g, "$1");
      out.push({ kind: "string", text: expand(text, place, variables) });
      at += string[0].length;
      continue;
    }
    const word = /^(?:[A-Za-z0-9_/.-]|\$\([^()]*\))+/.exec(rest);
    if (!word)
      throw new KconfigError(
        place,
        `${rest[0] === '"' || rest[0] === "'" ? "a string does not end" : `\`${rest[0]}\` is nothing of the language`}`,
      );
    out.push({ kind: "word", text: expand(word[0], place, variables) });
    at += word[0].length;
  }
  return out;
}
