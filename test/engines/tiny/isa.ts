/**
 * A processor for the engine's test: eight registers and one for return addresses, instructions of 1 to 6 bytes, little-endian.
 * Its machine and its instructions, as an architecture's isa/ folder has them. Invented; no processor is like it.
 */
import type { Operations } from "../../../src/semantics/operations.js";
import type { I32, I64 } from "../../../src/semantics/values.js";

export interface TinyMachine extends Operations {
  /** Register 0 to 7. */
  register(number: I32): I64;
  setRegister(number: I32, value: I64): void;
  link(): I64;
  setLink(value: I64): void;
  /** Bits of the operand word: bytes 1 to 4 of the instruction, the first the least significant. */
  field(shift: number, width: number): I32;
  signedField(shift: number, width: number): I32;
  /** Leaves the engine, pc at this instruction. */
  halt(): void;
}

export interface TinyInstruction {
  readonly name: string;
  readonly opcode: number;
  /** Bytes. */
  readonly length: number;
  readonly flow: "plain" | "call" | "return";
  /** How often, relative to others; 0: it is a function of its own. */
  readonly weight: number;
  readonly body: (m: TinyMachine) => void;
}

type Body = (m: TinyMachine) => void;

const a = (m: TinyMachine): I32 => m.field(0, 3);
const b = (m: TinyMachine): I32 => m.field(4, 3);
const address = (m: TinyMachine): I64 => m.i64.add(m.register(b(m)), m.i64.extendS(m.signedField(8, 8)));
/** Relative to this instruction. */
const relative = (m: TinyMachine, shift: number): I64 => m.i64.add(m.cia(), m.i64.extendS(m.signedField(shift, 16)));

const operation =
  (name: "add" | "sub" | "mul" | "and" | "xor" | "shl" | "shrU" | "rotl"): Body =>
  (m) =>
    m.setRegister(a(m), m.i64[name](m.register(a(m)), m.register(b(m))));
const load =
  (size: 1 | 2 | 4 | 8): Body =>
  (m) =>
    m.setRegister(a(m), m.load(address(m), size));
const store =
  (size: 1 | 2 | 4 | 8): Body =>
  (m) =>
    m.store(address(m), size, m.register(a(m)));

const rows: readonly (readonly [opcode: number, length: number, name: string, weight: number, body: Body])[] = [
  [0x00, 1, "halt", 0, (m) => m.halt()],
  [0x01, 1, "ret", 5, (m) => m.jump(m.link())],
  [0x02, 1, "nop", 0, () => {}],
  [0x10, 2, "mov", 9, (m) => m.setRegister(a(m), m.register(b(m)))],
  [0x11, 2, "add", 20, operation("add")],
  [0x12, 2, "sub", 0, operation("sub")],
  [0x13, 2, "mul", 0, operation("mul")],
  [0x14, 2, "and", 0, operation("and")],
  [0x15, 2, "xor", 8, operation("xor")],
  [0x16, 2, "shl", 0, operation("shl")],
  [0x17, 2, "shr", 0, operation("shrU")],
  [0x18, 2, "rotl", 0, operation("rotl")],
  [0x19, 2, "slt", 0, (m) => m.setRegister(a(m), m.i64.extendU(m.i64.ltS(m.register(a(m)), m.register(b(m)))))],
  // Under a condition: an arm of its own.
  [
    0x1a,
    2,
    "movnz",
    0,
    (m) => m.if(m.i64.ne(m.register(a(m)), m.i64.const(0)), () => m.setRegister(a(m), m.register(b(m)))),
  ],
  [0x20, 3, "ld8", 12, load(8)],
  [0x21, 3, "ld4", 0, load(4)],
  [0x22, 3, "ld1", 0, load(1)],
  [0x28, 3, "st8", 11, store(8)],
  [0x29, 3, "st2", 0, store(2)],
  [0x2a, 3, "st1", 0, store(1)],
  [0x30, 3, "jmp", 0, (m) => m.jump(relative(m, 0))],
  [0x31, 4, "jz", 7, (m) => m.if(m.i64.eqz(m.register(a(m))), () => m.jump(relative(m, 8)))],
  [
    0x32,
    4,
    "djnz",
    15,
    (m) => {
      const less = m.i64.sub(m.register(a(m)), m.i64.const(1));
      m.setRegister(a(m), less);
      m.if(m.i64.ne(less, m.i64.const(0)), () => m.jump(relative(m, 8)));
    },
  ],
  [
    0x33,
    3,
    "call",
    6,
    (m) => {
      m.setLink(m.i64.add(m.cia(), m.i64.const(3)));
      m.jump(relative(m, 0));
    },
  ],
  [0x34, 2, "jr", 0, (m) => m.jump(m.register(a(m)))],
  [0x40, 5, "ldi", 10, (m) => m.setRegister(a(m), m.i64.extendS(m.signedField(8, 24)))],
  // Its last byte says nothing.
  [0x41, 6, "addi", 0, (m) => m.setRegister(a(m), m.i64.add(m.register(b(m)), m.i64.extendS(m.signedField(8, 24))))],
];

/** The frequent ones first. */
export const instructions: readonly TinyInstruction[] = rows
  .map(([opcode, length, name, weight, body]): TinyInstruction => {
    const flow = name === "call" ? "call" : name === "ret" ? "return" : "plain";
    return { name, opcode, length, flow, weight, body };
  })
  .sort((x, y) => Math.sign(y.weight) - Math.sign(x.weight));

export const longest = Math.max(...instructions.map(({ length }) => length));

/** Encodes an instruction: its operand word's bytes follow the opcode. */
export function encode(name: string, { a = 0, b = 0, immediate = 0 } = {}): number[] {
  const found = instructions.find((one) => one.name === name);
  if (!found) throw new Error(`no instruction ${name}`);
  const jumps = found.name === "jmp" || found.name === "call";
  const word = jumps ? immediate & 0xffff : a | (b << 4) | (immediate << 8);
  const bytes = Array.from({ length: found.length - 1 }, (_, i) => (i < 4 ? (word >>> (8 * i)) & 0xff : 0x5a));
  return [found.opcode, ...bytes];
}
