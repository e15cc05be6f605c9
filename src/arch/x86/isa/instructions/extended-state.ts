/** XSAVE and its kin: the state of x87, SSE and AVX in memory, by components, and what says which of them there are. */
import { type Feature, insn } from "../insn.js";
import { type Operand, rax, rcx, rdx, type X86Machine } from "../machine.js";

/** EDX:EAX. */
const pair = (m: X86Machine) => m.i64.or(m.register(rax, 32), m.i64.shl(m.register(rdx, 32), m.i64.const(32)));

/** Bytes of an area that every one of these instructions looks at. */
const least = 576;

/** How it is written, and what is left out of it. */
export const SaveKind = { whole: 0, used: 1, compacted: 2 } as const;

interface Options {
  readonly feature: Feature;
  readonly cpl0?: true;
}

const saves = (name: string, opcode: string, kind: number, options: Options) =>
  insn(
    name,
    [`NP ${opcode} y  at:mem`] as [string],
    { ...options, names: { by: "operand", 32: name, 64: `${name}64` } },
    (m, o, { size }) => {
      const { at } = o as unknown as { at: Operand };
      m.call("extendedReady");
      m.call("saveExtended", at.address({ bytes: least, write: true }), m.i32.const(size), m.i32.const(kind));
    },
  );
const restores = (name: string, opcode: string, compacted: boolean, options: Options) =>
  insn(
    name,
    [`NP ${opcode} y  at:mem`] as [string],
    { ...options, names: { by: "operand", 32: name, 64: `${name}64` } },
    (m, o, { size }) => {
      const { at } = o as unknown as { at: Operand };
      m.call("extendedReady");
      m.call("restoreExtended", at.address({ bytes: least }), m.i32.const(size), m.i32.const(compacted ? 1 : 0));
    },
  );

/** Save Processor Extended States. */
export const xsave = saves("xsave", "0F AE /4", SaveKind.whole, { feature: "xsave" });
/** Save Processor Extended States Optimized. */
export const xsaveopt = saves("xsaveopt", "0F AE /6", SaveKind.used, { feature: "xsaveopt" });
/** Save Processor Extended States With Compaction. */
export const xsavec = saves("xsavec", "0F C7 /4", SaveKind.compacted, { feature: "xsavec" });
/** Save Processor Extended States Supervisor: there are no components that only the supervisor has. */
export const xsaves = saves("xsaves", "0F C7 /5", SaveKind.compacted, { feature: "xsaves", cpl0: true });
/** Restore Processor Extended States. */
export const xrstor = restores("xrstor", "0F AE /5", false, { feature: "xsave" });
/** Restore Processor Extended States Supervisor: of a compacted area alone. */
export const xrstors = restores("xrstors", "0F C7 /3", true, { feature: "xsaves", cpl0: true });

/** Get Value of Extended Control Register. */
export const xgetbv = insn("xgetbv", ["NP 0F 01 D0"], { feature: "xsave" }, (m) => {
  const value = m.call("readExtendedControl", m.register(rcx, 32));
  m.setRegister(rax, 32, value);
  m.setRegister(rdx, 32, m.i64.shrU(value, m.i64.const(32)));
});
/** Set Extended Control Register: the routine looks at the level, after whether there is such a register. */
export const xsetbv = insn("xsetbv", ["NP 0F 01 D1"], { feature: "xsave" }, (m) =>
  m.call("writeExtendedControl", m.register(rcx, 32), pair(m)),
);

export const extendedStateInstructions = [
  ...[xsave, xsaveopt, xsavec, xsaves],
  ...[xrstor, xrstors],
  ...[xgetbv, xsetbv],
];
