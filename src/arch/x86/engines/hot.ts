/**
 * Which handlers stand in the interpreter's core functions, of 64-bit code and of 32 bits in flat segments: mnemonic, operand size
 * and addressing, from what Debian's kernels run up to /init. Those with a weight are told apart first.
 */
export const frequent: Readonly<Record<32 | 64, Readonly<Record<string, number>>>> = {
  64: {
    "mov 64 none": 20,
    "mov 64 plain": 20,
    "add 64 none": 12,
    "mov 32 none": 8,
    "mov 32 plain": 6,
    "jne 64 none": 6,
    "cmp 64 none": 4,
  },
  32: {
    "mov 32 plain": 25,
    "mov 32 none": 15,
    "add 32 none": 15,
    "jne 32 none": 6,
    "shr 32 none": 5,
    "cmp 32 none": 4,
    "lea 32 plain": 3,
  },
};

const of = (size: 32 | 64, names: readonly string[], way: "none" | "plain"): string[] =>
  names.map((name) => `${name} ${size} ${way}`);

export const hot: Readonly<Record<32 | 64, ReadonlySet<string>>> = {
  64: new Set([
    ...Object.keys(frequent[64]),
    ...of(64, ["shr", "sub", "imul", "lea", "and", "xor", "test", "push", "pop"], "none"),
    ...of(32, ["add", "cmp", "xor", "and", "test", "sub", "shl", "shr"], "none"),
    ...["lea 64 plain", "movzx 32 plain", "movzx 32 none", "cmp 64 plain", "add 64 plain", "nop 32 plain"],
    ...of(64, ["je", "jmp", "jb", "jae", "js", "jns", "call", "ret"], "none"),
  ]),
  32: new Set([
    ...Object.keys(frequent[32]),
    ...of(32, ["sub", "and", "xor", "or", "test", "shl", "adc", "imul", "inc", "dec", "push", "pop", "movzx"], "none"),
    ...of(32, ["add", "cmp", "movzx", "imul"], "plain"),
    ...of(32, ["je", "jmp", "jb", "jae", "js", "jns", "call", "ret"], "none"),
    ...["setb 8 none", "cmovae 32 none", "test 8 none", "cmp 8 plain", "mov 8 plain"],
  ]),
};
