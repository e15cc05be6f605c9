/**
 * Operand types, as encodings name them: what an operand is and where its bits are. A number behind the name is its size;
 * without one it has the instruction's operand size.
 */
import type { Size } from "./registers.js";

export type OperandKind =
  /** ModRM: register or memory; a register; memory; memory without a size of its own; a register whatever mod says. */
  | "rm"
  | "rr"
  | "m"
  | "mem"
  | "rx"
  /** ModRM.reg: a general register, a segment register, a control or debug register. */
  | "r"
  | "sreg"
  | "creg"
  | "dreg"
  /** An XMM register in ModRM.reg; in ModRM.rm; there, or memory. */
  | "x"
  | "xr"
  | "xm"
  /** An XMM register in VEX.vvvv; in the upper half of the byte behind it all. */
  | "xv"
  | "xi"
  /** Memory where the elements of an XMM, of a YMM register index it. */
  | "vx"
  | "vy"
  /** XMM0; and where it is not written. */
  | "xz"
  | "xh"
  /** An MMX register in ModRM.reg; in ModRM.rm; there, or memory. */
  | "q"
  | "qr"
  | "qm"
  /** The top of the x87's stack; the register of it that ModRM.rm names. */
  | "st"
  | "sti"
  /** In the opcode; VEX.vvvv. */
  | "o"
  | "v"
  /** Memory that holds a far pointer, selector behind offset; that holds two operands. */
  | "mfar"
  | "mpair"
  /** Fixed: the accumulator, CL, DX, the number 1, a segment register. */
  | "a"
  | "c"
  | "d"
  | "one"
  | "es"
  | "cs"
  | "ss"
  | "ds"
  | "fs"
  | "gs"
  /** Immediate: sign-extended to the operand size, of 32 bits at most; unsigned; of the full size. */
  | "i"
  | "u"
  | "iv"
  /** A place in code, relative to the next instruction; a far one. */
  | "rel"
  | "far"
  /** Memory at an address in the instruction. */
  | "moffs"
  /** Memory at DS:rSI, ES:rDI, DS:rBX + AL. */
  | "si"
  /** The same at DS:rDI and DS:rAX, which is not written. */
  | "mdi"
  | "mra"
  | "di"
  | "bx";

export interface OperandType {
  readonly name: string;
  readonly kind: OperandKind;
  /** Undefined: the instruction's. */
  readonly size: Size | undefined;
}

const kinds: ReadonlySet<string> = new Set(
  (
    "rm rr m mem rx x xr xm xv xi vx vy xz xh q qr qm st sti r sreg creg dreg o v mfar mpair a c d one es cs ss ds fs gs i u iv rel far moffs si mdi mra di bx" as const
  ).split(" "),
);

/** Reads `name:type`; throws an Error that says what is wrong. */
export function parseOperand(text: string): OperandType {
  const [, name, kind, digits] = /^(\w+):([a-z]+)(\d*)$/.exec(text) ?? [];
  if (name === undefined || kind === undefined) throw new Error(`an operand is name:type, not ${text}`);
  if (!kinds.has(kind)) throw new Error(`${text} has no type that there is`);
  const size = digits ? Number(digits) : undefined;
  if (size !== undefined && ![8, 16, 32, 64, 80, 128, 256].includes(size))
    throw new Error(`${text} has no size that there is`);
  return { name, kind: kind as OperandKind, size: size as Size | undefined };
}

/** Kinds that ModRM.rm names: a register, memory, or either. */
export const modrmKinds: readonly OperandKind[] = [
  "rm",
  "rr",
  "m",
  "mem",
  "mfar",
  "mpair",
  "rx",
  "xr",
  "xm",
  "vx",
  "vy",
  "qr",
  "qm",
  "sti",
];
export const memoryKinds: readonly OperandKind[] = ["m", "mem", "mfar", "mpair", "vx", "vy"];
export const vectorIndexKinds: readonly OperandKind[] = ["vx", "vy"];
export const registerKinds: readonly OperandKind[] = ["rr", "xr", "qr", "sti"];
export const eitherKinds: readonly OperandKind[] = ["rm", "xm", "qm"];
export const vectorKinds: readonly OperandKind[] = ["x", "xr", "xm", "xv", "xi", "xz", "xh"];
/** Those that instructions have without saying so. */
export const unwrittenKinds: readonly OperandKind[] = ["mdi", "mra", "xh"];
export const mmxKinds: readonly OperandKind[] = ["q", "qr", "qm"];
/** Those whose value the bytes of an instruction have, far pointers aside. */
export const immediateKinds: readonly OperandKind[] = ["i", "u", "iv", "rel", "moffs", "xi"];
/** Those that VEX.vvvv has. */
export const vvvvKinds: readonly OperandKind[] = ["v", "xv"];

/** Immediates, by how many bytes they have. The numbers are those of the decoder's tables. */
export const Immediate = {
  none: 0,
  byte: 1,
  word: 2,
  /** 2 or 4 bytes by operand size: 4 where that is 64. */
  full: 3,
  /** 2, 4 or 8. */
  whole: 4,
  /** The address size. */
  address: 5,
  /** A far pointer: as `full`, and two. */
  far: 6,
} as const;

/** How an operand's immediate is encoded. */
export function immediateOf({ kind, size }: OperandType, byteForm: boolean): number {
  switch (kind) {
    case "xi":
      return Immediate.byte;
    case "i":
    case "u":
    case "rel":
      return size === 8 || (byteForm && size === undefined)
        ? Immediate.byte
        : size === 16
          ? Immediate.word
          : Immediate.full;
    case "iv":
      return byteForm ? Immediate.byte : Immediate.whole;
    case "moffs":
      return Immediate.address;
    case "far":
      return Immediate.far;
    default:
      return Immediate.none;
  }
}
