/** Jumps, calls, returns, software interrupts. */
import type { I32, I64 } from "../../../../semantics/values.js";
import { conditionHolds, flagBit, signed } from "../flags.js";
import { insn } from "../insn.js";
import { type Facts, type Operand, rcx, Vector, type X86Machine } from "../machine.js";
import type { Size } from "../registers.js";

/** Bits of a linear address, which the others repeat the highest of. */
const addressBits = 48;

/** What the lower bits of a linear address are the whole of: it is canonical if it is this. */
export function canonical({ i64 }: X86Machine, address: I64): I64 {
  return i64.shrS(i64.shl(address, i64.const(64 - addressBits)), i64.const(64 - addressBits));
}

/**
 * A jump's place that a register or memory names is canonical, or else the jump faults, and not what is there. Where RET goes is
 * not looked at: it is the most frequent of them, and faults there, with its bytes gone from the stack.
 */
function checkNamed(m: X86Machine, target: I64, size: Size): void {
  if (size !== 64) return;
  m.if(m.i64.ne(canonical(m, target), target), () => m.raise(Vector.generalProtection));
}

/** A call: the next instruction's address goes onto the stack. */
function calling(m: X86Machine, target: I64, { size }: Facts): void {
  const bytes = (size / 8) as 2 | 4 | 8;
  const stack = m.stack();
  const place = stack.address(-bytes, bytes, true);
  m.checkTarget(target, size);
  m.store(place, bytes, m.next());
  m.setStack(stack.moved(-bytes));
  m.jump(target);
}

function returning(m: X86Machine, { size }: Facts, more?: I64): void {
  const bytes = (size / 8) as 2 | 4 | 8;
  const stack = m.stack();
  const target = m.load(stack.address(0, bytes, false), bytes);
  m.checkTarget(target, size);
  m.setStack(stack.moved(bytes, more));
  m.jump(target);
}

/** The count register is one less; a jump if it is not 0 then and more holds. */
function looping(m: X86Machine, target: Operand, more?: I32): void {
  // As wide as addresses are.
  const size = target.addressSize;
  const less = m.i64.sub(m.register(rcx, size), m.i64.const(1));
  m.setRegister(rcx, size, less);
  const left = m.i64.ne(size === 64 ? less : m.i64.extendU(m.i32.wrap(less)), m.i64.const(0));
  m.if(more ? m.i32.and(left, more) : left, () => m.jump(target.read()));
}

/** Jump if Condition Is Met. */
export const j = insn("j", ["70+cc f64  target:rel8", "0F 80+cc f64  target:rel"], {}, (m, { target }, { condition }) =>
  m.if(conditionHolds(m, condition), () => m.jump(target.read())),
);
/** Jump if the count register is zero. */
export const jcxz = insn(
  "jcxz",
  ["E3 f64  target:rel8"],
  {
    names: { by: "address", 16: "jcxz", 32: "jecxz", 64: "jrcxz" },
  },
  (m, { target }) => m.if(m.i64.eqz(m.register(rcx, target.addressSize)), () => m.jump(target.read())),
);
/** Loop According to ECX Counter. */
export const loop = insn("loop", ["E2 f64  target:rel8"], {}, (m, { target }) => looping(m, target));
/** Loop while equal. */
export const loope = insn("loope", ["E1 f64  target:rel8"], {}, (m, { target }) =>
  looping(m, target, flagBit(m, "zero")),
);
/** Loop while not equal. */
export const loopne = insn("loopne", ["E0 f64  target:rel8"], {}, (m, { target }) =>
  looping(m, target, m.i32.eqz(flagBit(m, "zero"))),
);

/** Jump. */
export const jmp = insn("jmp", ["EB f64  target:rel8", "E9 f64  target:rel"], {}, (m, { target }) =>
  m.jump(target.read()),
);
/** Jump, indirect. */
export const jmpIndirect = insn("jmp", ["FF /4 f64  target:rm"], {}, (m, { target }, { size }) => {
  const place = target.read();
  checkNamed(m, place, size);
  m.jump(place);
});
/** Jump to another code segment. */
export const jmpFar = insn("jmp", ["EA i64  target:far", "FF /5  target:mfar"], {}, (m, { target }, { size }) => {
  const { selector, offset } = target.far();
  m.call("jumpFar", selector, offset, m.i32.const(size), m.next());
});

/** Call Procedure. */
export const call = insn("call", ["E8 f64  target:rel"], {}, (m, { target }, facts) =>
  calling(m, target.read(), facts),
);
/** Call Procedure, indirect. */
export const callIndirect = insn("call", ["FF /2 f64  target:rm"], {}, (m, { target }, facts) => {
  const place = target.read();
  checkNamed(m, place, facts.size);
  calling(m, place, facts);
});
/** Call a procedure in another code segment. */
export const callFar = insn("call", ["9A i64  target:far", "FF /3  target:mfar"], {}, (m, { target }, { size }) => {
  const { selector, offset } = target.far();
  m.call("callFar", selector, offset, m.i32.const(size), m.next());
});

/** Return From Procedure. */
export const ret = insn("ret", ["C3 f64"], {}, (m, _, facts) => returning(m, facts));
/** Return From Procedure, and take so many bytes from the stack. */
export const retPop = insn("ret", ["C2 f64  bytes:u16"], {}, (m, { bytes }, facts) =>
  returning(m, facts, bytes.read()),
);
/** Return to another code segment. */
export const retf = insn(
  "retf",
  ["CB"],
  {
    names: { by: "operand", 16: "retfw", 32: "retf", 64: "retfq" },
  },
  (m, _, { size }) => m.call("returnFar", m.i32.const(size), m.i64.const(0)),
);
/** Return to another code segment, and take so many bytes from the stack. */
export const retfPop = insn(
  "retf",
  ["CA  bytes:u16"],
  {
    names: { by: "operand", 16: "retfw", 32: "retf", 64: "retfq" },
  },
  (m, { bytes }, { size }) => m.call("returnFar", m.i32.const(size), bytes.read()),
);

/** Breakpoint. */
export const int3 = insn("int3", ["CC"], {}, (m) => m.call("breakpointInterrupt", m.next()));
/** Call to Interrupt Procedure. */
export const int = insn("int", ["CD  vector:u8"], {}, (m, { vector }) => {
  m.flagsAllowed();
  m.call("softwareInterrupt", m.i32.wrap(vector.read()), m.next());
});
/** Interrupt on overflow. */
export const into = insn("into", ["CE i64"], {}, (m) =>
  m.if(flagBit(m, "overflow"), () => m.call("softwareInterrupt", m.i32.const(Vector.overflow), m.next())),
);
/** Debug trap. */
export const int1 = insn("int1", ["F1"], {}, (m) => m.call("debugInterrupt", m.next()));
/** Interrupt Return. */
export const iret = insn(
  "iret",
  ["CF"],
  { names: { by: "operand", 16: "iret", 32: "iretd", 64: "iretq" } },
  (m, _, { size }) => m.call("returnFromInterrupt", m.i32.const(size), m.next()),
);
/** Check Array Index Against Bounds. */
export const bound = insn("bound", ["62 /r i64  index:r, bounds:mpair"], {}, (m, { index, bounds }, { size }) => {
  const bytes = (size / 8) as 2 | 4;
  const at = bounds.address({ bytes: 2 * bytes });
  const [lower, upper] = [at, m.i64.add(at, m.i64.const(bytes))].map((one) => signed(m, size, m.load(one, bytes)));
  const value = signed(m, size, index.read());
  const outside = m.i32.or(m.i64.ltS(value, lower as I64), m.i64.gtS(value, upper as I64));
  m.if(outside, () => m.raise(Vector.boundRange));
});
/** Undefined Instruction. */
export const ud2 = insn("ud2", ["0F 0B"], {}, (m) => m.raise(Vector.invalidOpcode));
/** Undefined Instruction, with operands. */
export const ud1 = insn("ud1", ["0F B9 /r  a:r, b:rm"], {}, (m) => m.raise(Vector.invalidOpcode));
/** Undefined Instruction, with operands. */
export const ud0 = insn("ud0", ["0F FF /r  a:r, b:rm"], {}, (m) => m.raise(Vector.invalidOpcode));

export const branchInstructions = [
  j,
  jcxz,
  loop,
  loope,
  loopne,
  jmp,
  jmpIndirect,
  jmpFar,
  call,
  callIndirect,
  callFar,
  ret,
  retPop,
  retf,
  retfPop,
  int3,
  int,
  into,
  int1,
  iret,
  bound,
  ud2,
  ud1,
  ud0,
];
