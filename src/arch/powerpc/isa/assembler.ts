/**
 * The assembler: GNU as's syntax for the declared instructions and their extended mnemonics, one flat section.
 *
 *   label:  add. r3, r4, r5      # comment, also // and ; between statements
 *   1:      bdnz 1b
 *
 * Directives: .byte .short .long .quad (values), .ascii .asciz (strings), .align N (to 2^N bytes), .balign N, .org ADDRESS,
 * .skip N [, VALUE], .set NAME, VALUE (also NAME = VALUE). Code is padded with zeros.
 */
import { ExpressionError, type ExpressionValue, Scanner, type SymbolLookup } from "./expression.js";
import { type Form, type InstructionSet, instructionSet, type ListedVariant } from "./instruction-set.js";
import type { OperandKind, Template } from "./operand.js";
import { encodeField, type Field, fieldRange, lengthOf, prefixBoundary } from "./pattern.js";

export interface AssembleOptions {
  /** Address of the first byte. Default 0. */
  readonly origin?: number | bigint;
  /** Byte order of instructions and data. Default true. */
  readonly littleEndian?: boolean;
  /** Symbols defined from outside. */
  readonly symbols?: Readonly<Record<string, number | bigint>>;
  readonly set?: InstructionSet;
}

export interface Assembled {
  readonly bytes: Uint8Array;
  /** Labels and `.set` symbols; local labels (1: 2:) are not among them. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

/** Something in the source is wrong; the message begins with the line. */
export class AssemblyError extends Error {
  constructor(
    readonly line: number,
    readonly reason: string,
  ) {
    super(`line ${line}: ${reason}`);
  }
}

/** CR bits are named only where a CR bit is expected, so that labels may be called eq. */
const crBits: Readonly<Record<string, bigint>> = { lt: 0n, gt: 1n, eq: 2n, so: 3n, un: 3n };

const registerNoun: Readonly<Partial<Record<OperandKind, string>>> = {
  r: "a general register (r0..r31)",
  f: "a floating-point register (f0..f31)",
  v: "a vector register (v0..v31)",
  vs: "a vector-scalar register (vs0..vs63)",
  a: "an accumulator (a0..a7)",
  cr: "a CR field (cr0..cr7)",
};

function checkKind(kind: OperandKind, operand: ExpressionValue, text: string): void {
  if (operand.register === undefined) return;
  if (operand.register === kind) return;
  const expected = registerNoun[kind];
  throw new ExpressionError(expected ? `${text} is not ${expected}` : `${text} is a register, a number was expected`);
}

/** Operands by position (fixed numbers included). Throws ExpressionError if the text does not fit the template. */
function readOperands(template: Template, text: string, lookup: SymbolLookup): ExpressionValue[] {
  const scanner = new Scanner(text, lookup);
  const crLookup: SymbolLookup = (name) => crBits[name] ?? lookup(name);
  const operands: ExpressionValue[] = [];
  for (const part of template.parts) {
    if (operands.length >= template.required && scanner.done) return operands;
    if (part.type === "punctuation") {
      if (!scanner.take(part.text)) {
        const found = scanner.done ? "the end" : `"${scanner.rest}"`;
        throw new ExpressionError(`expected "${part.text}" at ${found}`);
      }
      continue;
    }
    const start = scanner.at;
    const kind = part.type === "fixed" ? "number" : part.kind;
    let operand: ExpressionValue;
    if (kind === "crbit") {
      const inner = new Scanner(text, crLookup);
      inner.at = scanner.at;
      operand = inner.expression();
      scanner.at = inner.at;
    } else operand = scanner.expression();
    const written = text.slice(start, scanner.at).trim();
    if (part.type === "fixed") {
      if (operand.value !== BigInt(part.value)) throw new ExpressionError(`${written} should be ${part.value}`);
    } else checkKind(kind, operand, written);
    operands.push(operand);
  }
  if (!scanner.done) throw new ExpressionError(`unexpected "${scanner.rest}"`);
  return operands;
}

/** A value that fits the field, wrapped where the writer may mean either sign. */
function fit(field: Field, operand: ExpressionValue, anySign: boolean): number {
  let { value } = operand;
  if (value >= 1n << 63n && value < 1n << 64n) value -= 1n << 64n;
  const { min, max } = fieldRange(field);
  const span = BigInt(field.scale) << BigInt(field.width);
  if ((operand.half || anySign) && field.width >= 14 && field.signed && value > BigInt(max) && value < span)
    value -= span;
  if (value < BigInt(min) || value > BigInt(max)) throw new ExpressionError(`${value} is not in ${min}..${max}`);
  return Number(value);
}

/** The words of a variant with these operands, in the order of its operand list. */
function encode(listed: ListedVariant, operands: readonly ExpressionValue[], address: bigint): readonly number[] {
  const { variant, template } = listed;
  let word = variant.value;
  let prefix = variant.prefix?.value ?? 0;
  const set = (field: Field, value: number) => {
    word |= encodeField(field, value);
    prefix |= encodeField(field, value, "prefix");
  };
  let position = 0;
  for (const part of template.parts) {
    if (part.type === "punctuation") continue;
    const operand = operands[position++] ?? { value: 0n };
    if (part.type === "fixed") {
      if (operand.value !== BigInt(part.value))
        throw new ExpressionError(`operand ${position} should be ${part.value}`);
      continue;
    }
    const field = variant.fields[part.name];
    if (!field) {
      if (operand.value !== BigInt(variant.flags[part.name] ?? false)) {
        throw new ExpressionError(`${part.name} is ${operand.value}, it can be 0 or 1`);
      }
      continue;
    }
    try {
      if (part.kind === "target") {
        const distance = variant.flags["aa"] ? operand.value : BigInt.asIntN(64, operand.value - address);
        set(field, fit(field, { value: distance }, false));
      } else set(field, fit(field, operand, variant.mnemonic === "addis"));
    } catch (error) {
      if (error instanceof Error) throw new ExpressionError(`${part.name}: ${error.message}`);
      throw error;
    }
  }
  return variant.prefix ? [prefix >>> 0, word >>> 0] : [word >>> 0];
}

/** Whether the fixed numbers of a variant (a special purpose register's) are those given. */
function hasFixed({ template }: ListedVariant, operands: readonly ExpressionValue[]): boolean {
  let position = 0;
  return template.parts.every((part) => {
    if (part.type === "punctuation") return true;
    const operand = operands[position++];
    return part.type !== "fixed" || operand?.value === BigInt(part.value);
  });
}

function encodeForm(
  form: Form,
  set: InstructionSet,
  text: string,
  lookup: SymbolLookup,
  address: bigint,
): readonly number[] {
  const operands = readOperands(form.template, text, lookup);
  if (form.type === "instruction") return encode(form.listed, operands, address);
  const byName = new Map<string, ExpressionValue>();
  let position = 0;
  for (const part of form.template.parts) {
    if (part.type === "punctuation") continue;
    const operand = operands[position++];
    if (part.type === "operand" && operand) byName.set(part.name, operand);
  }
  let failure: unknown;
  for (const target of set.named(form.alias.target)) {
    const values = form.alias.values.map((v, i): ExpressionValue => {
      const single = byName.get(v.text);
      if (single) return { value: single.value, half: single.half ?? false };
      const value = v.evaluate((name) => byName.get(name)?.value ?? 0n);
      // 64-n with n = 0 is a rotation by 0.
      const width = target.variant.fields[target.template.names[i] ?? ""]?.width ?? 0;
      return { value: v.variables.length > 0 && value === 1n << BigInt(width) ? 0n : value };
    });
    // There are as many as special purpose registers; an error for each that is not meant would take long.
    if (!hasFixed(target, values)) continue;
    try {
      return encode(target, values, address);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      failure = error;
    }
  }
  throw failure ?? new ExpressionError(`${form.alias.target} has no such operands`);
}

/** One instruction's words. Throws ExpressionError with a sentence if it cannot be assembled. */
function assembleInstruction(
  mnemonic: string,
  text: string,
  set: InstructionSet,
  lookup: SymbolLookup,
  address: bigint,
): readonly number[] {
  const forms = set.forms(mnemonic);
  if (forms.length === 0) throw new ExpressionError(`unknown instruction "${mnemonic}"`);
  const commas = text.split(",").length;
  let failure: ExpressionError | undefined;
  for (const form of forms) {
    try {
      return encodeForm(form, set, text, lookup, address);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      // The complaint about the form with as many operands as were written helps most.
      if (
        !failure ||
        form.template.parts.filter((p) => p.type === "punctuation" && p.text === ",").length + 1 === commas
      ) {
        failure = error;
      }
    }
  }
  throw new ExpressionError(`${mnemonic} ${text}: ${failure?.message}`);
}

interface Statement {
  readonly line: number;
  readonly name: string;
  readonly text: string;
  readonly address: bigint;
  readonly size: number;
}

/** Bytes per value of the data directives. */
const dataSizes: Readonly<Record<string, number>> = {
  ".byte": 1,
  ".short": 2,
  ".hword": 2,
  ".2byte": 2,
  ".long": 4,
  ".int": 4,
  ".4byte": 4,
  ".quad": 8,
  ".8byte": 8,
};

/** Splits a line into statements: without comments, at semicolons, both outside of strings. */
function* split(line: string): Generator<string> {
  let start = 0;
  for (const { 0: token, index } of line.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|#|\/\/|;/g)) {
    if (token === ";") {
      yield line.slice(start, index);
      start = index + 1;
    } else if (token === "#" || token === "//") {
      yield line.slice(start, index);
      return;
    }
  }
  yield line.slice(start);
}

class Assembler {
  readonly #origin: bigint;
  readonly #littleEndian: boolean;
  readonly #set: InstructionSet;
  readonly #symbols = new Map<string, bigint>();
  readonly #outside: Readonly<Record<string, number | bigint>>;
  /** Addresses of each local label, in order of the source. */
  readonly #locals = new Map<string, { address: bigint; line: number; order: number }[]>();
  readonly #statements: (Statement & { order: number })[] = [];
  readonly #words = new Map<string, readonly number[]>();
  #address: bigint;

  constructor(options: AssembleOptions) {
    this.#origin = BigInt(options.origin ?? 0);
    this.#address = this.#origin;
    this.#littleEndian = options.littleEndian ?? true;
    this.#set = options.set ?? instructionSet();
    this.#outside = options.symbols ?? {};
  }

  run(source: string): Assembled {
    const lines = source.split("\n");
    lines.forEach((text, i) => {
      this.#at(i + 1, () => {
        for (const statement of split(text)) this.#layOut(statement, i + 1);
      });
    });
    const bytes = new Uint8Array(Number(this.#address - this.#origin));
    for (const statement of this.#statements) this.#at(statement.line, () => this.#emit(statement, bytes));
    return { bytes, symbols: this.#symbols };
  }

  /** Gives errors their line. */
  #at(line: number, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof ExpressionError) throw new AssemblyError(line, error.message);
      throw error;
    }
  }

  #lookup(address: bigint, order: number): SymbolLookup {
    return (name) => {
      if (name === ".") return address;
      const local = /^(\d+)([bf])$/.exec(name);
      if (local) {
        const places = this.#locals.get(local[1] as string) ?? [];
        const place = local[2] === "b" ? places.findLast((p) => p.order <= order) : places.find((p) => p.order > order);
        return place?.address;
      }
      const outside = this.#outside[name];
      return this.#symbols.get(name) ?? (outside === undefined ? undefined : BigInt(outside));
    };
  }

  #define(name: string, value: bigint): void {
    if (this.#symbols.has(name)) throw new ExpressionError(`"${name}" is defined twice`);
    this.#symbols.set(name, value);
  }

  /** First pass: labels, sizes, addresses. */
  #layOut(source: string, line: number): void {
    let text = source.trim();
    const order = this.#statements.length;
    for (
      let label = /^([A-Za-z_.$][\w.$]*|\d+):\s*/.exec(text);
      label;
      label = /^([A-Za-z_.$][\w.$]*|\d+):\s*/.exec(text)
    ) {
      const name = label[1] as string;
      if (/^\d/.test(name)) {
        const places = this.#locals.get(name) ?? [];
        places.push({ address: this.#address, line, order });
        this.#locals.set(name, places);
      } else this.#define(name, this.#address);
      text = text.slice(label[0].length);
    }
    if (text === "") return;
    const lookup = this.#lookup(this.#address, order);
    const assignment =
      /^([A-Za-z_.$][\w.$]*)\s*=\s*(.*)$/.exec(text) ?? /^\.(?:set|equ)\s+([A-Za-z_.$][\w.$]*)\s*,\s*(.*)$/.exec(text);
    if (assignment) {
      this.#symbols.set(assignment[1] as string, this.#number(new Scanner(assignment[2] as string, lookup)));
      return;
    }
    const [, name = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(text) ?? [];
    const size = name.startsWith(".") ? this.#directiveSize(name, rest, lookup) : this.#length(name);
    this.#statements.push({ line, name, text: rest, address: this.#address, size, order });
    this.#address += BigInt(size);
  }

  #number(scanner: Scanner): bigint {
    const { value } = scanner.expression();
    if (!scanner.done) throw new ExpressionError(`unexpected "${scanner.rest}"`);
    return value;
  }

  #directiveSize(name: string, text: string, lookup: SymbolLookup): number {
    const padding = (alignment: bigint) => {
      if (alignment < 1n || (alignment & (alignment - 1n)) !== 0n) {
        throw new ExpressionError(`${name}: ${alignment} is not a power of 2`);
      }
      return Number(-this.#address & (alignment - 1n));
    };
    const size = dataSizes[name];
    if (size !== undefined) return size * this.#listLength(text);
    switch (name) {
      case ".ascii":
      case ".asciz":
      case ".string":
        return this.#strings(name, text).length;
      case ".align":
      case ".p2align": {
        const power = this.#number(new Scanner(text, lookup));
        if (power < 0n || power > 32n) throw new ExpressionError(`${name}: ${power} is not in 0..32`);
        return padding(1n << power);
      }
      case ".balign":
        return padding(this.#number(new Scanner(text, lookup)));
      case ".skip":
      case ".space": {
        const count = new Scanner(text, lookup).expression().value;
        if (count < 0n || count > 1n << 30n) throw new ExpressionError(`${name}: ${count} bytes cannot be skipped`);
        return Number(count);
      }
      case ".org": {
        const distance = this.#number(new Scanner(text, lookup)) - this.#address;
        if (distance < 0n) throw new ExpressionError(`.org goes back by ${-distance} bytes`);
        if (distance > 1n << 30n) throw new ExpressionError(`.org skips ${distance} bytes`);
        return Number(distance);
      }
      default:
        throw new ExpressionError(`unknown directive ${name}`);
    }
  }

  /** Number of comma-separated values; commas inside characters and strings do not count. */
  #listLength(text: string): number {
    return text.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'/g, "0").split(",").length;
  }

  #strings(name: string, text: string): number[] {
    const scanner = new Scanner(text, () => undefined);
    const bytes: number[] = [];
    do {
      bytes.push(...scanner.string());
      if (name !== ".ascii") bytes.push(0);
    } while (scanner.take(","));
    if (!scanner.done) throw new ExpressionError(`unexpected "${scanner.rest}"`);
    return bytes;
  }

  /** Bytes of what is written with this mnemonic: all its forms have the same. */
  #length(mnemonic: string): number {
    const [form] = this.#set.forms(mnemonic);
    const listed = form?.type === "alias" ? this.#set.named(form.alias.target)[0] : form?.listed;
    return listed ? lengthOf(listed.variant) : 4;
  }

  /**
   * An instruction's words. What names no symbol and is no branch is the same wherever it stands, and programs repeat
   * themselves.
   */
  #instruction(name: string, text: string, lookup: SymbolLookup, address: bigint): readonly number[] {
    const key = `${name} ${text}`;
    const known = this.#words.get(key);
    if (known !== undefined) return known;
    let symbolic = false;
    const noting: SymbolLookup = (symbol) => {
      symbolic = true;
      return lookup(symbol);
    };
    const words = assembleInstruction(name, text, this.#set, noting, address);
    const branches = this.#set
      .forms(name)
      .some(({ template }) => template.parts.some((part) => part.type === "operand" && part.kind === "target"));
    if (!symbolic && !branches) this.#words.set(key, words);
    return words;
  }

  /** Second pass. */
  #emit(statement: Statement & { order: number }, bytes: Uint8Array): void {
    const { name, text, address, size } = statement;
    const at = Number(address - this.#origin);
    const lookup = this.#lookup(address, statement.order);
    const put = (offset: number, width: number, value: bigint) => {
      for (let i = 0; i < width; i++) {
        bytes[offset + (this.#littleEndian ? i : width - 1 - i)] = Number((value >> BigInt(8 * i)) & 0xffn);
      }
    };
    const width = dataSizes[name];
    if (width !== undefined) {
      const scanner = new Scanner(text, lookup);
      for (let i = 0; i < size / width; i++) {
        if (i > 0 && !scanner.take(",")) throw new ExpressionError(`expected "," at "${scanner.rest}"`);
        const { value } = scanner.expression();
        const span = 1n << BigInt(8 * width);
        if (value >= span || value < -span / 2n) throw new ExpressionError(`${value} does not fit ${name}`);
        put(at + i * width, width, value);
      }
      if (!scanner.done) throw new ExpressionError(`unexpected "${scanner.rest}"`);
    } else if (name === ".skip" || name === ".space") {
      const scanner = new Scanner(text, lookup);
      scanner.expression();
      if (scanner.take(",")) bytes.fill(Number(scanner.expression().value & 0xffn), at, at + size);
    } else if (name === ".ascii" || name === ".asciz" || name === ".string") bytes.set(this.#strings(name, text), at);
    else if (!name.startsWith(".")) {
      if ((address & 3n) !== 0n)
        throw new ExpressionError(`instruction at 0x${address.toString(16)}, not a multiple of 4`);
      const words = this.#instruction(name, text, lookup, address);
      if (words.length > 1 && address % BigInt(prefixBoundary) === BigInt(prefixBoundary - 4)) {
        throw new ExpressionError(
          `a prefixed instruction at 0x${address.toString(16)} would cross a multiple of ${prefixBoundary}`,
        );
      }
      for (const [i, word] of words.entries()) put(at + 4 * i, 4, BigInt(word));
    }
  }
}

/** Assembles a source text. Throws AssemblyError, which names the line and what is wrong with it. */
export function assemble(source: string, options: AssembleOptions = {}): Assembled {
  return new Assembler(options).run(source);
}

/** The word of a single instruction, the first if it has two. Throws AssemblyError. */
export function assembleWord(text: string, options: AssembleOptions = {}): number {
  const { bytes } = assemble(text, { ...options, littleEndian: true });
  return new DataView(bytes.buffer).getUint32(0, true);
}
