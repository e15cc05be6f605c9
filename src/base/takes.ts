/**
 * What public functions take: declared once for each, checked at the door, so that a caller whom no compiler helps is told
 * what is wrong: EINVAL with a sentence that names the call, the argument and its value. An option that nobody declared is
 * refused, since it would be ignored.
 */
import { type ErrnoName, KvmError } from "./errors.js";

/** Throws KvmError if `value` is not what it stands for; `call` and `name` are for the sentence. */
export type Check = (value: unknown, call: string, name: string) => void;

/** For a sentence about a value that nobody had in mind. */
export function shown(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return `a Uint8Array of ${value.length} bytes`;
  if (value === null || typeof value !== "object") {
    return typeof value === "function" ? "a function" : typeof value === "symbol" ? "a symbol" : String(value);
  }
  return "an object";
}

function refuse(call: string, name: string, value: unknown, wanted: string, code: ErrnoName = "EINVAL"): never {
  const what = value === undefined ? "is missing; it is to be" : `is ${shown(value)}, not`;
  throw new KvmError(code, `${call}: ${name} ${what} ${wanted}`);
}

/** One that a test decides. */
export interface Simple extends Check {
  readonly test: (value: unknown) => boolean;
}
function simple(wanted: string, test: (value: unknown) => boolean): Simple {
  const check: Check = (value, call, name) => {
    if (!test(value)) refuse(call, name, value, wanted);
  };
  return Object.assign(check, { test });
}

/** A whole number in these bounds, both included. */
export function integer(least: number, most: number): Simple {
  const inside = (value: unknown) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
  return simple(`a whole number from ${least} to ${most}`, inside);
}
export const u32 = integer(0, 0xffff_ffff);
/** A number of things, or a place in memory. */
export const size = integer(0, Number.MAX_SAFE_INTEGER);
/** A number whose bounds, or whether there is such a one, the call itself knows. */
export const wholeNumber = simple("a whole number", Number.isSafeInteger);
/** Infinity counts as never. */
export const time = simple("a number of milliseconds", (value) => typeof value === "number" && !Number.isNaN(value));
/** A time that timers of every platform take: up to 24 days. */
export const milliseconds = simple(
  "a number of milliseconds from 0 to 2147483647",
  (value) => typeof value === "number" && value >= 0 && value <= 0x7fff_ffff,
);
export const u64 = simple(
  "a bigint of 64 bits without a sign",
  (value) => typeof value === "bigint" && BigInt.asUintN(64, value) === value,
);
/** A bigint whose bounds the call itself knows. */
export const bigint = simple("a bigint", (value) => typeof value === "bigint");
export const text = simple("a string", (value) => typeof value === "string");
export const boolean = simple("true or false", (value) => typeof value === "boolean");
export const callback = simple("a function", (value) => typeof value === "function");
export const bytes = simple("a Uint8Array", (value) => value instanceof Uint8Array);
/** Bytes, as many as these bounds say, both included. */
export function bytesOf(least: number, most = least): Simple {
  const wanted = least === most ? `${least}` : `${least} to ${most}`;
  const inside = (value: unknown) => value instanceof Uint8Array && value.length >= least && value.length <= most;
  return simple(`a Uint8Array of ${wanted} bytes`, inside);
}
export const anything: Check = () => {};

export function oneOf(...values: readonly unknown[]): Simple {
  return simple(`one of ${values.map(shown).join(", ")}`, (value) => values.includes(value));
}
/** A value of one of these types, as `typeof` has them. */
export function oneOfTypes(...types: readonly string[]): Simple {
  return simple(`a ${types.join(" or a ")}`, (value) => types.includes(typeof value));
}
/** What the first takes, or what the second takes. */
export function either(first: Simple, second: Check): Check {
  return (value, call, name) => {
    if (!first.test(value)) second(value, call, name);
  };
}
/** May be left out. */
export function optional<C extends Check>(check: C): C {
  const outer: Check = (value, call, name) => {
    if (value !== undefined) check(value, call, name);
  };
  return Object.assign(outer, check, { optional: true });
}
export function listOf(check: Check): Check {
  return (value, call, name) => {
    if (!Array.isArray(value)) refuse(call, name, value, "an array");
    for (let i = 0; i < (value as unknown[]).length; i++) check((value as unknown[])[i], call, `${name}[${i}]`);
  };
}

function requireObject(value: unknown, call: string, name: string): asserts value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(call, name, value, "an object");
}

/** What `options` gives: its fields can be looked at. */
export interface OptionsCheck extends Check {
  readonly fields: Readonly<Record<string, Check>>;
}
/** An object with these fields, and no others; `options<T>` does not compile if one of T's is forgotten. */
export function options<T extends object>(declared: { readonly [K in keyof T]-?: Check }): OptionsCheck {
  const fields = declared as unknown as Readonly<Record<string, Check>>;
  const open = having(fields);
  const check: Check = (value, call, name) => {
    requireObject(value, call, name);
    for (const given in value) {
      if (Object.hasOwn(fields, given)) continue;
      const known = Object.keys(fields).join(", ");
      throw new KvmError(
        "EINVAL",
        `${call}: there is no option ${given}; there ${known ? `are ${known}` : "are none"}`,
      );
    }
    open(value, call, name);
  };
  return Object.assign(check, { fields });
}
/** An object with at least these fields: another version of this package may give more. */
export function having(fields: Readonly<Record<string, Check>>): Check {
  const names = Object.keys(fields);
  return (value, call, name) => {
    requireObject(value, call, name);
    for (const field of names) (fields[field] as Check)(value[field], call, field);
  };
}
/** Any fields, each with such a value. */
export function recordOf(check: Check): Check {
  return (value, call, name) => {
    requireObject(value, call, name);
    for (const [field, each] of Object.entries(value)) check(each, call, field);
  };
}
/** An object that has these methods: `what` says how one is had. */
export function thing(what: string, methods: readonly string[], code?: ErrnoName): Check {
  return (value, call, name) => {
    const has = (method: string) => typeof (value as Record<string, unknown>)[method] === "function";
    if (typeof value !== "object" || value === null || !methods.every(has)) refuse(call, name, value, what, code);
  };
}
/** One of KVM's, which VFIO takes too. */
export const eventFd = thing("an eventfd, as createEventFd gives one", ["signal", "read", "onSignal"], "EBADF");

/** A call's parameters by name, in their order. */
export type Signature = Readonly<Record<string, Check>>;

const signature = Symbol("signature");
type Unknown = (this: unknown, ...given: unknown[]) => unknown;

/**
 * The function, which checks its arguments first. It throws; or, if it gives a promise, rejects. Has up to four parameters,
 * without a rest: it is on the way of hot calls.
 */
export function taking<F extends (...given: never[]) => unknown>(
  call: string,
  parameters: Signature,
  inner: F,
  { promises = false } = {},
): F {
  const names = Object.keys(parameters) as [string, string, string, string];
  const checks = Object.values(parameters) as [Check, Check, Check, Check];
  const count = checks.length;
  if (count > 4) throw new RangeError(`${call}: more parameters than are checked`);
  const body = inner as unknown as Unknown;
  const outer = function (this: unknown, a: unknown, b: unknown, c: unknown, d: unknown): unknown {
    try {
      if (count > 0) checks[0](a, call, names[0]);
      if (count > 1) checks[1](b, call, names[1]);
      if (count > 2) checks[2](c, call, names[2]);
      if (count > 3) checks[3](d, call, names[3]);
    } catch (error) {
      if (promises) return Promise.reject(error);
      throw error;
    }
    return body.call(this, a, b, c, d);
  };
  return Object.assign(outer, { [signature]: parameters }) as unknown as F;
}

/** What a function checks its arguments by, or undefined if it does not. */
export const signatureOf = (value: unknown): Signature | undefined =>
  typeof value === "function" ? (value as unknown as Record<symbol, Signature | undefined>)[signature] : undefined;

/** The signatures of an object's methods; one that is forgotten does not compile. */
export type Signatures<O> = {
  readonly [M in keyof O as O[M] extends (...given: never[]) => unknown ? M : never]: Signature;
};

/**
 * Has the methods that an object or a prototype has check their arguments; `on` names it in messages. `promises`: they give
 * some, and reject.
 */
export function guard<T extends object>(
  target: T,
  on: string,
  signatures: Readonly<Record<string, Signature>>,
  promises = false,
): T {
  for (const [name, parameters] of Object.entries(signatures)) {
    const inner: unknown = Reflect.get(target, name);
    if (typeof inner !== "function" || Object.keys(parameters).length === 0) continue;
    const value = taking(`${on}.${name}`, parameters, inner as () => unknown, { promises });
    Object.defineProperty(target, name, { ...Object.getOwnPropertyDescriptor(target, name), value });
  }
  return target;
}
