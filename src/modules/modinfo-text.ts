/** modinfo's output. Source: modinfo(8). */

/** Fields of `.modinfo` in their order, after `filename` and what else stands before them. */
export type Fields = readonly (readonly [key: string, value: string])[];

/** What stands first for a module that is linked in. */
export const builtinHead = (name: string): Fields => [
  ["name", name],
  ["filename", "(builtin)"],
];

export interface ModinfoFormat {
  /** Only the values of this field. */
  readonly field?: string;
  /** Ends each value: a newline, or a zero byte and then keys are joined with `=`. */
  readonly separator: "\n" | "\0";
  /** Told of a parameter that is malformed. */
  readonly invalid?: (message: string) => void;
}

/**
 * The text for one module: `filename` first, then the fields as they are in the file, parameters with their types last.
 */
export function modinfoText(head: Fields, fields: Fields, { field, separator, invalid = () => {} }: ModinfoFormat) {
  // A key that leaves no room is followed by as many blanks as it is too long.
  const line = (key: string, value: string) => `${key}:${" ".repeat(Math.abs(15 - key.length))}${value}${separator}`;
  if (field === "parm") {
    return parameters(fields, invalid)
      .map(({ name, text, type }) => `${name}:${text ?? " "}${suffix(text ?? " ", type)}${separator}`)
      .join("");
  }
  if (field !== undefined) {
    return [...head, ...fields]
      .filter(([key]) => key === field)
      .map(([, value]) => value + separator)
      .join("");
  }
  const plain = fields
    .filter(([key]) => key !== "parm" && key !== "parmtype")
    .map(([key, value]) => (separator === "\0" ? `${key}=${value}\0` : line(key, value)));
  const last = parameters(fields, invalid).map(({ name, text, type }) =>
    line("parm", `${name}:${text === undefined ? type : text + suffix(text, type)}`),
  );
  return [...head.map(([key, value]) => line(key, value)), ...plain, ...last].join("");
}

const suffix = (text: string, type: string | undefined) =>
  type === undefined ? "" : `${text === " " ? "" : " "}(${type})`;

interface Parameter {
  readonly name: string;
  text?: string;
  type?: string;
}

/** Each parameter once, the last that was mentioned first. */
function parameters(fields: Fields, invalid: (message: string) => void): Parameter[] {
  const found = new Map<string, Parameter>();
  for (const [key, value] of fields) {
    if (key !== "parm" && key !== "parmtype") continue;
    const colon = value.indexOf(":");
    if (colon < 0) {
      invalid(`Found invalid "${key}=${value}": missing ':'`);
      continue;
    }
    const name = value.slice(0, colon);
    const parameter = found.get(name) ?? { name };
    found.set(name, parameter);
    if (key === "parm") parameter.text = value.slice(colon + 1);
    else parameter.type = value.slice(colon + 1);
  }
  return [...found.values()].reverse();
}
