/** Moves, exchanges, conversions of sizes, addresses. */
import type { I64 } from "../../../../semantics/values.js";
import { conditionHolds, difference, signed, sum } from "../flags.js";
import { insn } from "../insn.js";
import { type Operand, rax, rbx, rcx, rdx, Vector, type X86Machine } from "../machine.js";

const copy = (_: X86Machine, { dst, src }: { dst: Operand; src: Operand }): void => dst.write(src.read());
const nothing = (): void => {};

/** The bytes of a register in the other order. */
function reversed(m: X86Machine, value: I64, size: number): I64 {
  const bytes = Array.from({ length: 16 }, (_, i) => (i < size / 8 ? size / 8 - 1 - i : 16));
  return m.v128.low(m.i8x16.shuffle(m.i64x2.splat(value), m.v128.const(0n), bytes));
}

/** Compares rDX:rAX with memory: if equal, rCX:rBX goes there, else memory is what they become. ZF tells, alone. */
function exchangePair(m: X86Machine, address: I64, half: 32 | 64): void {
  const { i64, i32 } = m;
  if (half === 32) {
    const { old, write } = m.update(address, 8);
    const both = (high: number, lower: number) =>
      i64.or(i64.shl(m.register(high, 32), i64.const(32)), m.register(lower, 32));
    const same = i64.eq(old, both(rdx, rax));
    write(m.select(same, both(rcx, rbx), old));
    m.if(i32.eqz(same), () => {
      m.setRegister(rax, 32, i64.and(old, i64.const(0xffffffffn)));
      m.setRegister(rdx, 32, i64.shrU(old, i64.const(32)));
    });
    m.setFlags({ zero: i64.extendU(i32.eqz(same)) });
    return;
  }
  // 16 bytes must be aligned.
  m.if(i64.ne(i64.and(address, i64.const(15)), i64.const(0)), () => m.raise(Vector.generalProtection));
  // No operation of the host's has so many.
  m.if(
    m.keepsOthersOut(),
    () => m.setFlags({ zero: i64.extendU(i32.eqz(m.call("exchangePair", address))) }),
    () => exchangeAlone(m, address),
  );
}

/** Two halves, for which other processors need not wait. */
function exchangeAlone(m: X86Machine, address: I64): void {
  const { i64, i32 } = m;
  const [half, bytes] = [64, 8] as const;
  const second = i64.add(address, i64.const(bytes));
  const low = m.load(address, bytes);
  const high = m.load(second, bytes);
  const equal = i32.and(i64.eq(low, m.register(rax, half)), i64.eq(high, m.register(rdx, half)));
  m.store(address, bytes, m.select(equal, m.register(rbx, half), low));
  m.store(second, bytes, m.select(equal, m.register(rcx, half), high));
  m.if(i32.eqz(equal), () => {
    m.setRegister(rax, half, low);
    m.setRegister(rdx, half, high);
  });
  m.setFlags({ zero: i64.extendU(i32.eqz(equal)) });
}

/** Move. */
export const mov = insn(
  "mov",
  [
    "88|89 /r  dst:rm, src:r",
    "8A|8B /r  dst:r, src:rm",
    "C6|C7 /0  dst:rm, src:i",
    "B0+r  dst:o8, src:i8",
    "B8+r  dst:o, src:iv",
    "A0|A1  dst:a, src:moffs",
    "A2|A3  dst:moffs, src:a",
  ],
  {},
  copy,
);

/** Move from a segment register. */
export const movFromSegment = insn(
  "mov",
  ["8C /r  dst:rr, src:sreg", "8C /r o16  dst:m16, src:sreg"],
  {},
  (m, { dst, src }) => dst.write(m.call("selectorOf", src.number())),
);
/** Move to a segment register. */
export const movToSegment = insn(
  "mov",
  ["8E /r  dst:sreg, src:rr", "8E /r o16  dst:sreg, src:m16"],
  {},
  (m, { dst, src }) => m.call("loadSegment", dst.number(), src.read(), m.next()),
);

/** Move with Zero-Extend. */
export const movzx = insn("movzx", ["0F B6 /r  dst:r, src:rm8", "0F B7 /r  dst:r, src:rm16"], {}, copy);
/** Move with Sign-Extension. */
export const movsx = insn("movsx", ["0F BE /r  dst:r, src:rm8", "0F BF /r  dst:r, src:rm16"], {}, (m, { dst, src }) =>
  dst.write(signed(m, src.size, src.read())),
);
/** Move with Sign-Extension, from 32 bits. */
export const movsxd = insn(
  "movsxd",
  ["63 /r o64 W1  dst:r, src:rm32", "63 /r o64 W0  dst:r, src:rm"],
  {},
  (m, { dst, src }) => dst.write(signed(m, src.size, src.read())),
);

/** Load Effective Address. */
export const lea = insn("lea", ["8D /r  dst:r, src:mem"], {}, (_, { dst, src }) => dst.write(src.offset()));

/** Exchange Register/Memory with Register: locked, whether it says so or not. */
export const xchg = insn(
  "xchg",
  ["86|87 /r  dst:rm, src:r", "90+r  dst:o, src:a"],
  { lock: "always" },
  (_, { dst, src }) => {
    const old = dst.read();
    const other = src.read();
    dst.write(other);
    src.write(old);
  },
);
/** No Operation. */
export const nop = insn("nop", ["90 b0"], {}, nothing);
/** No Operation, with operands that are not looked at. */
export const longNop = insn(
  "nop",
  [
    "0F 1F /r  src:rm, reg:r",
    "0F 1E /r  src:rm, reg:r",
    "0F 1D /r  src:rm, reg:r",
    "0F 1C /r  src:rm, reg:r",
    "0F 1B /r  src:rm, reg:r",
    "0F 1A /r  src:rm, reg:r",
    "0F 19 /r  src:rm, reg:r",
  ],
  {},
  nothing,
);
/** No Operation, in place of prefetches that there are none of. */
export const hintNop = insn(
  "nop",
  [
    "0F 18 /0  src:rr",
    "0F 18 /1  src:rr",
    "0F 18 /2  src:rr",
    "0F 18 /3  src:rr",
    "0F 18 /4  src:rm",
    "0F 18 /5  src:rm",
    "0F 18 /6  src:rm",
    "0F 18 /7  src:rm",
  ],
  {},
  nothing,
);
/** Spin Loop Hint. */
export const pause = insn("pause", ["F3 90 b0"], {}, nothing);

/** Conditional Move. */
export const cmov = insn("cmov", ["0F 40+cc /r  dst:r, src:rm"], {}, (m, { dst, src }, { condition }) => {
  const old = dst.read();
  // It is read, and may fault, whatever the condition; 32 bits clear the upper half.
  dst.write(m.select(conditionHolds(m, condition), src.read(), old));
});
/** Set Byte on Condition. */
export const set = insn("set", ["0F 90+cc /r  dst:rm8"], {}, (m, { dst }, { condition }) =>
  dst.write(m.i64.extendU(conditionHolds(m, condition))),
);

/** Convert Byte to Word, Word to Doubleword, Doubleword to Quadword. */
export const cbw = insn(
  "cbw",
  ["98"],
  { names: { by: "operand", 16: "cbw", 32: "cwde", 64: "cdqe" } },
  (m, _, { size }) => {
    const half = (size / 2) as 8 | 16 | 32;
    m.setRegister(rax, size, signed(m, half, m.register(rax, half)));
  },
);
/** Convert Word to Doubleword, Doubleword to Quadword, Quadword to Octoword. */
export const cwd = insn(
  "cwd",
  ["99"],
  { names: { by: "operand", 16: "cwd", 32: "cdq", 64: "cqo" } },
  (m, _, { size }) => m.setRegister(rdx, size, m.i64.shrS(signed(m, size, m.register(rax, size)), m.i64.const(63))),
);

/** Byte Swap. */
export const bswap = insn("bswap", ["0F C8+r  dst:o"], {}, (m, { dst }, { size }) => {
  // Of 16 bits it is undefined; processors clear them.
  dst.write(size === 16 ? m.i64.const(0) : reversed(m, dst.read(), size));
});
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
  (m, { dst, src }, { size }) => dst.write(reversed(m, src.read(), size)),
);
/** Store Doubleword Using Non-Temporal Hint. */
export const movnti = insn("movnti", ["NP 0F C3 /r y  dst:m, src:r"], { feature: "sse2" }, copy);

/** Table Look-up Translation. */
export const xlat = insn("xlat", ["D7  src:bx8"], {}, (m, { src }) => m.setRegister(rax, 8, src.read()));

/** Exchange and Add. */
export const xadd = insn("xadd", ["0F C0|C1 /r  dst:rm, src:r"], { lock: true }, (m, { dst, src }) => {
  const old = dst.read();
  const { result, flags } = sum(m, dst.size, old, src.read());
  // Where both are one register, the sum is what stays.
  if (dst.memory) {
    dst.write(result);
    src.write(old);
  } else {
    src.write(old);
    dst.write(result);
  }
  flags();
});
/** Compare and Exchange. */
export const cmpxchg = insn("cmpxchg", ["0F B0|B1 /r  dst:rm, src:r"], { lock: true }, (m, { dst, src }) => {
  const { size } = dst;
  const old = dst.read();
  const wanted = m.register(rax, size);
  const equal = m.i64.eq(old, wanted);
  // It is written, and may fault, whatever the comparison says.
  if (dst.memory) dst.write(m.select(equal, src.read(), old));
  m.if(
    equal,
    () => {
      if (!dst.memory) dst.write(src.read());
    },
    () => m.setRegister(rax, size, old),
  );
  difference(m, size, wanted, old).flags();
});
/** Compare and Exchange Bytes. */
export const cmpxchg8b = insn("cmpxchg8b", ["0F C7 /1 W0  dst:m64"], { lock: true }, (m, { dst }) =>
  exchangePair(m, dst.address({ write: true }), 32),
);
/** Compare and Exchange Bytes. */
export const cmpxchg16b = insn(
  "cmpxchg16b",
  ["0F C7 /1 o64 W1  dst:m128"],
  { lock: true, feature: "cx16" },
  (m, { dst }) => exchangePair(m, dst.address({ write: true }), 64),
);

/** Accumulate CRC32 Value. */
export const crc32 = insn(
  "crc32",
  ["F2 0F 38 F0 /r y  dst:r, src:rm8", "F2 0F 38 F1 /r W0  dst:r32, src:rm", "F2 0F 38 F1 /r W1  dst:r64, src:rm64"],
  { feature: "sse4.2" },
  (m, { dst, src }) => {
    const value = src.read();
    dst.write(m.call("cyclicRedundancy", dst.read(), value, m.i32.const(src.size)));
  },
);
/** A random number, which there always is: CF is set, the other flags are clear. */
const random = (m: X86Machine, { dst }: { dst: Operand }): void => {
  dst.write(m.call("randomBits"));
  const { i32, i64 } = m;
  m.setFlags({
    zero: i64.const(1),
    sign: i64.const(1),
    overflow: i64.const(0),
    carry: i32.const(1),
    adjust: i32.const(0),
  });
};
/** Read Random Number. */
export const rdrand = insn("rdrand", ["NP 0F C7 /6  dst:rr", "66 0F C7 /6  dst:rr"], { feature: "rdrand" }, random);
/** Read Random SEED. */
export const rdseed = insn("rdseed", ["NP 0F C7 /7  dst:rr", "66 0F C7 /7  dst:rr"], { feature: "rdseed" }, random);

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
