/** Fixed-point arithmetic. Source: Power ISA v3.0B, Book I "Fixed-Point Arithmetic Instructions". */
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

/** CR0 from a result compared with zero (in 32-bit mode its low word) and XER[SO]. */
export function recordCr0(m: Machine, value: I64): void {
  const { i32, i64 } = m;
  const v = m.mode64 ? value : i64.extend32S(value);
  const zero = i64.const(0);
  const order = m.select(i64.ltS(v, zero), i32.const(8), m.select(i64.gtS(v, zero), i32.const(4), i32.const(2)));
  m.setCrField(i32.const(0), i32.or(order, m.get("so")));
}

/** OV and OV32 as given (0 or 1), SO sticky. */
export function setOverflow(m: Machine, ov: I32, ov32: I32): void {
  m.set("ov", ov);
  m.set("ov32", ov32);
  m.set("so", m.i32.or(m.get("so"), ov));
}

export const add = insn("add", "011111 rt:5 ra:5 rb:5 oe? 100001010 rc?", "rt, ra, rb", (m, o) => {
  const { i32, i64 } = m;
  const a = m.gpr(o.ra);
  const b = m.gpr(o.rb);
  const sum = i64.add(a, b);
  m.setGpr(o.rt, sum);
  if (o.oe) {
    // Signed overflow: both operands differ in sign from the sum.
    const signs = i64.and(i64.xor(a, sum), i64.xor(b, sum));
    const ov64 = i32.wrap(i64.shrU(signs, i64.const(63)));
    const ov32 = i32.and(i32.wrap(i64.shrU(signs, i64.const(31))), i32.const(1));
    setOverflow(m, m.mode64 ? ov64 : ov32, ov32);
  }
  if (o.rc) recordCr0(m, sum);
});

export const fixedArithmeticInstructions = [add];
