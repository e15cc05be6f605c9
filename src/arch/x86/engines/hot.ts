/**
 * Which handlers stand in the interpreter's core function: mnemonic, operand size and addressing, from what Debian's amd64
 * kernel runs up to /init. Those with a weight are told apart first.
 */
export const frequent: Readonly<Record<string, number>> = {
  "mov 64 none": 20,
  "mov 64 plain": 20,
  "add 64 none": 12,
  "mov 32 none": 8,
  "mov 32 plain": 6,
  "jne 64 none": 6,
  "cmp 64 none": 4,
};

export const hot: ReadonlySet<string> = new Set([
  ...Object.keys(frequent),
  ...["shr", "sub", "imul", "lea", "and", "xor", "test", "push", "pop"].map((name) => `${name} 64 none`),
  ...["add", "cmp", "xor", "and", "test", "sub", "shl", "shr"].map((name) => `${name} 32 none`),
  ...["lea 64 plain", "movzx 32 plain", "movzx 32 none", "cmp 64 plain", "add 64 plain", "nop 32 plain"],
  ...["je", "jmp", "jb", "jae", "js", "jns", "call", "ret"].map((name) => `${name} 64 none`),
]);
