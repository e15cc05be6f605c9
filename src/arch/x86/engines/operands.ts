/**
 * What a decoded instruction's operands are, as engines want them: registers by number, immediates cut to their operand. In
 * memory it is a record, which a decoded entry's word names: its address, with the instruction's length in the low four bits.
 */
import type { Decoded } from "../isa/decoder.js";
import type { Form } from "../isa/encoding.js";
import { immediateKinds, type OperandType, vectorIndexKinds, vectorKinds } from "../isa/operand.js";
import { byteRegister, highByte } from "../isa/registers.js";
import { noRegister, noSegment } from "./layout.js";

export interface Operands {
  /** General registers, of bytes with those from `highByte` on. */
  readonly reg: number;
  /** ModRM.rm, or the register in the opcode, or the vector that indexes memory. */
  readonly rm: number;
  readonly vvvv: number;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: number;
  readonly segment: number;
  readonly ripRelative: boolean;
  readonly immediates: readonly [bigint, bigint];
  readonly lock: boolean;
  /** Bytes. */
  readonly length: number;
}

/** Size of an operand of this type in an instruction. */
export const sizeOf = ({ size, kind }: OperandType, operandSize: number): number =>
  size ?? (vectorKinds.includes(kind) ? 128 : operandSize);

/** An immediate as a body reads it: zero-extended from what it is part of; places in code and addresses as they are. */
function immediate(form: Form, type: OperandType, operandSize: number, value: bigint): bigint {
  if (type.kind === "rel" || type.kind === "moffs") return value;
  if (type.kind === "xi") return BigInt.asUintN(8, value);
  const bytes = form.operands.some(({ kind, size }) => size === 8 && kind !== "i" && kind !== "u");
  const size = type.kind === "u" ? (type.size ?? operandSize) : bytes ? 8 : operandSize;
  return BigInt.asUintN(size, value);
}

/** The operands of what a decoder has found. */
export function operandsOf(found: Decoded, form: Form): Operands {
  const { memory, operandSize } = found;
  const numbered = (number: number, kinds: readonly string[]) => {
    const type = form.operands.find(({ kind }) => kinds.includes(kind));
    return type && sizeOf(type, operandSize) === 8 ? byteRegister(number, found.rex) : number;
  };
  const inOpcode = form.registerInOpcode;
  const register = inOpcode || (form.modrm && found.register);
  const rm = inOpcode ? numbered(found.inOpcode, ["o"]) : numbered(found.rm, ["rm", "rr", "rx"]);
  const addressed = form.modrm && !found.register;
  const gathers = form.operands.some(({ kind }) => vectorIndexKinds.includes(kind));
  const immediates: bigint[] = [0n, 0n];
  let next = 0;
  for (const type of form.operands) {
    if (!immediateKinds.includes(type.kind)) continue;
    immediates[next] = immediate(form, type, operandSize, found.immediates[next] as bigint);
    next++;
  }
  const { base, index, scale, displacement, ripRelative } = memory;
  return {
    reg: form.modrm ? numbered(found.reg, ["r"]) : 0,
    rm: register ? rm : gathers ? index : 0,
    vvvv: found.vvvv,
    base: addressed && base >= 0 ? base : noRegister,
    index: addressed && !gathers && index >= 0 ? index : noRegister,
    scale: addressed ? scale : 0,
    displacement: addressed ? displacement : 0,
    segment: found.segment < 0 ? noSegment : found.segment,
    ripRelative: addressed && ripRelative,
    immediates: immediates as [bigint, bigint],
    lock: found.lock,
    length: found.length,
  };
}

/** Byte offsets in a record. Registers are there as offsets in the file of general registers, so that AH is RAX's second byte. */
export const record = {
  first: 0,
  second: 8,
  displacement: 16,
  reg: 20,
  rm: 21,
  vvvv: 22,
  base: 23,
  index: 24,
  scale: 25,
  /** Offset in the segments' bases: of 64-bit code only where an override counts, of other code always. */
  segment: 26,
  /** 1: relative to the next instruction. */
  ripRelative: 27,
  /** 1: with LOCK. */
  lock: 28,
  /** 1: addresses have half as many bits as they can: 32 in 64-bit code, 16 in all other. */
  narrow: 29,
  size: 32,
} as const;

/** Byte offset of a register in the file of general registers. */
export const place = (number: number): number => (number >= highByte ? 8 * (number - highByte) + 1 : 8 * number);
