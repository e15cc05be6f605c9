/** x86 as the interpreter's builder sees it. */
import type { InterpreterTarget } from "../../../engine/interpret/target.js";
import { dispatchTable } from "./dispatch.js";
import { GeneralRecorder } from "./general-recorder.js";
import { handlerSpecs, type X86Handler } from "./handlers.js";
import { InterpreterRecorder } from "./interpreter-recorder.js";
import { CodeMode, state } from "./layout.js";
import { sizeOfMode, x86Target } from "./x86-target.js";

/** Handlers of 64-bit code, and of all other, whose two modes number them alike. */
const lists = new Map<32 | 64, ReturnType<typeof handlerSpecs>>();
function handlerList(codeSize: 32 | 64): ReturnType<typeof handlerSpecs> {
  const list = lists.get(codeSize) ?? handlerSpecs(codeSize);
  lists.set(codeSize, list);
  return list;
}

const nothing = (): void => {};

export const interpreterTarget = {
  ...x86Target,
  handlers: (mode) => {
    const list = handlerList(sizeOfMode(mode));
    return { ...list, hotCount: mode === CodeMode.general ? 0 : list.hotCount, sharedNumbers: true };
  },
  // Modes of the same size have the same handlers.
  decodeTable: (specs, numbers) =>
    dispatchTable(
      [CodeMode.long, CodeMode.flat].map(
        (mode) => new Map((specs[mode] ?? []).map(({ name }, i) => [name, numbers[mode]?.[i] ?? 0])),
      ),
    ),
  recorder: (place) => {
    if (place.mode === CodeMode.general) return new GeneralRecorder(place);
    return new InterpreterRecorder(place, place.mode === CodeMode.flat);
  },
  deferred: { source: state.flagSource, settling: (place) => new InterpreterRecorder(place, false).settling() },
  before: { mode: CodeMode.general, routine: "insideCode" },
  illegal: ({ f, state: s, runtime }) => {
    f.get(s);
    f.call(runtime.helper("illegal"));
  },
  branches: { note: nothing, noteAtPc: nothing, settle: nothing },
  leaving: nothing,
  // What traps behind it: debug registers' matches, and a single step if RFLAGS.TF, as it was, asks for it; and what had to wait.
  alone: ({ f, state: s, runtime }) => {
    const before = f.local("i64");
    const delivered = f.local("i64");
    f.get(s);
    f.load("i64", state.statInterrupt.offset);
    f.set(delivered);
    f.get(s);
    f.call(runtime.helper("beforeAlone"));
    f.get(s);
    f.load("i64", state.systemFlags.offset);
    f.set(before);
    return () => {
      f.get(s);
      f.get(before);
      f.get(delivered);
      f.call(runtime.helper("afterAlone"));
    };
  },
} as const satisfies InterpreterTarget<X86Handler>;
