/** Flags one by one, and through AH. */
import { flagsImage, maskOf, setFlagsFrom } from "../flags.js";
import { insn } from "../insn.js";
import { highAccumulator, type X86Machine } from "../machine.js";

function setDirection(m: X86Machine, down: boolean): void {
  const mask = maskOf("direction");
  const rest = m.i64.and(m.systemFlags(), m.i64.const(~mask));
  m.setSystemFlags(down ? m.i64.or(rest, m.i64.const(mask)) : rest);
}

/** Complement Carry Flag. */
export const cmc = insn("cmc", ["F5"], {}, (m) => m.setFlags({ carry: m.i32.eqz(m.flag("carry")) }));
/** Clear Carry Flag. */
export const clc = insn("clc", ["F8"], {}, (m) => m.setFlags({ carry: m.i32.const(0) }));
/** Set Carry Flag. */
export const stc = insn("stc", ["F9"], {}, (m) => m.setFlags({ carry: m.i32.const(1) }));
const interruptFlag = maskOf("interrupt");

/** Clear Interrupt Flag. */
export const cli = insn("cli", ["FA"], {}, (m) => {
  const clears = () => m.setSystemFlags(m.i64.and(m.systemFlags(), m.i64.const(~interruptFlag)));
  m.shortcut(m.i32.eqz(m.level()), clears, () => m.call("clearInterruptFlag"));
});
/** Set Interrupt Flag. The next instruction is in its shadow if it was clear. */
export const sti = insn("sti", ["FB"], {}, (m) => {
  const { i32, i64 } = m;
  const sets = () =>
    m.if(i64.eqz(i64.and(m.systemFlags(), i64.const(interruptFlag))), () => {
      m.setSystemFlags(i64.or(m.systemFlags(), i64.const(interruptFlag)));
      m.shade();
    });
  const quick = i32.eqz(i32.or(m.level(), m.interruptWaits()));
  m.shortcut(quick, sets, () => m.call("setInterruptFlag", m.next()));
});
/** Clear Direction Flag. */
export const cld = insn("cld", ["FC"], {}, (m) => setDirection(m, false));
/** Set Direction Flag. */
export const std = insn("std", ["FD"], {}, (m) => setDirection(m, true));
/** Store AH into Flags. */
export const sahf = insn("sahf", ["9E"], {}, (m) => setFlagsFrom(m, m.register(highAccumulator, 8), false));
/** Load Status Flags into AH Register. */
export const lahf = insn("lahf", ["9F"], {}, (m) => {
  // The low byte; what was not a flag there is 0, and bit 1 is 1.
  m.setRegister(highAccumulator, 8, m.i64.or(m.i64.and(flagsImage(m), m.i64.const(0xd5)), m.i64.const(2)));
});
/** Clear AC Flag in EFLAGS Register. */
export const clac = insn("clac", ["NP 0F 01 CA"], { feature: "smap" }, (m) => m.call("setAccessFlag", m.i32.const(0)));
/** Set AC Flag in EFLAGS Register. */
export const stac = insn("stac", ["NP 0F 01 CB"], { feature: "smap" }, (m) => m.call("setAccessFlag", m.i32.const(1)));

export const flagInstructions = [cmc, clc, stc, cli, sti, cld, std, sahf, lahf, clac, stac];
