/** The stack. */
import type { I64 } from "../../../../semantics/values.js";
import { flagsImage, maskOf, setFlagsFrom } from "../flags.js";
import { insn } from "../insn.js";
import { type Facts, rbp, rsp, type X86Machine } from "../machine.js";

const interruptFlag = maskOf("interrupt");
/** Flags of the system's that POPF often changes: those that nothing but an instruction or an interrupt looks at. */
const pops = interruptFlag | maskOf("direction");
/** The other ones that are not arithmetic: TF, IOPL, NT, RF, AC, ID. */
const elsewhere = 0x257100n;

/** Pushes so many bits. */
function pushed(m: X86Machine, { size }: Facts, value: I64): void {
  const bytes = (size / 8) as 2 | 4 | 8;
  const stack = m.stack();
  m.store(stack.address(-bytes, bytes, true), bytes, value);
  m.setStack(stack.moved(-bytes));
}

/** Push onto the Stack. */
export const push = insn(
  "push",
  ["50+r d64  src:o", "68 d64  src:i", "6A d64  src:i8", "FF /6 d64  src:rm"],
  {},
  (m, { src }, facts) => pushed(m, facts, src.read()),
);
/** Pop a Value from the Stack. */
export const pop = insn("pop", ["58+r d64  dst:o", "8F /0 d64  dst:rm"], {}, (m, { dst }, { size }) => {
  const bytes = (size / 8) as 2 | 4 | 8;
  const stack = m.stack();
  const value = m.load(stack.address(0, bytes, false), bytes);
  const above = stack.moved(bytes);
  if (dst.memory) {
    // An address off RSP is one off what it becomes; it becomes that when nothing can fault any more.
    m.store(dst.address({ write: true, moved: bytes }), bytes, value);
    m.setStack(above);
    return;
  }
  m.setStack(above);
  dst.write(value);
});
/** Push a segment register. */
export const pushSegment = insn(
  "push",
  ["06 i64  src:es", "0E i64  src:cs", "16 i64  src:ss", "1E i64  src:ds", "0F A0 d64  src:fs", "0F A8 d64  src:gs"],
  {},
  (m, { src }, facts) => pushed(m, facts, m.call("selectorOf", src.number())),
);
/** Pop a segment register. */
export const popSegment = insn(
  "pop",
  ["07 i64  dst:es", "17 i64  dst:ss", "1F i64  dst:ds", "0F A1 d64  dst:fs", "0F A9 d64  dst:gs"],
  {},
  (m, { dst }, { size }) => {
    const bytes = (size / 8) as 2 | 4 | 8;
    const stack = m.stack();
    const value = m.load(stack.address(0, bytes, false), bytes);
    // As the old stack has it.
    const above = stack.moved(bytes);
    m.call("loadSegment", dst.number(), value, m.next());
    m.setStack(above);
  },
);
/** Push All General-Purpose Registers: RSP as it is before. */
export const pusha = insn(
  "pusha",
  ["60 i64"],
  { names: { by: "operand", 16: "pusha", 32: "pushad" } },
  (m, _, { size }) => {
    const bytes = (size / 8) as 2 | 4;
    const stack = m.stack();
    for (let number = 0; number < 8; number++) {
      m.store(stack.address(-bytes * (number + 1), bytes, true), bytes, m.register(number, size));
    }
    m.setStack(stack.moved(-8 * bytes));
  },
);
/** Pop All General-Purpose Registers, but for RSP. */
export const popa = insn(
  "popa",
  ["61 i64"],
  { names: { by: "operand", 16: "popa", 32: "popad" } },
  (m, _, { size }) => {
    const bytes = (size / 8) as 2 | 4;
    const stack = m.stack();
    // All are read before any is written.
    const values = Array.from({ length: 8 }, (_, i) => m.load(stack.address(bytes * i, bytes, false), bytes));
    const above = stack.moved(8 * bytes);
    values.forEach((value, i) => {
      if (7 - i !== rsp) m.setRegister(7 - i, size, value);
    });
    m.setStack(above);
  },
);
/** Push EFLAGS Register onto the Stack. */
export const pushf = insn(
  "pushf",
  ["9C d64"],
  { names: { by: "operand", 16: "pushf", 32: "pushfd", 64: "pushfq" } },
  (m, _, facts) => {
    m.flagsAllowed();
    // RF and VM are not on the stack.
    pushed(m, facts, m.i64.and(flagsImage(m), m.i64.const(~0x30000n)));
  },
);
/** Pop Stack into EFLAGS Register. */
export const popf = insn(
  "popf",
  ["9D d64"],
  { names: { by: "operand", 16: "popf", 32: "popfd", 64: "popfq" } },
  (m, _, { size }) => {
    m.flagsAllowed();
    const bytes = (size / 8) as 2 | 4 | 8;
    const stack = m.stack();
    const value = m.load(stack.address(0, bytes, false), bytes);
    const { i32, i64 } = m;
    const before = m.systemFlags();
    // Nothing else changes, and no interrupt is let in.
    const changed = i64.and(i64.xor(value, before), i64.const(elsewhere));
    const lets = i64.and(i64.and(value, i64.const(interruptFlag)), i64.xor(before, i64.const(interruptFlag)));
    const quick = i32.eqz(
      i32.or(i32.or(m.level(), i32.wrap(changed)), i32.and(i64.ne(lets, i64.const(0)), m.interruptWaits())),
    );
    const sets = () => {
      m.setSystemFlags(i64.or(i64.and(before, i64.const(~pops)), i64.and(value, i64.const(pops))));
      setFlagsFrom(m, value, true);
      m.setStack(stack.moved(bytes));
    };
    m.shortcut(quick, sets, () => {
      m.call("popFlags", value, m.i32.const(size));
      m.setStack(stack.moved(bytes));
    });
  },
);
/** Make Stack Frame for Procedure Parameters. */
export const enter = insn(
  "enter",
  ["C8 d64  space:u16, level:u8"],
  { names: { by: "operand", 16: "enterw", 32: "enter", 64: "enter" } },
  (m, { space, level }, { size }) =>
    m.call("enterFrame", m.i32.const(size), m.i32.wrap(space.read()), m.i32.wrap(level.read())),
);
/** High Level Procedure Exit. */
export const leave = insn(
  "leave",
  ["C9 d64"],
  {
    names: { by: "operand", 16: "leavew", 32: "leave", 64: "leave" },
  },
  (m, _, { size }) => {
    const bytes = (size / 8) as 2 | 4 | 8;
    const frame = m.stack(rbp);
    const value = m.load(frame.address(0, bytes, false), bytes);
    m.setStack(frame.moved(bytes));
    m.setRegister(rbp, size, value);
  },
);

export const stackInstructions = [push, pop, pushSegment, popSegment, pusha, popa, pushf, popf, enter, leave];
