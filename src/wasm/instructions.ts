/**
 * How long instructions are: what must be known to go through a function's body.
 * Source: WebAssembly Core Specification and its Threads proposal, "Binary Format".
 */
import type { Reader } from "./binary.js";
import { atomicOpcodes, Op, Prefix, simdImmediateOpcodes } from "./opcodes.js";

/** How many numbers follow an opcode, as LEB128, or how many bytes. */
interface Immediates {
  readonly numbers?: number;
  readonly bytes?: number;
}

function immediatesOf(opcode: number): Immediates {
  if (opcode >= 0x28 && opcode <= 0x3e) return { numbers: 2 };
  switch (opcode) {
    case Op.call_indirect:
    case Op.return_call_indirect:
      return { numbers: 2 };
    case Op.block:
    case Op.loop:
    case Op.if:
    case Op.br:
    case Op.br_if:
    case Op.call:
    case 0x12: // return_call
    case Op["i32.const"]:
    case Op["i64.const"]:
    case 0x3f: // memory.size, memory.grow
    case 0x40:
    case 0xd0: // ref.null, ref.func
    case 0xd2:
      return { numbers: 1 };
    case 0x43:
      return { bytes: 4 };
    case 0x44:
      return { bytes: 8 };
    default:
      // local.get to table.set
      return opcode >= 0x20 && opcode <= 0x26 ? { numbers: 1 } : {};
  }
}

/** Behind the prefix of saturating conversions and bulk memory: how many numbers. */
export const bulkNumbers: Readonly<Record<number, number>> = {
  ...{ 8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1 },
};
function vectorImmediates(opcode: number): Immediates {
  if (opcode <= simdImmediateOpcodes.store || opcode === 92 || opcode === 93) return { numbers: 2 };
  if (opcode === simdImmediateOpcodes.const || opcode === simdImmediateOpcodes.shuffle) return { bytes: 16 };
  if (opcode >= 21 && opcode <= 34) return { bytes: 1 };
  // Lanes loaded and stored.
  if (opcode >= 84 && opcode <= 91) return { numbers: 2, bytes: 1 };
  return {};
}

function skip(reader: Reader, { numbers = 0, bytes = 0 }: Immediates): void {
  for (let n = numbers; n > 0; n--) reader.skipNumber();
  reader.at += bytes;
}

/** What follows an opcode without a prefix. */
export function skipImmediates(reader: Reader, opcode: number): void {
  if (opcode === Op.br_table) {
    for (let n = reader.leb(); n >= 0; n--) reader.leb();
  } else if (opcode === Op["select t"]) {
    const types = reader.leb();
    reader.at += types;
  } else skip(reader, immediatesOf(opcode));
}

/** What follows an opcode behind the prefix of vectors. */
export function skipVectorImmediates(reader: Reader, which: number): void {
  skip(reader, vectorImmediates(which));
}

/** What a body begins with. */
export function skipLocals(reader: Reader): void {
  for (let locals = reader.leb(); locals > 0; locals--) {
    reader.leb();
    reader.u8();
  }
}

/** What comes behind an opcode, its prefix's number among it. */
export function skipInstruction(reader: Reader, opcode: number): void {
  switch (opcode) {
    case Prefix.atomic:
      // A fence has one byte, the others an alignment and an offset.
      if (reader.leb() === atomicOpcodes.fence) reader.u8();
      else skip(reader, { numbers: 2 });
      return;
    case Prefix.saturating:
      skip(reader, { numbers: bulkNumbers[reader.leb()] ?? 0 });
      return;
    case Prefix.simd:
      skipVectorImmediates(reader, reader.leb());
      return;
    default:
      skipImmediates(reader, opcode);
  }
}
