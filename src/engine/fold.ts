/** Integer operations on constants, and the identities that make operand fields disappear when they are constants. */
import type { IntegerOps } from "../semantics/operations.js";

type Name = Exclude<keyof IntegerOps<unknown>, "const" | "not" | "neg">;

/** Evaluates an operation whose operands are both known; values are signed. undefined if it would trap. */
export function foldInteger(name: Name, bits: 32 | 64, a: bigint, b: bigint): bigint | undefined {
  const u = (x: bigint) => BigInt.asUintN(bits, x);
  const count = u(b) % BigInt(bits);
  const truth = (x: boolean) => (x ? 1n : 0n);
  const leadingZeros = (x: bigint) => BigInt(x === 0n ? bits : bits - x.toString(2).length);
  switch (name) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "divS":
      return b === 0n || BigInt.asIntN(bits, a / b) !== a / b ? undefined : a / b;
    case "divU":
      return b === 0n ? undefined : u(a) / u(b);
    case "remS":
      return b === 0n ? undefined : a % b;
    case "remU":
      return b === 0n ? undefined : u(a) % u(b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << count;
    case "shrU":
      return u(a) >> count;
    case "shrS":
      return a >> count;
    case "rotl":
      return (u(a) << count) | (u(a) >> (BigInt(bits) - count));
    case "clz":
      return leadingZeros(u(a));
    case "ctz":
      return a === 0n ? BigInt(bits) : BigInt(bits) - 1n - leadingZeros(u(a) & -u(a));
    case "popcnt":
      return BigInt(u(a).toString(2).replaceAll("0", "").length);
    case "extend8S":
      return BigInt.asIntN(8, a);
    case "extend16S":
      return BigInt.asIntN(16, a);
    case "eqz":
      return truth(a === 0n);
    case "eq":
      return truth(a === b);
    case "ne":
      return truth(a !== b);
    case "ltS":
      return truth(a < b);
    case "ltU":
      return truth(u(a) < u(b));
    case "gtS":
      return truth(a > b);
    case "gtU":
      return truth(u(a) > u(b));
    case "leS":
      return truth(a <= b);
    case "leU":
      return truth(u(a) <= u(b));
    case "geS":
      return truth(a >= b);
    case "geU":
      return truth(u(a) >= u(b));
    default:
      return name satisfies never;
  }
}

/** What `a name b` is when only one operand is known: "a" or "b" that operand itself, "zero", or undefined. */
export function identity(name: Name, a: bigint | undefined, b: bigint | undefined): "a" | "b" | "zero" | undefined {
  switch (name) {
    case "add":
    case "or":
    case "xor":
      if (b === 0n) return "a";
      return a === 0n ? "b" : undefined;
    case "and":
      if (a === 0n || b === 0n) return "zero";
      if (b === -1n) return "a";
      return a === -1n ? "b" : undefined;
    case "sub":
    case "shl":
    case "shrU":
    case "shrS":
    case "rotl":
      return b === 0n ? "a" : undefined;
    case "mul":
      if (a === 0n || b === 0n) return "zero";
      if (b === 1n) return "a";
      return a === 1n ? "b" : undefined;
    default:
      return undefined;
  }
}
