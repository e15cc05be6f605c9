/** Where objdump reads bytes in another way than processors do, or than we print: by the bytes and what it says. */
import type { CodeSize } from "../../src/arch/x86/isa/registers.js";

const legacy: ReadonlySet<number> = new Set([0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65]);

/** `text` is objdump's, normalised. */
export function departs(bytes: readonly number[], codeSize: CodeSize, text: string): boolean {
  const isRex = (byte: number | undefined) => codeSize === 64 && byte !== undefined && (byte & 0xf0) === 0x40;
  let at = 0;
  while (legacy.has(bytes[at] as number) || isRex(bytes[at])) at++;
  const prefixes = bytes.slice(0, at);
  const has = (byte: number) => prefixes.includes(byte);
  const [first, second] = bytes.slice(at);
  // A REX prefix that is not the last is printed as an instruction by itself.
  if (prefixes.slice(0, -1).some(isRex)) return true;
  // It prints LOCK before whatever follows; so it does with prefixes before VEX that make it #UD.
  if (has(0xf0)) return true;
  if ((first === 0xc4 || first === 0xc5) && (codeSize === 64 || (second as number) >= 0xc0)) {
    if (prefixes.some((byte) => isRex(byte) || byte === 0x66 || byte === 0xf2 || byte === 0xf3)) return true;
  }
  // Prefixes that have no meaning here are #UD to it: processors ignore them (AMD APM 3, "Instruction Prefixes").
  if (text.includes("(bad)") && prefixes.some((byte) => [0x66, 0xf2, 0xf3].includes(byte)) && first === 0x0f)
    return true;
  // EVEX and XOP, which are omitted whole.
  if ((first === 0x62 && codeSize === 64) || (first === 0x8f && ((second as number) & 0x38) !== 0)) return true;
  // Hints that name a register: AMD has none.
  if (first === 0x0f && second === 0x0d && (bytes[at + 2] as number) >= 0xc0) return true;
  // Test registers, which the 486 was the last to have.
  if (first === 0x0f && ((second as number) & 0xf8) === 0x20 && /\btr\d/.test(text)) return true;
  // MPX, which has no addresses of 16 bits: hints to processors without it.
  if (first === 0x0f && (second === 0x1a || second === 0x1b)) return true;
  // There are six segment registers, and CS is not moved to.
  if (/^mov \?|[ ,]\?|^mov cs,/.test(text)) return true;
  // With 3E it prints what CET makes of these, and leaves out the segment that another prefix names.
  if (first === 0xff && has(0x3e)) return true;
  // With REX.B it exchanges R8, whatever comes before (seen on a processor).
  if (first === 0x90 && has(0xf3) && isRex(prefixes.at(-1)) && ((prefixes.at(-1) as number) & 1) !== 0) return true;
  // FWAIT is a prefix to it.
  if (first === 0x9b && isRex(prefixes.at(-1))) return true;
  // LFENCE, MFENCE and SFENCE do not look at ModRM.rm (AMD APM 3).
  if (text.includes("(bad)") && first === 0x0f && second === 0xae) return true;
  // Where both ask for a size, REX.W does (AMD APM 3, "Operand-Size Override Prefix"), for far pointers and movsxd too.
  const [name = ""] = text.split(" ");
  const wide = isRex(prefixes.at(-1)) && ((prefixes.at(-1) as number) & 8) !== 0;
  if (has(0x66) && wide && ["call", "jmp", "lss", "lfs", "lgs", "movsxd"].includes(name)) return true;
  // It takes MMX's registers for XMM's then.
  if (has(0x66) && /^mov(q2dq|dq2q)$/.test(name)) return true;
  // L says nothing of these.
  if (/^vmovs[sd] ymm/.test(text)) return true;
  // Immediates of 2 and 3 have no names of their own in the manual.
  if (/^v?pclmul/.test(name) && [2, 3].includes(bytes.at(-1) as number)) return true;
  // SALC, which it does not know (AMD APM 3, "Opcode and Operand Encodings").
  if (first === 0xd6 && text.includes("(bad)")) return true;
  // Second encodings of FCOM, FCOMP, FXCH and FSTP, which processors have and it does not know (x87.ts).
  const x87 = (first === 0xd9 && "3") || (first === 0xdc && "23") || (first === 0xdd && "1");
  const alias = x87 || (first === 0xde && "2") || (first === 0xdf && "123");
  if (alias && (second as number) >= 0xc0 && alias.includes(String(((second as number) >> 3) & 7))) return true;
  // These have 32 or 64 bits.
  return has(0x66) && /^(rd|wr)[fg]sbase$/.test(name);
}
