/**
 * The programs of litmus tests (tests.ts), one for each processor: a round of `batch` tries, then HLT. A try has places of its own for x, y
 * and what was loaded; before each one the processors wait for one another, but not for long, since the other may have no
 * processor of the host just now, and then for a moment that is drawn.
 */
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import type { Access, Between, Litmus, LitmusThread } from "./tests.js";

/** Tries of a round. */
export const batch = 2048;
/** Looks at whether the others have come, before a try; and where a try waits for them in its middle. */
const patience = 64;
const longPatience = 100_000;
/** From one try's place to the next, and of what was loaded in it. */
const stride = 128;
export const loadedStride = 16;

export const ramSize = 0x40_0000;
/** A guest's processors. */
export const processors = 4;

/** Where things lie; a program and a stack so many bytes behind another. */
export const area = {
  tables: 0x1000,
  /** Each test's programs have pages of their own. */
  code: 0x10_0000,
  codeEnd: 0x20_0000,
  program: 0x1000,
  x: 0x20_0000,
  y: 0x28_0000,
  loaded: 0x30_0000,
  /** Each processor's tries so far, a line each, and behind them in how many of them processor 0 found all others there. */
  steps: 0x38_0000,
  met: 0x38_1000,
  stacks: 0x3a_0000,
  stack: 0x1_0000,
} as const;

/** Where a try's x or y lies, for those who look from outside. */
export const placeOf = (location: "x" | "y", attempt: number, test: Litmus): number =>
  area[location] + attempt * stride + displacement(test.threads[0]?.accesses[0]?.form === "unaligned");

/** Not aligned: it lies on both sides of a place where 8 bytes begin. */
const displacement = (unaligned: boolean): number => (unaligned ? 6 : 0);

/** Machine code with jumps to labels. */
class Code {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { at: number; label: string }[] = [];
  #made = 0;

  line(...texts: readonly string[]): void {
    for (const text of texts) this.#bytes.push(...assemble(text, 64, 0n));
  }
  bytes(...bytes: readonly number[]): void {
    this.#bytes.push(...bytes);
  }
  make(): string {
    return `${this.#made++}`;
  }
  label(name: string): void {
    this.#labels.set(name, this.#bytes.length);
  }
  /** JMP, or the conditional jump with that condition's number. */
  jump(label: string, condition?: number): void {
    this.bytes(...(condition === undefined ? [0xe9] : [0x0f, 0x80 + condition]), 0, 0, 0, 0);
    this.#jumps.push({ at: this.#bytes.length, label });
  }
  finish(): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes);
    const view = new DataView(bytes.buffer);
    for (const { at, label } of this.#jumps) view.setInt32(at - 4, (this.#labels.get(label) as number) - at, true);
    return bytes;
  }
}

const Condition = { zero: 4, notZero: 5, notLess: 13 } as const;
const address = (location: "x" | "y", form: Access["form"]): string => {
  const base = location === "x" ? "r12" : "r13";
  return form === "unaligned" ? `[${base}+0x${displacement(true).toString(16)}]` : `[${base}]`;
};

/** What was loaded is in R9, R10 and R11, by load. */
function access(code: Code, one: Access, into: number): void {
  const at = address(one.location, one.form);
  if (one.kind === "read") {
    if (one.form === "wide") code.line(`movups xmm1, xmmword ptr ${at}`, `movd r${9 + into}d, xmm1`);
    else code.line(`mov r${9 + into}d, dword ptr ${at}`);
    return;
  }
  code.line(`mov eax, 0x${one.value}`);
  if (one.form === "locked") code.line(`xchg dword ptr ${at}, eax`);
  else if (one.form === "wide") code.line("movd xmm0, eax", `movups xmmword ptr ${at}, xmm0`);
  else if (one.form === "string") {
    code.line(one.location === "x" ? "mov rdi, r12" : "mov rdi, r13", "mov ecx, 0x4");
    // rep stosd
    code.bytes(0xf3, 0xab);
  } else code.line(`mov dword ptr ${at}, eax`);
}

/** Waits until the others are `ahead` tries further than this one, for so many looks in all. Goes to `gone` if they are not. */
function meet(code: Code, others: readonly number[], ahead: number, looks: number, gone: string): void {
  code.line(`mov ecx, 0x${looks.toString(16)}`, `lea edx, [rbp+${ahead}]`);
  for (const other of others) {
    const [poll, there] = [code.make(), code.make()];
    code.label(poll);
    code.line(`mov eax, dword ptr [rbx+0x${(stride * other).toString(16)}]`, "sub eax, edx");
    code.jump(there, Condition.notLess);
    code.line("sub ecx, 0x1");
    code.jump(gone, Condition.zero);
    code.jump(poll);
    code.label(there);
  }
}

function order(code: Code, between: Between, others: readonly number[]): void {
  if (between === "mfence") code.line("mfence");
  else if (between === "lock") code.line("lock or dword ptr [rsp], 0x0");
  else if (between === "the others") {
    const gone = code.make();
    meet(code, others, 1, longPatience, gone);
    code.label(gone);
  }
}

function body(code: Code, { accesses, between }: LitmusThread, others: readonly number[]): void {
  accesses.forEach((one, i) => {
    access(code, one, i);
    if (i + 1 < accesses.length) order(code, between, others);
  });
  accesses.forEach((one, i) => {
    if (one.kind === "read") code.line(`mov dword ptr [r14+0x${(4 * one.digit).toString(16)}], r${9 + i}d`);
  });
}

/**
 * A processor's program. R12, R13, R14: where x, y and what is loaded begin; RBX: `area.steps`; EBP: tries before; R8: what numbers
 * are drawn from; R15: `batch`.
 */
export function program(test: Litmus, id: number): Uint8Array {
  const code = new Code();
  const thread = test.threads[id] as LitmusThread;
  const others = test.threads.flatMap((_, other) => (other === id ? [] : [other]));
  const [again, gone, wait] = [code.make(), code.make(), code.make()];
  code.label(again);
  code.line("add ebp, 0x1", `mov dword ptr [rbx+0x${(stride * id).toString(16)}], ebp`);
  meet(code, others, 0, patience, gone);
  if (id === 0) code.line(`add dword ptr [rbx+0x${(area.met - area.steps).toString(16)}], 0x1`);
  code.label(gone);
  code.line("imul r8d, r8d, 0x6255", "add r8d, 0x3619", "mov ecx, r8d", "shr ecx, 0xc", "and ecx, 0xf", "add ecx, 0x1");
  code.label(wait);
  code.line("sub ecx, 0x1");
  code.jump(wait, Condition.notZero);
  body(code, thread, others);
  code.line(`add r12, 0x${stride.toString(16)}`, `add r13, 0x${stride.toString(16)}`);
  code.line(`add r14, 0x${loadedStride.toString(16)}`, "sub r15d, 0x1");
  code.jump(again, Condition.notZero);
  code.bytes(0xf4);
  return code.finish();
}
