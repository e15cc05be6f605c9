/** Quotients of 128 bits. */
import type { I32, I64 } from "../../../semantics/values.js";
import { rax, rdx, Vector, type X86Machine } from "./machine.js";

/** RDX:RAX, unsigned, becomes remainder and quotient; RDX is less than the divisor. Hardly a program asks for that. */
function divideLong(m: X86Machine, divisor: I64): void {
  const { i64 } = m;
  const low = m.register(rax, 64);
  const quotient = m.call("quotientOfWide", m.register(rdx, 64), low, divisor);
  m.setRegister(rdx, 64, i64.sub(low, i64.mul(quotient, divisor)));
  m.setRegister(rax, 64, quotient);
}

const negated = (m: X86Machine, condition: I32, value: I64): I64 => m.select(condition, m.i64.neg(value), value);

/** RDX:RAX divided by 64 bits: RAX the quotient, RDX the remainder, or #DE. */
export function divideWide(m: X86Machine, divisor: I64, isSigned: boolean): void {
  const { i64, i32 } = m;
  const low = m.register(rax, 64);
  const high = m.register(rdx, 64);
  const zero = i64.const(0);
  const error = () => m.raise(Vector.divideError);
  if (!isSigned) {
    m.if(i64.geU(high, divisor), error, () =>
      m.if(
        i64.eqz(high),
        () => {
          m.setRegister(rax, 64, i64.divU(low, divisor));
          m.setRegister(rdx, 64, i64.remU(low, divisor));
        },
        () => divideLong(m, divisor),
      ),
    );
    return;
  }
  // Magnitudes; of the dividend 128 bits.
  const minus = i64.ltS(high, zero);
  const minusDivisor = i64.ltS(divisor, zero);
  const magnitude = negated(m, minusDivisor, divisor);
  const lowMagnitude = negated(m, minus, low);
  const borrow = i64.extendU(i64.ne(low, zero));
  const highMagnitude = m.select(minus, i64.sub(i64.neg(high), borrow), high);
  m.if(i64.geU(highMagnitude, magnitude), error, () => {
    m.setRegister(rax, 64, lowMagnitude);
    m.setRegister(rdx, 64, highMagnitude);
    m.if(
      i64.eqz(highMagnitude),
      () => {
        m.setRegister(rax, 64, i64.divU(lowMagnitude, magnitude));
        m.setRegister(rdx, 64, i64.remU(lowMagnitude, magnitude));
      },
      () => divideLong(m, magnitude),
    );
    const quotient = m.register(rax, 64);
    const remainder = m.register(rdx, 64);
    const minusQuotient = i32.xor(minus, minusDivisor);
    // One more fits below zero than above.
    const limit = i64.add(i64.const(0x7fffffffffffffffn), i64.extendU(minusQuotient));
    m.if(
      i64.gtU(quotient, limit),
      () => {
        m.setRegister(rax, 64, low);
        m.setRegister(rdx, 64, high);
        error();
      },
      () => {
        m.setRegister(rax, 64, negated(m, minusQuotient, quotient));
        m.setRegister(rdx, 64, negated(m, minus, remainder));
      },
    );
  });
}
