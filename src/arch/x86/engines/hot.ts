/**
 * Which handlers stand in the interpreter's core functions, of 64-bit code and of 32 bits in flat segments: mnemonic, opcode, operand
 * size and addressing. They are 93 to 97 of 100 instructions that are interpreted, by counts of Debian's kernels up to /init and of
 * some of the bench's small programs under `pr`, and of what `hv` interprets of python3, find, sqlite3, gcc and a shell, each with the
 * same weight. Vectors, x87 and strings, which take long by themselves, stay outside. The core must stay below about 35 kB
 * (docs/decisions/0007-interpreter-core.md).
 */
import type { Size } from "../isa/registers.js";

/**
 * How an address is made: base, index and displacement alone; or with the base of FS or GS, outside 64-bit mode also of CS, or
 * relative to code as well.
 */
export type Addressing = "none" | "plain" | "other";

const of = (size: Size, way: Addressing, names: string): string[] =>
  names.split(", ").map((name) => `${name}, ${size} ${way}`);

/** Those that are told apart first, with their share in a hundred. */
export const frequent: Readonly<Record<32 | 64, ReadonlyMap<string, number>>> = {
  64: new Map([
    ["mov 89, 64 none", 8.3],
    ["mov 8b, 64 plain", 6],
    ["push 50, 64 none", 5],
    ["pop 58, 64 none", 4],
    ["je 74, 64 none", 3.9],
    ["jne 75, 64 none", 3.3],
    ["mov 89, 64 plain", 2.6],
    ["mov 89, 32 none", 2.4],
  ]),
  32: new Map([
    ["mov 8b, 32 plain", 12.3],
    ["mov 89, 32 none", 9],
    ["mov 89, 32 plain", 7.1],
    ["push 50, 32 none", 5.8],
    ["lea 8d, 32 plain", 5],
    ["pop 58, 32 none", 4.5],
    ["jne 75, 32 none", 3.9],
  ]),
};

export const hot: Readonly<Record<32 | 64, ReadonlySet<string>>> = {
  64: new Set([
    ...of(64, "none", "mov 89, push 50, pop 58, je 74, jne 75, call e8, je 84, cmp 39, add 83, ret c3, test 85"),
    ...of(64, "none", "jne 85, jmp e9, add 1, movsxd 63, jmp eb, sub 83, jae 73, jb 72, sub 29, shl c1, ja 77, shr c1"),
    ...of(64, "none", "and 21, cmp 83, jns 79, or 9, jbe 76, call ff, jmp ff, mov c7, jb 82, jle 7e, not f7, cmp 81"),
    ...of(64, "none", "mov b8, and 83, imul af, sar c1, jae 83, and 81, jg 7f, sar d1, js 88, cmp 3d, xor 31, add 81"),
    ...of(64, "none", "and 25, shr d1, cmovae 43, cmovb 42, cmovs 48, cmove 44, cmovne 45, sub 81, js 78, inc ff"),
    ...of(64, "none", "add 5, neg f7, cdqe 98, jge 7d, jl 7c"),
    ...of(64, "plain", "mov 8b, mov 89, lea 8d, mov c7, movsxd 63, movsx bf, sub 2b, cmp 83, cmp 39, jmp ff, add 3"),
    ...of(64, "plain", "cmp 3b, or b, add 83, call ff"),
    ...of(64, "other", "mov 8b, add 3, lea 8d, mov 89, cmp 3b"),
    ...of(32, "none", "mov 89, xor 31, test 85, mov b8, add 83, cmp 39, cmp 83, and 83, movzx b6, sub 29, add 1"),
    ...of(32, "none", "and 81, sub 83, shr c1, test f7, shl c1, or 81, dec ff, movzx b7, and 25, sbb 19, test a9"),
    ...of(32, "none", "nop 90, setne 95, sete 94, or 9, cmp 3d, setb 92, cmp 81, movsx be, and 21, rol c1, cmove 44"),
    ...of(32, "none", "cmovne 45"),
    ...of(32, "plain", "nop 1f, movzx b6, mov 8b, mov 89, lea 8d, movzx b7, mov c7, cmp 3b, cmp 81, inc ff, dec ff"),
    ...of(32, "plain", "cmp 39, add 81, add 3"),
    ...of(32, "other", "mov 8b"),
    ...of(16, "none", "cmp 81"),
    ...of(16, "plain", "mov 89, mov 8b, cmp 81"),
    ...of(8, "none", "test 84, cmp 3c, cmp 80, test a8, test f6, cmp 38, or 8"),
    ...of(8, "plain", "cmp 80, test f6, mov c6, mov 88, cmp 3a, mov 8a, cmp 38"),
  ]),
  32: new Set([
    ...of(32, "none", "mov 89, push 50, pop 58, jne 75, add 1, xor 31, je 74, call e8, add 83, test 85, ret c3"),
    ...of(32, "none", "cmp 39, je 84, ror c1, mov b8, sub 83, cmp 83, jne 85, jmp eb, and 83, shr c1, sub 29, rol c1"),
    ...of(32, "none", "dec 48, jb 72, jns 79, js 78, jae 73, jmp e9, imul af, sbb 19, add 81, shl c1, and 81, ja 77"),
    ...of(32, "none", "inc 40, jbe 76, movzx b7, leave c9, or 9, cmp 3d, cmp 81, push 6a, and 25, movzx b6, and 21"),
    ...of(32, "none", "shr d1, jle 7e, jae 83, cmovb 42, cmovae 43, test f7, adc 11, test a9, jb 82, nop 90, setb 92"),
    ...of(32, "none", "setne 95, sete 94, jg 7f, jge 7d, jl 7c, call ff, jmp ff, sar c1, cmove 44, cmovne 45, imul 6b"),
    ...of(32, "none", "or 83, movsx be"),
    ...of(32, "plain", "mov 8b, mov 89, lea 8d, movzx b6, mov c7, cmp 39, sub 2b, inc ff, push ff, dec ff, add 3"),
    ...of(32, "plain", "add 83, movzx b7, sbb 1b, or b, xor 33, cmp 3b, cmp 83, call ff, jmp ff, nop 1f"),
    ...of(32, "other", "mov a1, mov 8b"),
    ...of(16, "plain", "mov 89, mov 8b"),
    ...of(8, "none", "test 84, cmp 3c, cmp 80, test f6, or c, test a8"),
    ...of(8, "plain", "mov 88, test f6, cmp 80, mov c6, mov 8a, cmp 38"),
  ]),
};
