/** Reads the encodings of declarations (insn.ts has their language) into forms: what the decoder tells apart. */
import type { Facility, Feature, InsnDefinition } from "./insn.js";
import {
  immediateOf,
  memoryKinds,
  mmxKinds,
  modrmKinds,
  type OperandKind,
  type OperandType,
  parseOperand,
  registerKinds,
  vectorKinds,
} from "./operand.js";

/** How the operand size follows from prefixes and mode. The numbers are those of the decoder's tables. */
export const SizeRule = {
  /** The byte form. */
  byte: 0,
  /** 16, 32, 64 by prefix 66, REX.W and mode. */
  full: 1,
  /** The same, but 64 in place of 32 in 64-bit mode. */
  default64: 2,
  /** 64 in 64-bit mode, else 16 or 32. */
  forced64: 3,
  /** 32, or 64 with W. */
  wide: 4,
  /** 64 in 64-bit mode, else 32. */
  native: 5,
  /** 16, 32, 64: fixed. */
  fixed16: 6,
  fixed32: 7,
  fixed64: 8,
  /** 16 or 32 by prefix 66 and mode; REX.W asks for more than there is, and gets 32. */
  port: 9,
} as const;

/** Mandatory prefixes: none, 66, F3, F2. The numbers are VEX.pp's. */
const prefixes: Readonly<Record<string, number>> = { NP: 0, "66": 1, F3: 2, F2: 3 };
const conditions = "o no b ae e ne be a s ns p np l ge le g".split(" ");

/** What an encoding fixes of what the decoder can tell apart; what is absent may be anything. */
export interface Fixed {
  /** 1 in 64-bit mode. */
  mode?: number;
  prefix?: number;
  /** 1 if ModRM names a register, not memory. */
  register?: number;
  reg?: number;
  rm?: number;
  w?: number;
  l?: number;
  b?: number;
}

/** One encoding with one opcode, or eight where a register's number is in it. */
export interface Form {
  readonly definition: InsnDefinition;
  /** Without what a size adds to it. */
  readonly mnemonic: string;
  readonly encoding: string;
  /** 0 one byte, 1 0F, 2 0F 38, 3 0F 3A; 4 more under VEX. */
  readonly map: number;
  readonly opcode: number;
  /** The opcode's low three bits are a register. */
  readonly registerInOpcode: boolean;
  readonly fixed: Fixed;
  readonly modrm: boolean;
  readonly sizeRule: number;
  readonly operands: readonly OperandType[];
  readonly immediates: readonly number[];
  /** What CPUID must say. */
  readonly feature: Feature | undefined;
  /** What it belongs to that the system may keep from programs. */
  readonly facilities: readonly Facility[];
  /** 0 to 15, if it is one of the sixteen. */
  readonly condition: number | undefined;
}

const isHex = (token: string | undefined): token is string => token !== undefined && /^[0-9A-F]{2}$/.test(token);

class Reader {
  readonly fixed: Fixed = {};
  map = 0;
  opcodes: number[] = [];
  modrm = false;
  registerInOpcode = false;
  conditional = false;
  sizeRule: number = SizeRule.full;
  /** It is said how the operand size follows. */
  sized = false;
  #tokens: string[];

  constructor(opcode: string) {
    this.#tokens = opcode.split(" ");
    this.#prefix();
    this.#map();
    this.#opcode();
    for (const token of this.#tokens) this.#more(token);
  }

  #prefix(): void {
    const [first = "", second] = this.#tokens;
    const vex = /^VEX\.(?:L([01])|LIG)\.(NP|66|F3|F2)\.(0F|0F38|0F3A)$/.exec(first);
    if (vex) {
      const [, l, prefix, map] = vex;
      if (l !== undefined) this.fixed.l = Number(l);
      this.fixed.prefix = prefixes[prefix as string] as number;
      this.map = { "0F": 5, "0F38": 6, "0F3A": 7 }[map as string] as number;
      this.sizeRule = SizeRule.wide;
      this.#tokens.shift();
    } else if (first in prefixes && (isHex(second) || second === "90")) {
      this.fixed.prefix = prefixes[first] as number;
      this.#tokens.shift();
    }
  }

  #map(): void {
    if (this.map !== 0 || this.#tokens[0] !== "0F") return;
    this.#tokens.shift();
    this.map = 1;
    const second = { "38": 2, "3A": 3 }[this.#tokens[0] as string];
    if (second === undefined || !/^[0-9A-F]{2}/.test(this.#tokens[1] ?? "")) return;
    this.#tokens.shift();
    this.map = second;
  }

  #opcode(): void {
    const token = this.#tokens.shift() ?? "";
    const [, first, second, plus] = /^([0-9A-F]{2})(?:\|([0-9A-F]{2}))?(?:\+(r|cc))?$/.exec(token) ?? [];
    if (first === undefined) throw new Error(`${token} is no opcode`);
    this.opcodes = [first, ...(second === undefined ? [] : [second])].map((hex) => Number.parseInt(hex, 16));
    this.registerInOpcode = plus === "r";
    this.conditional = plus === "cc";
  }

  #more(token: string): void {
    if (isHex(token)) {
      const byte = Number.parseInt(token, 16);
      this.modrm = true;
      Object.assign(this.fixed, { register: byte >> 6 === 3 ? 1 : 0, reg: (byte >> 3) & 7, rm: byte & 7 });
      return;
    }
    const digit = /^\/([0-7r])$/.exec(token)?.[1];
    if (digit !== undefined) {
      this.modrm = true;
      if (digit !== "r") this.fixed.reg = Number(digit);
      return;
    }
    const rules: Readonly<Record<string, number>> = {
      d64: SizeRule.default64,
      f64: SizeRule.forced64,
      y: SizeRule.wide,
      n: SizeRule.native,
      port: SizeRule.port,
      o16: SizeRule.fixed16,
      o32: SizeRule.fixed32,
    };
    if (token in rules) {
      this.sizeRule = rules[token] as number;
      this.sized = true;
    } else if (token === "i64" || token === "o64") this.fixed.mode = token === "o64" ? 1 : 0;
    else if (token === "W0" || token === "W1") this.fixed.w = Number(token[1]);
    else if (token === "b0") this.fixed.b = 0;
    else throw new Error(`${token} says nothing about an opcode`);
  }
}

/** An operand with the size that it has whatever prefixes say, where it says none itself. */
function sized(type: OperandType, long: boolean): OperandType {
  if (type.size !== undefined) return type;
  if (mmxKinds.includes(type.kind)) return { ...type, size: 64 };
  return long && vectorKinds.includes(type.kind) ? { ...type, size: 256 } : type;
}

/** What the operands belong to. */
function facilitiesOf({ options }: InsnDefinition, operands: readonly OperandType[], vex: boolean): Facility[] {
  if (options.facility) return [options.facility];
  const has = (kinds: readonly OperandKind[]) => operands.some(({ kind }) => kinds.includes(kind));
  const vector: Facility[] = has(vectorKinds) ? [vex ? "avx" : "sse"] : [];
  return [...(has(mmxKinds) ? (["mmx"] as const) : []), ...vector];
}

/** The forms of one encoding. */
function read(definition: InsnDefinition, encoding: string): Form[] {
  if (encoding.startsWith("VEX.L.")) {
    return [0, 1].flatMap((length) =>
      read(
        definition,
        encoding
          .replace("VEX.L.", `VEX.L${length}.`)
          .replace(/(\S+)\/(\S+)$/, (both, short, long) => (both.includes(":") ? both : length ? long : short)),
      ),
    );
  }
  const [opcode = "", operandText = "", feature = definition.options.feature] = encoding.split(/ {2,}/);
  const reader = new Reader(opcode);
  const { fixed } = reader;
  const vex = reader.map >= 4;
  const long = vex && fixed.l === 1;
  const operands = operandText === "" ? [] : operandText.split(", ").map((text) => sized(parseOperand(text), long));
  const inModrm = operands.filter(({ kind }) => modrmKinds.includes(kind));
  for (const { kind } of inModrm) {
    if (registerKinds.includes(kind)) fixed.register = 1;
    if (memoryKinds.includes(kind)) fixed.register = 0;
  }
  // The x87 and vectors have their own sizes, whatever prefixes say.
  const isFloat = reader.map === 0 && reader.opcodes.every((opcode) => opcode >> 3 === 0xd8 >> 3);
  if (isFloat && reader.sizeRule === SizeRule.full) reader.sizeRule = SizeRule.fixed32;
  const vectors = operands.some(({ kind }) => vectorKinds.includes(kind));
  const mmx = operands.some(({ kind }) => mmxKinds.includes(kind));
  if ((vectors || mmx) && reader.sizeRule === SizeRule.full) reader.sizeRule = SizeRule.fixed64;
  // Under VEX, unless another operand's size is W's.
  const bySize = operands.some(({ kind, size }) => size === undefined && ["rm", "r", "rr", "m"].includes(kind));
  if (vex && vectors && !bySize && !reader.sized) reader.sizeRule = SizeRule.fixed64;
  if (inModrm.length > 1 || (inModrm.length > 0 && !reader.modrm)) {
    throw new Error(`one operand is in ModRM, and its place is there`);
  }
  const common = { definition, encoding, map: reader.map, fixed, modrm: reader.modrm, operands };
  return reader.opcodes.flatMap((opcode, i): Form[] => {
    const byteForm = i === 0 && reader.opcodes.length === 2;
    const sizeRule = byteForm ? SizeRule.byte : reader.sizeRule;
    const immediates = operands.map((one) => immediateOf(one, byteForm)).filter((one) => one !== 0);
    const { registerInOpcode } = reader;
    const form = {
      ...common,
      opcode,
      registerInOpcode,
      sizeRule,
      immediates,
      feature: feature as Feature | undefined,
      facilities: facilitiesOf(definition, operands, vex),
    };
    if (!reader.conditional) return [{ ...form, mnemonic: definition.name, condition: undefined }];
    return conditions.map((suffix, condition) => ({
      ...form,
      opcode: opcode + condition,
      mnemonic: definition.name + suffix,
      condition,
    }));
  });
}

/** Every form of a declaration. Throws an Error that names it and what is wrong with it. */
export function formsOf(definition: InsnDefinition): Form[] {
  return definition.encodings.flatMap((encoding) => {
    try {
      return read(definition, encoding);
    } catch (error) {
      throw new Error(`instruction ${definition.name}, encoding "${encoding}": ${(error as Error).message}`);
    }
  });
}
