/**
 * Reads an instruction's bytes, in any of the three code sizes: prefixes in any order, REX or VEX, opcode, ModRM, SIB,
 * displacement, immediates. Everything that depends on which instruction it is comes from the decode table.
 */
import { bits, type DecodeTable, FormBits, Property } from "./decode-table.js";
import { SizeRule } from "./encoding.js";
import { Immediate } from "./operand.js";
import type { CodeSize, Size } from "./registers.js";

/** An address as an instruction gives it. Registers by number, -1 for none; the index may be a vector's. */
export interface Memory {
  base: number;
  index: number;
  /** log2 of what the index is multiplied by. */
  scale: number;
  /** Sign-extended. */
  displacement: number;
  /** The instruction has one, be it 0. */
  displaced: boolean;
  /** Relative to the next instruction. */
  ripRelative: boolean;
}

/** One instruction as its bytes have it. A decoder uses one of these again and again. */
export interface Decoded {
  /** The form's number, from 1. */
  form: number;
  length: number;
  codeSize: CodeSize;
  operandSize: Size;
  addressSize: CodeSize;
  lock: boolean;
  /** The last of F2 and F3: 0, 0xf2, 0xf3. */
  repeat: number;
  /** The segment that an override names; -1: none that counts. */
  segment: number;
  /** There was a REX prefix: numbers 4 to 7 of byte registers are SPL to DIL. */
  rex: boolean;
  opcode: number;
  /** ModRM.reg, ModRM.rm and the register in the opcode, with REX's bits; VEX.vvvv. */
  reg: number;
  rm: number;
  inOpcode: number;
  vvvv: number;
  /** ModRM.rm is a register. */
  register: boolean;
  readonly memory: Memory;
  /** Immediates: sign-extended from their encoding. */
  readonly immediates: [bigint, bigint];
  /** A 66 prefix was there. */
  operandPrefix: boolean;
  w: number;
}

export const longest = 15;

/** What keeps bytes from being an instruction. */
export type Undecoded =
  /** #UD: there is no such instruction, or LOCK where it may not be. */
  | "invalid"
  /** More than 15 bytes: #GP. */
  | "long"
  /** The bytes ended. */
  | "short";

class Short extends Error {}

const sixteen: readonly (readonly [number, number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
];

const segmentPrefixes: Readonly<Record<number, number>> = { 38: 0, 46: 1, 54: 2, 62: 3, 100: 4, 101: 5 };

export class Decoder {
  readonly #table: DecodeTable;
  readonly result: Decoded = {
    form: 0,
    length: 0,
    codeSize: 64,
    operandSize: 32,
    addressSize: 64,
    lock: false,
    repeat: 0,
    segment: -1,
    rex: false,
    opcode: 0,
    reg: 0,
    rm: 0,
    inOpcode: 0,
    vvvv: 0,
    register: false,
    memory: { base: -1, index: -1, scale: 0, displacement: 0, displaced: false, ripRelative: false },
    immediates: [0n, 0n],
    operandPrefix: false,
    w: 0,
  };
  #bytes: (i: number) => number | undefined = () => undefined;
  #at = 0;

  constructor(table: DecodeTable) {
    this.#table = table;
  }

  /**
   * Reads the instruction whose bytes `byte` gives; its answer undefined stands for no more bytes. True if there is one,
   * which is then in `result`. `plain`: F2 and F3 are no part of the opcode.
   */
  decode(byte: (i: number) => number | undefined, codeSize: CodeSize, plain = false): true | Undecoded {
    this.#bytes = byte;
    this.#at = 0;
    try {
      const found = this.#instruction(codeSize, plain);
      if (this.#at > longest) return "long";
      return found ? true : "invalid";
    } catch (error) {
      if (!(error instanceof Short)) throw error;
      return this.#at >= longest ? "long" : "short";
    }
  }

  #next(): number {
    const byte = this.#at > longest ? undefined : this.#bytes(this.#at);
    if (byte === undefined) throw new Short();
    this.#at++;
    return byte;
  }

  #signed(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.#next() << (8 * i);
    return (value << (32 - 8 * size)) >> (32 - 8 * size);
  }

  #instruction(codeSize: CodeSize, plain: boolean): boolean {
    const r = this.result;
    r.codeSize = codeSize;
    r.lock = false;
    r.repeat = 0;
    r.segment = -1;
    r.operandPrefix = false;
    let addressPrefix = false;
    let rex = 0;
    let byte: number;
    for (;;) {
      byte = this.#next();
      if (byte === 0x66) r.operandPrefix = true;
      else if (byte === 0x67) addressPrefix = true;
      else if (byte === 0xf0) r.lock = true;
      else if (byte === 0xf2 || byte === 0xf3) r.repeat = byte;
      else if (segmentPrefixes[byte] !== undefined) {
        const segment = segmentPrefixes[byte] as number;
        // In 64-bit mode the first four are there and do nothing.
        if (codeSize !== 64 || segment > 3) r.segment = segment;
      } else if (codeSize === 64 && (byte & 0xf0) === 0x40) {
        rex = byte;
        continue;
      } else break;
      // A REX prefix counts right before the opcode only.
      rex = 0;
    }
    r.addressSize = codeSize === 64 ? (addressPrefix ? 32 : 64) : (codeSize === 16) === addressPrefix ? 32 : 16;
    r.rex = rex !== 0;
    r.w = (rex >> 3) & 1;
    let extendR = (rex & 4) << 1;
    let extendX = (rex & 2) << 2;
    let extendB = (rex & 1) << 3;
    const repeat = plain ? 0 : r.repeat;
    let prefix = repeat === 0xf3 ? 2 : repeat === 0xf2 ? 3 : r.operandPrefix ? 1 : 0;
    let map = 0;
    let l = 0;
    let vex = false;
    r.vvvv = 0;
    if (byte === 0x0f) {
      map = 1;
      byte = this.#next();
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        byte = this.#next();
      }
    } else if (byte === 0xc4 || byte === 0xc5) {
      // Elsewhere these are LES and LDS, whose ModRM is no register.
      const second = this.#peek();
      if (codeSize === 64 || second >> 6 === 3) {
        if (r.lock || r.repeat !== 0 || r.operandPrefix || rex !== 0) return false;
        vex = true;
        this.#next();
        let last = second;
        map = 5;
        extendX = 0;
        extendB = 0;
        if (byte === 0xc4) {
          map = 4 + (second & 31);
          if (map === 4 || map > 7) return false;
          last = this.#next();
          r.w = last >> 7;
          if (codeSize === 64) {
            extendX = (~second & 0x40) >> 3;
            extendB = (~second & 0x20) >> 2;
          }
        }
        extendR = codeSize === 64 ? (~second & 0x80) >> 4 : 0;
        r.vvvv = (~last >> 3) & (codeSize === 64 ? 15 : 7);
        l = (last >> 2) & 1;
        prefix = last & 3;
        byte = this.#next();
      }
    }
    r.opcode = byte;
    r.inOpcode = (byte & 7) | extendB;
    const { nodes, forms } = this.#table;
    let word = nodes[map * 256 + byte] as number;
    let modrm = -1;
    while (word < 0) {
      const property = nodes[-word] as number;
      let value: number;
      switch (property) {
        case Property.mode:
          value = codeSize === 64 ? 1 : 0;
          break;
        case Property.prefix:
          value = prefix;
          break;
        case Property.w:
          value = codeSize === 64 || vex ? r.w : 0;
          break;
        case Property.l:
          value = l;
          break;
        case Property.b:
          value = extendB >> 3;
          break;
        default:
          if (modrm < 0) modrm = this.#next();
          value =
            property === Property.register
              ? modrm >= 0xc0
                ? 1
                : 0
              : property === Property.reg
                ? (modrm >> 3) & 7
                : modrm & 7;
      }
      word = nodes[1 + value - word] as number;
    }
    if (word === 0) return false;
    r.form = word;
    const form = forms[word - 1] as number;
    if (vex && !bits(form, FormBits.vex) && r.vvvv !== 0) return false;
    r.operandSize = this.#operandSize(bits(form, FormBits.sizeRule), codeSize);
    r.register = false;
    if (bits(form, FormBits.modrm)) {
      if (modrm < 0) modrm = this.#next();
      const whole = bits(form, FormBits.anyMod) ? modrm | 0xc0 : modrm;
      const vectors = bits(form, FormBits.vectorIndex) === 1;
      this.#modrm(whole, extendR, extendX, extendB, vectors);
      if (vectors && !this.#gathers(modrm)) return false;
    }
    const first = bits(form, FormBits.first);
    if (first) r.immediates[0] = this.#immediate(first);
    const second = bits(form, FormBits.second);
    if (second) r.immediates[1] = this.#immediate(second);
    if (first === Immediate.far) r.immediates[1] = BigInt(this.#signed(2) & 0xffff);
    r.length = this.#at;
    const segment = r.reg & 7;
    if (bits(form, FormBits.segmentRead) && segment > 5) return false;
    if (bits(form, FormBits.segmentWritten) && (segment > 5 || segment === 1)) return false;
    // LOCK wants memory to be written.
    return !r.lock || (bits(form, FormBits.lock) === 1 && !r.register);
  }

  /** An index that is a vector needs SIB, and the three vectors are different ones. */
  #gathers(modrm: number): boolean {
    const { reg, vvvv, addressSize, memory } = this.result;
    return addressSize !== 16 && (modrm & 7) === 4 && new Set([reg, vvvv, memory.index]).size === 3;
  }

  #peek(): number {
    const byte = this.#bytes(this.#at);
    if (byte === undefined) throw new Short();
    return byte;
  }

  #operandSize(rule: number, codeSize: CodeSize): Size {
    const r = this.result;
    const byPrefix = (codeSize === 16) === r.operandPrefix ? 32 : 16;
    switch (rule) {
      case SizeRule.byte:
        return 8;
      case SizeRule.full:
        return r.w && codeSize === 64 ? 64 : byPrefix;
      case SizeRule.default64:
        if (codeSize !== 64) return byPrefix;
        return r.operandPrefix && !r.w ? 16 : 64;
      case SizeRule.forced64:
        return codeSize === 64 ? 64 : byPrefix;
      case SizeRule.wide:
        return r.w && codeSize === 64 ? 64 : 32;
      case SizeRule.native:
        return codeSize === 64 ? 64 : 32;
      case SizeRule.port:
        return r.w && codeSize === 64 ? 32 : byPrefix;
      case SizeRule.fixed16:
        return 16;
      case SizeRule.fixed32:
        return 32;
      default:
        return 64;
    }
  }

  #modrm(modrm: number, extendR: number, extendX: number, extendB: number, vectors: boolean): void {
    const r = this.result;
    const mod = modrm >> 6;
    const low = modrm & 7;
    r.reg = ((modrm >> 3) & 7) | extendR;
    r.rm = low | extendB;
    r.register = mod === 3;
    if (mod === 3) return;
    const m = r.memory;
    m.index = -1;
    m.scale = 0;
    m.displacement = 0;
    m.displaced = mod !== 0;
    m.ripRelative = false;
    if (r.addressSize === 16) {
      [m.base, m.index] = sixteen[low] as readonly [number, number];
      if (mod === 0 && low === 6) {
        m.base = -1;
        m.displacement = this.#signed(2);
      } else if (mod !== 0) m.displacement = this.#signed(mod);
      return;
    }
    m.base = r.rm;
    let none = mod === 0 && low === 5;
    if (low === 4) {
      const sib = this.#next();
      m.scale = sib >> 6;
      m.index = ((sib >> 3) & 7) | extendX;
      // Not RSP; but R12, and XMM4.
      if (m.index === 4 && !vectors) m.index = -1;
      m.base = (sib & 7) | extendB;
      none = mod === 0 && (sib & 7) === 5;
    } else if (none && r.codeSize === 64) m.ripRelative = true;
    if (none) m.base = -1;
    if (none || mod === 2) m.displacement = this.#signed(4);
    else if (mod === 1) m.displacement = this.#signed(1);
  }

  #immediate(kind: number): bigint {
    const { operandSize, addressSize } = this.result;
    const whole = () => BigInt(this.#signed(4) >>> 0) | (BigInt(this.#signed(4)) << 32n);
    switch (kind) {
      case Immediate.byte:
        return BigInt(this.#signed(1));
      case Immediate.word:
        return BigInt(this.#signed(2));
      case Immediate.address:
        return addressSize === 64 ? whole() : BigInt(this.#signed(addressSize === 16 ? 2 : 4));
      case Immediate.whole:
        return operandSize === 64 ? whole() : BigInt(this.#signed(operandSize === 16 ? 2 : 4));
      default:
        return BigInt(this.#signed(operandSize === 16 ? 2 : 4));
    }
  }
}
