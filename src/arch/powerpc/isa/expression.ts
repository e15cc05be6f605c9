/** Expressions of the assembler: integers of any size, symbols, C's operators, @l @h @ha and their kin, register names. */
import type { OperandKind } from "./operand.js";

/** What an expression came to. `register` is set if it is a register's name and nothing else. */
export interface ExpressionValue {
  readonly value: bigint;
  readonly register?: OperandKind;
  /** 16 bits chosen by a suffix such as @l: may wrap into a signed or unsigned field. */
  readonly half?: boolean;
}

/** Thrown with a sentence for the user; the assembler adds the line. */
export class ExpressionError extends Error {}

/** Gives a symbol's value, or undefined. */
export type SymbolLookup = (name: string) => bigint | undefined;

const halves: Readonly<Record<string, (v: bigint) => bigint>> = {
  l: (v) => v,
  h: (v) => v >> 16n,
  ha: (v) => (v + 0x8000n) >> 16n,
  higher: (v) => v >> 32n,
  highera: (v) => (v + 0x8000n) >> 32n,
  highest: (v) => v >> 48n,
  highesta: (v) => (v + 0x8000n) >> 48n,
};

const precedences: Readonly<Record<string, number>> = {
  "|": 1,
  "^": 2,
  "&": 3,
  "<<": 4,
  ">>": 4,
  "+": 5,
  "-": 5,
  "*": 6,
  "/": 6,
  "%": 6,
};

const operators = /<<|>>|[|^&+\-*/%]/y;

function apply(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "&":
      return a & b;
    case "<<":
      return a << b;
    case ">>":
      return a >> b;
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    default:
      if (b === 0n) throw new ExpressionError("division by zero");
      return operator === "/" ? a / b : a % b;
  }
}

const escapes: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, 0: 0, "\\": 92, "'": 39, '"': 34 };

/** Reads through one statement's text. */
export class Scanner {
  at = 0;
  constructor(
    readonly text: string,
    readonly lookup: SymbolLookup,
  ) {}

  skipSpace(): void {
    // Space, tab and the like: whatever is not above the space.
    while (this.at < this.text.length && this.text.charCodeAt(this.at) <= 0x20) this.at++;
  }

  get done(): boolean {
    this.skipSpace();
    return this.at >= this.text.length;
  }

  /** What is left, for messages. */
  get rest(): string {
    this.skipSpace();
    return this.text.slice(this.at);
  }

  /** Consumes the text if it comes next. */
  take(expected: string): boolean {
    this.skipSpace();
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  /** Consumes what a sticky pattern finds next. */
  match(pattern: RegExp): string | undefined {
    this.skipSpace();
    pattern.lastIndex = this.at;
    const hit = pattern.exec(this.text);
    if (!hit) return undefined;
    this.at += hit[0].length;
    return hit[0];
  }

  /** A string in double quotes, with \n, \t, \r, \0, \\, \" and \xNN. */
  string(): number[] {
    const literal = this.match(/"(?:[^"\\]|\\.)*"/y);
    if (literal === undefined) throw new ExpressionError(`expected a string in double quotes at "${this.rest}"`);
    const bytes: number[] = [];
    const body = literal.slice(1, -1).matchAll(/\\x([0-9a-fA-F]{2})|\\(.)|([^\\]+)/g);
    for (const [, hex, escape, plain] of body) {
      if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
      else if (escape !== undefined) {
        const code = escapes[escape];
        if (code === undefined) throw new ExpressionError(`unknown escape \\${escape}`);
        bytes.push(code);
      } else bytes.push(...new TextEncoder().encode(plain));
    }
    return bytes;
  }

  /** Throws ExpressionError if there is no expression here or a symbol is not defined. */
  expression(): ExpressionValue {
    return this.#binary(0);
  }

  #binary(floor: number): ExpressionValue {
    let left = this.#suffixed();
    for (;;) {
      this.skipSpace();
      operators.lastIndex = this.at;
      const operator = operators.exec(this.text)?.[0];
      if (operator === undefined) return left;
      const precedence = precedences[operator] as number;
      if (precedence <= floor) return left;
      this.at += operator.length;
      const right = this.#binary(precedence);
      left = { value: apply(operator, left.value, right.value) };
    }
  }

  #suffixed(): ExpressionValue {
    const operand = this.#primary();
    if (this.text[this.at] !== "@") return operand;
    this.at++;
    const name = this.match(/[a-z]+/y) ?? "";
    const half = halves[name];
    if (!half) throw new ExpressionError(`unknown suffix @${name}`);
    return { value: half(operand.value) & 0xffffn, half: true };
  }

  #primary(): ExpressionValue {
    if (this.take("-")) return { value: -this.#suffixed().value };
    if (this.take("+")) return this.#suffixed();
    if (this.take("~")) return { value: ~this.#suffixed().value };
    if (this.take("(")) {
      const inner = this.expression();
      if (!this.take(")")) throw new ExpressionError(`expected ")" at "${this.rest}"`);
      return inner;
    }
    const character = this.match(/'(?:[^'\\]|\\.)'/y);
    if (character !== undefined) {
      const escape = character[1] === "\\" ? escapes[character[2] as string] : character.codePointAt(1);
      if (escape === undefined) throw new ExpressionError(`unknown escape in ${character}`);
      return { value: BigInt(escape) };
    }
    const local = this.match(/\d+[bf](?![0-9a-zA-Z_])/y);
    if (local !== undefined) return { value: this.#symbol(local) };
    const number = this.match(/0[xX][0-9a-fA-F_]+|0[bB][01_]+|\d[\d_]*/y);
    if (number !== undefined) return { value: BigInt(number.replaceAll("_", "")) };
    const register = this.match(/%?(?:vs|cr|r|f|v|a)\d+(?![0-9a-zA-Z_.$])/y);
    if (register !== undefined) {
      const [, letters, digits = ""] = /%?([a-z]+)(\d+)/.exec(register) ?? [];
      const kind = letters as OperandKind;
      const count = kind === "vs" ? 64 : kind === "cr" || kind === "a" ? 8 : 32;
      if (Number(digits) >= count) throw new ExpressionError(`there is no register ${register}`);
      return { value: BigInt(digits), register: kind };
    }
    const name = this.match(/[A-Za-z_.$][\w.$]*/y);
    if (name !== undefined) return { value: this.#symbol(name) };
    const rest = this.rest;
    throw new ExpressionError(rest === "" ? "an operand is missing" : `expected an operand at "${rest}"`);
  }

  #symbol(name: string): bigint {
    const value = this.lookup(name);
    if (value === undefined) throw new ExpressionError(`"${name}" is not defined`);
    return value;
  }
}
