/** Control of x87 and SSE: their words, and images of their state. */
import { insn } from "../insn.js";
import type { Facts, Operand, X86Machine } from "../machine.js";

/** Initialize Floating-Point Unit. */
export const fninit = insn("fninit", ["DB E3"], {}, (m) => m.call("initializeFloat"));
/** Clear Exceptions. */
export const fnclex = insn("fnclex", ["DB E2"], {}, (m) => m.call("clearFloatExceptions"));
/** Empty MMX Technology State. */
export const emms = insn("emms", ["NP 0F 77"], {}, (m) => m.call("emptyFloat"));
/** Store x87 FPU Status Word. */
export const fnstsw = insn("fnstsw", ["DF E0  dst:a16", "DD /7  dst:m16"], {}, (m, { dst }) =>
  dst.write(m.call("floatStatus")),
);
/** Store x87 FPU Control Word. */
export const fnstcw = insn("fnstcw", ["D9 /7  dst:m16"], {}, (m, { dst }) => dst.write(m.call("floatControl")));
/** Load x87 FPU Control Word. */
export const fldcw = insn("fldcw", ["D9 /5  src:m16"], {}, (m, { src }) => {
  m.call("beginFloat");
  m.call("loadFloatControl", src.read());
});

/** Save x87 FPU, MMX Technology, and SSE State. */
export const fxsave = insn(
  "fxsave",
  ["NP 0F AE /0 y  dst:mem"],
  { feature: "fxsr", names: { by: "operand", 32: "fxsave", 64: "fxsave64" } },
  (m, { dst }, { size }) => m.call("saveFloat", dst.address({ bytes: 512, write: true }), m.i32.const(size)),
);
/** Restore x87 FPU, MMX, XMM, and MXCSR State. */
export const fxrstor = insn(
  "fxrstor",
  ["NP 0F AE /1 y  src:mem"],
  { feature: "fxsr", names: { by: "operand", 32: "fxrstor", 64: "fxrstor64" } },
  (m, { src }, { size }) => m.call("restoreFloat", src.address({ bytes: 512 }), m.i32.const(size)),
);
/** Images of the x87 alone: 16 bits or 32 by the operand size, whatever REX.W says. */
const image = (
  name: string,
  opcode: string,
  bytes: Readonly<Record<16 | 32, number>>,
  routine: "saveEnvironment" | "loadEnvironment" | "saveFloatState" | "restoreFloatState",
) =>
  insn(name, [`${opcode} port  at:mem`] as [string], {}, (m, o, { size }) => {
    const { at } = o as unknown as { at: Operand };
    const write = routine.startsWith("save");
    m.call(routine, at.address({ bytes: bytes[size === 16 ? 16 : 32], write }), m.i32.const(size));
  });
/** Store x87 FPU Environment; Load x87 FPU Environment. */
export const fnstenv = image("fnstenv", "D9 /6", { 16: 14, 32: 28 }, "saveEnvironment");
export const fldenv = image("fldenv", "D9 /4", { 16: 14, 32: 28 }, "loadEnvironment");
/** Store x87 FPU State; Restore x87 FPU State. */
export const fnsave = image("fnsave", "DD /6", { 16: 94, 32: 108 }, "saveFloatState");
export const frstor = image("frstor", "DD /4", { 16: 94, 32: 108 }, "restoreFloatState");

const legacy = { feature: "fxsr", facility: "sse" } as const;
const avx = { feature: "avx", facility: "avx" } as const;
const load = (m: X86Machine, { src }: { readonly src: Operand }): void => m.call("loadMxcsr", src.read());
const store = (m: X86Machine, { dst }: { readonly dst: Operand }): void => dst.write(m.call("mxcsr"));
/** Load MXCSR Register. */
export const ldmxcsr = insn("ldmxcsr", ["NP 0F AE /2  src:m32"], legacy, load);
export const vldmxcsr = insn("vldmxcsr", ["VEX.L0.NP.0F AE /2 o32  src:m32"], avx, load);
/** Store MXCSR Register State. */
export const stmxcsr = insn("stmxcsr", ["NP 0F AE /3  dst:m32"], legacy, store);
export const vstmxcsr = insn("vstmxcsr", ["VEX.L0.NP.0F AE /3 o32  dst:m32"], avx, store);

/** Of the vector registers that this mode has. */
const clearAll =
  (whole: boolean) =>
  (m: X86Machine, _: unknown, { codeSize }: Facts) => {
    for (let i = 0; i < (codeSize === 64 ? 16 : 8); i++) m.clearVector(i, whole);
  };
/** Zero Upper Bits of YMM Registers; Zero XMM, YMM Registers. */
export const vzeroupper = insn("vzeroupper", ["VEX.L0.NP.0F 77 o32"], avx, clearAll(false));
export const vzeroall = insn("vzeroall", ["VEX.L1.NP.0F 77 o32"], avx, clearAll(true));

export const floatControlInstructions = [
  fninit,
  fnclex,
  emms,
  fnstsw,
  fnstcw,
  fldcw,
  fnstenv,
  fldenv,
  fnsave,
  frstor,
  fxsave,
  fxrstor,
  ldmxcsr,
  vldmxcsr,
  stmxcsr,
  vstmxcsr,
  vzeroupper,
  vzeroall,
];
