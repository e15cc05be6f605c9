/** The system's side: descriptors, control registers, model-specific registers, caches, hints. */

import type { I32, I64 } from "../../../../semantics/values.js";
import { insn } from "../insn.js";
import { type Facts, type Operand, rax, rcx, rdx, Vector, type X86Machine } from "../machine.js";
import { canonical } from "./branch.js";

const nothing = (): void => {};
const fence = (m: X86Machine): void => m.fence();
const ldtr = 7;
const tr = 8;
const fs = 4;
const gs = 5;

/** Of instructions that real mode and virtual-8086 mode lack. */
const protectedMode = (m: X86Machine, { codeSize }: Facts): void => {
  if (codeSize !== 64) m.call("protectedMode");
};
const storeSelector =
  (segment: number) =>
  (m: X86Machine, { dst }: { dst: Operand }, facts: Facts): void => {
    protectedMode(m, facts);
    m.call("tablesShown");
    dst.write(m.call("selectorOf", m.i32.const(segment)));
  };
/** 0 GDT, 1 IDT. */
const storeTable = (m: X86Machine, which: number, dst: Operand, { codeSize }: Facts): void => {
  m.call("tablesShown");
  m.call("storeTable", m.i32.const(which), dst.address({ bytes: 2 + tableBase(codeSize), write: true }));
};
/** ZF, alone. */
const setZero = (m: X86Machine, holds: I32): void => m.setFlags({ zero: m.i64.extendU(m.i32.eqz(holds)) });

/** LAR and LSL: what the routine says, or ZF clear. */
const looksAt =
  (routine: "accessRights" | "segmentLimit") =>
  (m: X86Machine, { dst, src }: { dst: Operand; src: Operand }, facts: Facts): void => {
    protectedMode(m, facts);
    const found = m.call(routine, src.read());
    const there = m.i64.ne(found, m.i64.const(-1));
    m.if(there, () => dst.write(found));
    setZero(m, there);
  };

/** Store Local Descriptor Table Register. */
export const sldt = insn("sldt", ["0F 00 /0  dst:rr", "0F 00 /0  dst:m16"], {}, storeSelector(ldtr));
/** Store Task Register. */
export const str = insn("str", ["0F 00 /1  dst:rr", "0F 00 /1  dst:m16"], {}, storeSelector(tr));
/** Load Local Descriptor Table Register. */
export const lldt = insn("lldt", ["0F 00 /2 o16  src:rm16"], {}, (m, { src }, facts) => {
  protectedMode(m, facts);
  m.call("privileged");
  m.call("loadSystemSegment", m.i32.const(ldtr), src.read());
});
/** Load Task Register. */
export const ltr = insn("ltr", ["0F 00 /3 o16  src:rm16"], {}, (m, { src }, facts) => {
  protectedMode(m, facts);
  m.call("privileged");
  m.call("loadSystemSegment", m.i32.const(tr), src.read());
});
/** Verify a Segment for Reading. */
export const verr = insn("verr", ["0F 00 /4 o16  src:rm16"], {}, (m, { src }, facts) => {
  protectedMode(m, facts);
  setZero(m, m.call("verify", src.read(), m.i32.const(0)));
});
/** Verify a Segment for Writing. */
export const verw = insn("verw", ["0F 00 /5 o16  src:rm16"], {}, (m, { src }, facts) => {
  protectedMode(m, facts);
  setZero(m, m.call("verify", src.read(), m.i32.const(1)));
});
/** Bytes of a table's base in memory. */
const tableBase = (codeSize: number): number => (codeSize === 64 ? 8 : 4);
/** Store Global Descriptor Table Register. */
export const sgdt = insn("sgdt", ["0F 01 /0  dst:mem"], {}, (m, { dst }, facts) => storeTable(m, 0, dst, facts));
/** Store Interrupt Descriptor Table Register. */
export const sidt = insn("sidt", ["0F 01 /1  dst:mem"], {}, (m, { dst }, facts) => storeTable(m, 1, dst, facts));
/** Load Global Descriptor Table Register. */
export const lgdt = insn("lgdt", ["0F 01 /2  src:mem"], { cpl0: true }, (m, { src }, { size, codeSize }) =>
  m.call("loadTable", m.i32.const(0), src.address({ bytes: 2 + tableBase(codeSize) }), m.i32.const(size)),
);
/** Load Interrupt Descriptor Table Register. */
export const lidt = insn("lidt", ["0F 01 /3  src:mem"], { cpl0: true }, (m, { src }, { size, codeSize }) =>
  m.call("loadTable", m.i32.const(1), src.address({ bytes: 2 + tableBase(codeSize) }), m.i32.const(size)),
);
/** Store Machine Status Word. */
export const smsw = insn("smsw", ["0F 01 /4  dst:rr", "0F 01 /4  dst:m16"], {}, (m, { dst }) => {
  m.call("tablesShown");
  dst.write(m.call("machineStatus"));
});
/** Load Machine Status Word. */
export const lmsw = insn("lmsw", ["0F 01 /6 o16  src:rm16"], { cpl0: true }, (m, { src }) =>
  m.call("loadMachineStatus", src.read()),
);
/** Invalidate TLB Entries. */
export const invlpg = insn("invlpg", ["0F 01 /7  address:m8"], { cpl0: true }, (m, { address }) =>
  m.call("invalidatePage", address.address()),
);
/** Invalidate Process-Context Identifier. */
export const invpcid = insn(
  "invpcid",
  ["66 0F 38 82 /r n  type:r, descriptor:m128"],
  {
    feature: "invpcid",
    cpl0: true,
  },
  (m, { type, descriptor }) => m.call("invalidateContext", type.read(), descriptor.address()),
);
/** Load Access Rights Byte. */
export const lar = insn("lar", ["0F 02 /r  dst:r, src:rr", "0F 02 /r  dst:r, src:m16"], {}, looksAt("accessRights"));
/** Load Segment Limit. */
export const lsl = insn("lsl", ["0F 03 /r  dst:r, src:rr", "0F 03 /r  dst:r, src:m16"], {}, looksAt("segmentLimit"));
/** Adjust RPL Field of Segment Selector. */
export const arpl = insn("arpl", ["63 /r i64 o16  dst:rm16, src:r16"], {}, (m, { dst, src }, facts) => {
  protectedMode(m, facts);
  const { i64 } = m;
  const level = (value: I64) => i64.and(value, i64.const(3));
  const old = dst.read();
  const lower = level(src.read());
  const lowers = i64.ltU(level(old), lower);
  m.if(lowers, () => dst.write(i64.or(i64.and(old, i64.const(~3n)), lower)));
  setZero(m, lowers);
});
const loadsPointer =
  (segment: number) =>
  (m: X86Machine, { dst, src }: { dst: Operand; src: Operand }): void => {
    const { selector, offset } = src.far();
    m.call("loadFarSegment", m.i32.const(segment), selector);
    dst.write(offset);
  };
/** Load a far pointer. */
export const les = insn("les", ["C4 /r i64  dst:r, src:mfar"], {}, loadsPointer(0));
/** Load a far pointer. */
export const lds = insn("lds", ["C5 /r i64  dst:r, src:mfar"], {}, loadsPointer(3));
/** Load a far pointer. */
export const lss = insn("lss", ["0F B2 /r  dst:r, src:mfar"], {}, loadsPointer(2));
/** Load a far pointer. */
export const lfs = insn("lfs", ["0F B4 /r  dst:r, src:mfar"], {}, loadsPointer(fs));
/** Load a far pointer. */
export const lgs = insn("lgs", ["0F B5 /r  dst:r, src:mfar"], {}, loadsPointer(gs));

/** Fast System Call. */
export const syscall = insn("syscall", ["0F 05"], {}, (m) => m.call("systemCall", m.next()));
/** Return From Fast System Call. */
export const sysret = insn(
  "sysret",
  ["0F 07 y"],
  {
    cpl0: true,
    names: { by: "operand", 32: "sysretd", 64: "sysretq" },
  },
  (m, _, { size }) => m.call("systemReturn", m.i32.const(size)),
);
/** Fast System Call. */
export const sysenter = insn("sysenter", ["0F 34"], {}, (m) => m.call("systemEnter"));
/** Fast Return from Fast System Call. */
export const sysexit = insn(
  "sysexit",
  ["0F 35 y"],
  {
    cpl0: true,
    names: { by: "operand", 32: "sysexitd", 64: "sysexitq" },
  },
  (m, _, { size }) => m.call("systemExit", m.i32.const(size)),
);
/** Clear Task-Switched Flag in CR0. */
export const clts = insn("clts", ["0F 06"], { cpl0: true }, (m) => m.call("clearTaskSwitched"));
// These look at the number first, and then at the level.

/** Move from control registers. */
export const movFromControl = insn("mov", ["0F 20 /r n  dst:rx, src:creg"], {}, (m, { dst, src }) =>
  dst.write(m.call("readControl", src.number())),
);
/** Move to control registers. */
export const movToControl = insn("mov", ["0F 22 /r n  dst:creg, src:rx"], {}, (m, { dst, src }) =>
  m.call("writeControl", dst.number(), src.read()),
);
/** Move from debug registers. */
export const movFromDebug = insn("mov", ["0F 21 /r n  dst:rx, src:dreg"], {}, (m, { dst, src }) =>
  dst.write(m.call("readDebug", src.number())),
);
/** Move to debug registers. */
export const movToDebug = insn("mov", ["0F 23 /r n  dst:dreg, src:rx"], {}, (m, { dst, src }) =>
  m.call("writeDebug", dst.number(), src.read()),
);
/** Read from Model Specific Register. */
export const rdmsr = insn("rdmsr", ["0F 32"], { cpl0: true }, (m) => m.call("readMsr"));
/** Write to Model Specific Register. */
export const wrmsr = insn("wrmsr", ["0F 30"], { cpl0: true }, (m) => m.call("writeMsr"));
/** Read Performance-Monitoring Counters. */
export const rdpmc = insn("rdpmc", ["0F 33"], {}, (m) => m.raise(Vector.generalProtection));
/** The time-stamp counter to EDX and EAX, with `aux` its processor's number to ECX. */
function readTimeStamp(m: X86Machine, aux: boolean): void {
  const reads = () => {
    const time = m.call("timeStamp");
    m.setRegister(rax, 32, time);
    m.setRegister(rdx, 32, m.i64.shrU(time, m.i64.const(32)));
    if (aux) m.setRegister(rcx, 32, m.call("processorNumber"));
  };
  const forbidden = m.i32.and(m.control4("timeStampDisable"), m.i32.ne(m.level(), m.i32.const(0)));
  m.shortcut(m.i32.eqz(forbidden), reads, () => m.call("readTimeStamp", m.i32.const(aux ? 1 : 0)));
}
/** Read Time-Stamp Counter. Linux reads it at the end of each system call, for the next one's place on the stack. */
export const rdtsc = insn("rdtsc", ["0F 31"], {}, (m) => readTimeStamp(m, false));
/** Read Time-Stamp Counter and Processor ID. */
export const rdtscp = insn("rdtscp", ["NP 0F 01 F9"], { feature: "rdtscp" }, (m) => readTimeStamp(m, true));
/** Read Processor ID. */
export const rdpid = insn("rdpid", ["F3 0F C7 /7 n  dst:rr"], { feature: "rdpid" }, (m, { dst }) =>
  dst.write(m.call("processorNumber")),
);
/** CPU Identification. */
export const cpuid = insn("cpuid", ["0F A2"], {}, (m) => m.call("identify"));
/** Swap GS Base Register. */
export const swapgs = insn("swapgs", ["NP 0F 01 F8 o64"], { cpl0: true }, (m) => m.swapGs());
const readBase = (m: X86Machine, segment: number, dst: Operand): void =>
  m.shortcut(
    m.control4("fsgsbase"),
    () => dst.write(m.base(segment)),
    () => dst.write(m.call("readBase", m.i32.const(segment))),
  );
const writeBase = (m: X86Machine, segment: number, src: Operand): void => {
  const value = src.read();
  m.shortcut(
    m.i32.and(m.control4("fsgsbase"), m.i64.eq(canonical(m, value), value)),
    () => m.setBase(segment, value),
    () => m.call("writeBase", m.i32.const(segment), value),
  );
};
/** Read FS/GS Segment Base. */
export const rdfsbase = insn("rdfsbase", ["F3 0F AE /0 o64 y  dst:rr"], { feature: "fsgsbase" }, (m, { dst }) =>
  readBase(m, fs, dst),
);
/** Read FS/GS Segment Base. */
export const rdgsbase = insn("rdgsbase", ["F3 0F AE /1 o64 y  dst:rr"], { feature: "fsgsbase" }, (m, { dst }) =>
  readBase(m, gs, dst),
);
/** Write FS/GS Segment Base. */
export const wrfsbase = insn("wrfsbase", ["F3 0F AE /2 o64 y  src:rr"], { feature: "fsgsbase" }, (m, { src }) =>
  writeBase(m, fs, src),
);
/** Write FS/GS Segment Base. */
export const wrgsbase = insn("wrgsbase", ["F3 0F AE /3 o64 y  src:rr"], { feature: "fsgsbase" }, (m, { src }) =>
  writeBase(m, gs, src),
);
/** Read Protection Key Rights for User Pages. */
export const rdpkru = insn("rdpkru", ["NP 0F 01 EE"], { feature: "pku" }, (m) => {
  const { i32, i64 } = m;
  const reads = () => {
    m.setRegister(rax, 32, m.keys());
    m.setRegister(rdx, 32, i64.const(0));
  };
  m.shortcut(i32.and(m.control4("protectionKeys"), i64.eqz(m.register(rcx, 32))), reads, () => m.call("readKeys"));
});
/** Write Data to User Page Key Register. */
export const wrpkru = insn("wrpkru", ["NP 0F 01 EF"], { feature: "pku" }, (m) => m.call("writeKeys"));

/** Halt. */
export const hlt = insn("hlt", ["F4"], { cpl0: true }, (m) => m.call("halt"));
/** Wait for a pending x87 exception. */
export const fwait = insn("fwait", ["9B"], {}, (m) => m.call("waitFloat"));
/** Nothing happens, whatever CPUID says of it: so KVM has it by default (KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS). */
const waits = (m: X86Machine): void => m.call("levelZeroOnly");
/** Set Up Monitor Address. */
export const monitor = insn("monitor", ["NP 0F 01 C8"], {}, waits);
/** Monitor Wait. */
export const mwait = insn("mwait", ["NP 0F 01 C9"], {}, waits);
/** Invalidate Internal Caches. */
export const invd = insn("invd", ["0F 08"], { cpl0: true }, nothing);
/** Write Back and Invalidate Cache. */
export const wbinvd = insn("wbinvd", ["0F 09"], { cpl0: true }, nothing);
/** Write Back and Do Not Invalidate Cache. */
export const wbnoinvd = insn("wbnoinvd", ["F3 0F 09"], { feature: "wbnoinvd", cpl0: true }, nothing);
/** Flush Cache Line. */
export const clflush = insn("clflush", ["NP 0F AE /7  line:m8"], { feature: "sse2" }, (m, { line }) =>
  m.call("probeLoad", line.address()),
);
/** Flush Cache Line Optimized. */
export const clflushopt = insn("clflushopt", ["66 0F AE /7  line:m8"], { feature: "clflushopt" }, (m, { line }) =>
  m.call("probeLoad", line.address()),
);
/** Cache Line Write Back. */
export const clwb = insn("clwb", ["66 0F AE /6  line:m8"], { feature: "clwb" }, (m, { line }) =>
  m.call("probeLoad", line.address()),
);
/** Zero Cache Line: that which RAX points into. */
export const clzero = insn("clzero", ["NP 0F 01 FC  line:mra8"], { feature: "clzero" }, (m, { line }) => {
  const { i64 } = m;
  const start = i64.and(line.address({ write: true }), i64.const(-64));
  for (let at = 0; at < 64; at += 16) m.storeQuad(i64.add(start, i64.const(at)), m.v128.const(0n));
});
/** Load Fence. */
export const lfence = insn("lfence", ["NP 0F AE /5  any:rr"], { feature: "sse2", hidden: true }, fence);
/** Memory Fence. */
export const mfence = insn("mfence", ["NP 0F AE /6  any:rr"], { feature: "sse2", hidden: true }, fence);
/** Store Fence. */
export const sfence = insn("sfence", ["NP 0F AE /7  any:rr"], { feature: "sse2", hidden: true }, fence);
/** Prefetch Data Into Caches. */
export const prefetchnta = insn("prefetchnta", ["0F 18 /0  line:m8"], {}, nothing);
/** Prefetch Data Into Caches. */
export const prefetcht0 = insn("prefetcht0", ["0F 18 /1  line:m8"], {}, nothing);
/** Prefetch Data Into Caches. */
export const prefetcht1 = insn("prefetcht1", ["0F 18 /2  line:m8"], {}, nothing);
/** Prefetch Data Into Caches. */
export const prefetcht2 = insn("prefetcht2", ["0F 18 /3  line:m8"], {}, nothing);
/** Prefetch Data Into Caches: AMD's, and reserved ones that do the same. */
export const prefetch = insn(
  "prefetch",
  [
    "0F 0D /0  line:m8",
    "0F 0D /3  line:m8",
    "0F 0D /4  line:m8",
    "0F 0D /5  line:m8",
    "0F 0D /6  line:m8",
    "0F 0D /7  line:m8",
  ],
  {},
  nothing,
);
/** Prefetch Data Into Caches in Anticipation of a Write. */
export const prefetchw = insn("prefetchw", ["0F 0D /1  line:m8"], {}, nothing);
/** Prefetch Data Into Caches in Anticipation of a Write. */
export const prefetchwt1 = insn("prefetchwt1", ["0F 0D /2  line:m8"], {}, nothing);

/** Call to VM Monitor, as Intel has it. */
export const vmcall = insn("vmcall", ["NP 0F 01 C1"], {}, (m) => m.call("hypercall"));
/** Call to VM Monitor, as AMD has it. */
export const vmmcall = insn("vmmcall", ["0F 01 D9"], {}, (m) => m.call("hypercall"));

export const systemInstructions = [
  sldt,
  str,
  lldt,
  ltr,
  verr,
  verw,
  sgdt,
  sidt,
  lgdt,
  lidt,
  smsw,
  lmsw,
  invlpg,
  invpcid,
  lar,
  lsl,
  arpl,
  les,
  lds,
  lss,
  lfs,
  lgs,
  syscall,
  sysret,
  sysenter,
  sysexit,
  clts,
  movFromControl,
  movToControl,
  movFromDebug,
  movToDebug,
  rdmsr,
  wrmsr,
  rdpmc,
  rdtsc,
  rdtscp,
  rdpid,
  cpuid,
  swapgs,
  rdfsbase,
  rdgsbase,
  wrfsbase,
  wrgsbase,
  rdpkru,
  wrpkru,
  hlt,
  fwait,
  monitor,
  mwait,
  invd,
  wbinvd,
  wbnoinvd,
  clflush,
  clflushopt,
  clwb,
  clzero,
  lfence,
  mfence,
  sfence,
  prefetchnta,
  prefetcht0,
  prefetcht1,
  prefetcht2,
  prefetch,
  prefetchw,
  prefetchwt1,
  vmcall,
  vmmcall,
];
