/** Jumps, calls, returns, software interrupts. */
import { insn } from "../insn.js";

/** Jump if Condition Is Met. */
export const j = insn("j", ["70+cc f64  target:rel8", "0F 80+cc f64  target:rel"]);
/** Jump if the count register is zero. */
export const jcxz = insn("jcxz", ["E3 f64  target:rel8"], {
  names: { by: "address", 16: "jcxz", 32: "jecxz", 64: "jrcxz" },
});
/** Loop According to ECX Counter. */
export const loop = insn("loop", ["E2 f64  target:rel8"]);
/** Loop while equal. */
export const loope = insn("loope", ["E1 f64  target:rel8"]);
/** Loop while not equal. */
export const loopne = insn("loopne", ["E0 f64  target:rel8"]);

/** Jump. */
export const jmp = insn("jmp", ["EB f64  target:rel8", "E9 f64  target:rel"]);
/** Jump, indirect. */
export const jmpIndirect = insn("jmp", ["FF /4 f64  target:rm"]);
/** Jump to another code segment. */
export const jmpFar = insn("jmp", ["EA i64  target:far", "FF /5  target:mfar"]);

/** Call Procedure. */
export const call = insn("call", ["E8 f64  target:rel"]);
/** Call Procedure, indirect. */
export const callIndirect = insn("call", ["FF /2 f64  target:rm"]);
/** Call a procedure in another code segment. */
export const callFar = insn("call", ["9A i64  target:far", "FF /3  target:mfar"]);

/** Return From Procedure. */
export const ret = insn("ret", ["C3 f64"]);
/** Return From Procedure, and take so many bytes from the stack. */
export const retPop = insn("ret", ["C2 f64  bytes:u16"]);
/** Return to another code segment. */
export const retf = insn("retf", ["CB"], {
  names: { by: "operand", 16: "retfw", 32: "retf", 64: "retfq" },
});
/** Return to another code segment, and take so many bytes from the stack. */
export const retfPop = insn("retf", ["CA  bytes:u16"], {
  names: { by: "operand", 16: "retfw", 32: "retf", 64: "retfq" },
});

/** Breakpoint. */
export const int3 = insn("int3", ["CC"]);
/** Call to Interrupt Procedure. */
export const int = insn("int", ["CD  vector:u8"]);
/** Interrupt on overflow. */
export const into = insn("into", ["CE i64"]);
/** Debug trap. */
export const int1 = insn("int1", ["F1"]);
/** Interrupt Return. */
export const iret = insn("iret", ["CF"], { names: { by: "operand", 16: "iret", 32: "iretd", 64: "iretq" } });
/** Check Array Index Against Bounds. */
export const bound = insn("bound", ["62 /r i64  index:r, bounds:mpair"]);
/** Undefined Instruction. */
export const ud2 = insn("ud2", ["0F 0B"]);
/** Undefined Instruction, with operands. */
export const ud1 = insn("ud1", ["0F B9 /r  a:r, b:rm"]);
/** Undefined Instruction, with operands. */
export const ud0 = insn("ud0", ["0F FF /r  a:r, b:rm"]);

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
