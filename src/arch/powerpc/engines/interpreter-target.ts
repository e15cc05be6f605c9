/** POWER as the interpreter's builder sees it. */
import type { InterpreterTarget } from "../../../engine/interpret/target.js";
import { decodeTable, handlerSpecs, type PowerHandler } from "./handlers.js";
import { InterpreterRecorder } from "./interpreter-recorder.js";
import { state, trapCode } from "./layout.js";
import type { PowerRoutine } from "./power-recorder.js";
import { isLittleEndian, isMode64, powerTarget } from "./power-target.js";

const routine = (name: PowerRoutine): PowerRoutine => name;

export const interpreterTarget = {
  ...powerTarget,
  handlers: handlerSpecs,
  decodeTable: ([specs = []]) => {
    const { buffer, byteOffset, byteLength } = decodeTable(specs);
    return new Uint8Array(buffer, byteOffset, byteLength);
  },
  recorder: ({ mode, runtime, access, locals, emitCia }) =>
    new InterpreterRecorder(
      { mode64: isMode64(mode), littleEndian: isLittleEndian(mode), runtime, access },
      locals,
      emitCia,
    ),
  illegal: ({ f, state: s, runtime }) => {
    f.get(s);
    f.i32Const(trapCode.illegal);
    f.call(runtime.helper(routine("raise")));
  },
  // CFAR, written when somebody asks.
  branches: {
    note: ({ f, state: s }, entry) => {
      f.get(s);
      entry();
      f.store("i32", state.branchEntry.offset);
    },
    noteAtPc: ({ f, state: s }) => {
      f.get(s);
      f.get(s);
      f.load("i64", state.pc.offset);
      f.store("i64", state.cfar.offset);
      f.get(s);
      f.i32Const(0);
      f.store("i32", state.branchEntry.offset);
    },
    settle: ({ f, state: s, runtime }) => {
      f.get(s);
      f.call(runtime.helper(routine("settleComeFrom")));
    },
  },
  // Outside the engine, CFAR and FPSCR are what they should be.
  leaving: ({ f, state: s, runtime }) => {
    f.get(s);
    f.call(runtime.helper(routine("settleComeFrom")));
    f.get(s);
    f.call(runtime.helper(routine("settleFloat")));
  },
  // Of an instruction of two words the first.
  told: ({ f, state: s, runtime }, entry) => {
    f.get(s);
    entry();
    f.call(runtime.helper(routine("firstWord")));
  },
  // The Trace interrupt, if MSR[SE] or MSR[BE], as they were, ask for it.
  alone: ({ f, state: s, runtime }, told) => {
    const before = f.local("i64");
    f.get(s);
    f.load("i64", state.msr.offset);
    f.set(before);
    return () => {
      f.get(s);
      f.get(before);
      // Branches: primary opcodes 16 and 18, and in 19 those that go to LR, CTR and TAR.
      const opcodeIs = (mask: number, value: number) => {
        f.get(told);
        f.i32Const(mask);
        f.i32("and");
        f.i32Const(value);
        f.i32("eq");
      };
      opcodeIs(0xf4000000 | 0, 0x40000000);
      for (const extended of [16, 528, 560]) {
        opcodeIs(0xfc0007fe | 0, 0x4c000000 | (extended << 1));
        f.i32("or");
      }
      f.call(runtime.helper(routine("traced")));
    };
  },
} as const satisfies InterpreterTarget<PowerHandler>;
