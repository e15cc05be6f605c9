/** Module parameters: typed, read from text as the kernel reads it. Source: kernel/params.c, lib/kstrtox.c. */
import { KvmError } from "../base/errors.js";

/** The types that module_param can have here. */
export const parameterTypes = ["bool", "int", "uint", "charp"] as const;
/** bool, int, uint, or charp: text. */
export type ParameterType = (typeof parameterTypes)[number];
/** What a parameter has. */
export type ParameterValue = boolean | number | string;

/** A parameter of one type. */
interface TypedParameter<T extends ParameterType, V extends ParameterValue> {
  /** As module_param names it. */
  readonly type: T;
  /** What it has where nobody says otherwise. */
  readonly default: V;
  /** MODULE_PARM_DESC. */
  readonly description: string;
  /** Whether it can be changed while the module is loaded. Default: no. */
  readonly writable?: boolean;
}

/** module_param: a parameter of a module. */
export type Parameter =
  | TypedParameter<"bool", boolean>
  | TypedParameter<"int" | "uint", number>
  | TypedParameter<"charp", string>;

/** A module's parameters, by name. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** What a module's parameters have, by name. */
export type ParameterValues<P extends Parameters> = string extends keyof P
  ? Readonly<Record<string, ParameterValue>>
  : {
      readonly [K in keyof P]: P[K]["type"] extends "bool" ? boolean : P[K]["type"] extends "charp" ? string : number;
    };

/** Dashes and underscores are the same in names of parameters, as in those of modules. */
const sameName = (a: string, b: string): boolean => a.replaceAll("-", "_") === b.replaceAll("-", "_");

/** The declared name that `given` means. */
export const findParameter = (parameters: Parameters, given: string): string | undefined =>
  Object.keys(parameters).find((name) => sameName(name, given));

const ranges = { int: [-(2 ** 31), 2 ** 31 - 1], uint: [0, 2 ** 32 - 1] } as const;

/** kstrtobool: the first letter decides, "on" and "off" by the second. */
function parseBool(text: string): boolean | undefined {
  const [first = "", second = ""] = text.toLowerCase();
  if ("yt1".includes(first) && first) return true;
  if ("nf0".includes(first) && first) return false;
  if (first === "o" && second === "n") return true;
  if (first === "o" && second === "f") return false;
  return undefined;
}

/** kstrtol with base 0: decimal, 0x hexadecimal, 0 octal, one newline at the end. */
function parseInteger(text: string): number | undefined {
  const match = /^([+-]?)(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9]\d*))\n?$/i.exec(text);
  if (!match) return undefined;
  const [, sign, hexadecimal, octal, decimal] = match;
  const value =
    hexadecimal !== undefined
      ? Number.parseInt(hexadecimal, 16)
      : octal !== undefined
        ? Number.parseInt(octal, 8)
        : Number(decimal);
  return sign === "-" ? -value : value;
}

/** A value of the declared type. EINVAL: it is none, in the kernel's words. */
export function parseParameter(
  module: string,
  name: string,
  { type }: Parameter,
  value: ParameterValue,
): ParameterValue {
  const refuse = (): never => {
    throw new KvmError("EINVAL", `${module}: \`${value}' invalid for parameter \`${name}'`);
  };
  switch (type) {
    case "bool":
      // A bare name switches it on.
      return typeof value === "boolean" ? value : value === "" ? true : (parseBool(String(value)) ?? refuse());
    case "int":
    case "uint": {
      const number = typeof value === "number" ? value : (parseInteger(String(value)) ?? refuse());
      const [least, most] = ranges[type];
      return Number.isInteger(number) && number >= least && number <= most ? number : refuse();
    }
    case "charp":
      return String(value);
    default: {
      const none: never = type;
      throw new KvmError(
        "EINVAL",
        `${module}: parameter \`${name}' has no type ${parameterTypes.join(", ")}, but ${none}`,
      );
    }
  }
}

/** As /sys/module/NAME/parameters shows it. */
export const formatParameter = (value: ParameterValue): string =>
  typeof value === "boolean" ? (value ? "Y" : "N") : String(value);
