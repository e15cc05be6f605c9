/** Moves, exchanges, conversions of sizes, addresses. */
import { insn } from "../insn.js";

/** Move. */
export const mov = insn("mov", [
  "88|89 /r  dst:rm, src:r",
  "8A|8B /r  dst:r, src:rm",
  "C6|C7 /0  dst:rm, src:i",
  "B0+r  dst:o8, src:i8",
  "B8+r  dst:o, src:iv",
  "A0|A1  dst:a, src:moffs",
  "A2|A3  dst:moffs, src:a",
]);

/** Move from a segment register. */
export const movFromSegment = insn("mov", ["8C /r  dst:rr, src:sreg", "8C /r o16  dst:m16, src:sreg"]);
/** Move to a segment register. */
export const movToSegment = insn("mov", ["8E /r  dst:sreg, src:rr", "8E /r o16  dst:sreg, src:m16"]);

/** Move with Zero-Extend. */
export const movzx = insn("movzx", ["0F B6 /r  dst:r, src:rm8", "0F B7 /r  dst:r, src:rm16"]);
/** Move with Sign-Extension. */
export const movsx = insn("movsx", ["0F BE /r  dst:r, src:rm8", "0F BF /r  dst:r, src:rm16"]);
/** Move with Sign-Extension, from 32 bits. */
export const movsxd = insn("movsxd", ["63 /r o64 W1  dst:r, src:rm32", "63 /r o64 W0  dst:r, src:rm"]);

/** Load Effective Address. */
export const lea = insn("lea", ["8D /r  dst:r, src:mem"]);

/** Exchange Register/Memory with Register: locked, whether it says so or not. */
export const xchg = insn("xchg", ["86|87 /r  dst:rm, src:r", "90+r  dst:o, src:a"], { lock: true });
/** No Operation. */
export const nop = insn("nop", ["90 b0"]);
/** No Operation, with operands that are not looked at. */
export const longNop = insn("nop", [
  "0F 1F /r  src:rm, reg:r",
  "0F 1E /r  src:rm, reg:r",
  "0F 1D /r  src:rm, reg:r",
  "0F 1C /r  src:rm, reg:r",
  "0F 1B /r  src:rm, reg:r",
  "0F 1A /r  src:rm, reg:r",
  "0F 19 /r  src:rm, reg:r",
]);
/** No Operation, in place of prefetches that there are none of. */
export const hintNop = insn("nop", [
  "0F 18 /0  src:rr",
  "0F 18 /1  src:rr",
  "0F 18 /2  src:rr",
  "0F 18 /3  src:rr",
  "0F 18 /4  src:rm",
  "0F 18 /5  src:rm",
  "0F 18 /6  src:rm",
  "0F 18 /7  src:rm",
]);
/** Spin Loop Hint. */
export const pause = insn("pause", ["F3 90"]);

/** Conditional Move. */
export const cmov = insn("cmov", ["0F 40+cc /r  dst:r, src:rm"]);
/** Set Byte on Condition. */
export const set = insn("set", ["0F 90+cc /r  dst:rm8"]);

/** Convert Byte to Word, Word to Doubleword, Doubleword to Quadword. */
export const cbw = insn("cbw", ["98"], { names: { by: "operand", 16: "cbw", 32: "cwde", 64: "cdqe" } });
/** Convert Word to Doubleword, Doubleword to Quadword, Quadword to Octoword. */
export const cwd = insn("cwd", ["99"], { names: { by: "operand", 16: "cwd", 32: "cdq", 64: "cqo" } });

/** Byte Swap. */
export const bswap = insn("bswap", ["0F C8+r  dst:o"]);
/** Move Data After Swapping Bytes. */
export const movbe = insn(
  "movbe",
  [
    "NP 0F 38 F0 /r  dst:r, src:m",
    "66 0F 38 F0 /r  dst:r, src:m",
    "NP 0F 38 F1 /r  dst:m, src:r",
    "66 0F 38 F1 /r  dst:m, src:r",
  ],
  { feature: "movbe" },
);
/** Store Doubleword Using Non-Temporal Hint. */
export const movnti = insn("movnti", ["NP 0F C3 /r y  dst:m, src:r"], { feature: "sse2" });

/** Table Look-up Translation. */
export const xlat = insn("xlat", ["D7  src:bx8"]);

/** Exchange and Add. */
export const xadd = insn("xadd", ["0F C0|C1 /r  dst:rm, src:r"], { lock: true });
/** Compare and Exchange. */
export const cmpxchg = insn("cmpxchg", ["0F B0|B1 /r  dst:rm, src:r"], { lock: true });
/** Compare and Exchange Bytes. */
export const cmpxchg8b = insn("cmpxchg8b", ["0F C7 /1 W0  dst:m64"], { lock: true });
/** Compare and Exchange Bytes. */
export const cmpxchg16b = insn("cmpxchg16b", ["0F C7 /1 o64 W1  dst:m128"], { lock: true, feature: "cx16" });

/** Accumulate CRC32 Value. */
export const crc32 = insn(
  "crc32",
  ["F2 0F 38 F0 /r y  dst:r, src:rm8", "F2 0F 38 F1 /r W0  dst:r32, src:rm", "F2 0F 38 F1 /r W1  dst:r64, src:rm64"],
  {
    feature: "sse4.2",
  },
);
/** Read Random Number. */
export const rdrand = insn("rdrand", ["NP 0F C7 /6  dst:rr", "66 0F C7 /6  dst:rr"], { feature: "rdrand" });
/** Read Random SEED. */
export const rdseed = insn("rdseed", ["NP 0F C7 /7  dst:rr", "66 0F C7 /7  dst:rr"], { feature: "rdseed" });

export const moveInstructions = [
  mov,
  movFromSegment,
  movToSegment,
  movzx,
  movsx,
  movsxd,
  lea,
  xchg,
  nop,
  longNop,
  hintNop,
  pause,
  cmov,
  set,
  cbw,
  cwd,
  bswap,
  movbe,
  movnti,
  xlat,
  xadd,
  cmpxchg,
  cmpxchg8b,
  cmpxchg16b,
  crc32,
  rdrand,
  rdseed,
];
