/** The system's side: descriptors, control registers, model-specific registers, caches, hints. */
import { insn } from "../insn.js";
import type { X86Machine } from "../machine.js";

const nothing = (): void => {};
const fence = (m: X86Machine): void => m.fence();

/** Store Local Descriptor Table Register. */
export const sldt = insn("sldt", ["0F 00 /0  dst:rr", "0F 00 /0  dst:m16"]);
/** Store Task Register. */
export const str = insn("str", ["0F 00 /1  dst:rr", "0F 00 /1  dst:m16"]);
/** Load Local Descriptor Table Register. */
export const lldt = insn("lldt", ["0F 00 /2 o16  src:rm16"], { cpl0: true });
/** Load Task Register. */
export const ltr = insn("ltr", ["0F 00 /3 o16  src:rm16"], { cpl0: true });
/** Verify a Segment for Reading. */
export const verr = insn("verr", ["0F 00 /4 o16  src:rm16"]);
/** Verify a Segment for Writing. */
export const verw = insn("verw", ["0F 00 /5 o16  src:rm16"]);
/** Store Global Descriptor Table Register. */
export const sgdt = insn("sgdt", ["0F 01 /0  dst:mem"]);
/** Store Interrupt Descriptor Table Register. */
export const sidt = insn("sidt", ["0F 01 /1  dst:mem"]);
/** Load Global Descriptor Table Register. */
export const lgdt = insn("lgdt", ["0F 01 /2  src:mem"], { cpl0: true });
/** Load Interrupt Descriptor Table Register. */
export const lidt = insn("lidt", ["0F 01 /3  src:mem"], { cpl0: true });
/** Store Machine Status Word. */
export const smsw = insn("smsw", ["0F 01 /4  dst:rr", "0F 01 /4  dst:m16"]);
/** Load Machine Status Word. */
export const lmsw = insn("lmsw", ["0F 01 /6 o16  src:rm16"], { cpl0: true });
/** Invalidate TLB Entries. */
export const invlpg = insn("invlpg", ["0F 01 /7  address:m8"], { cpl0: true });
/** Invalidate Process-Context Identifier. */
export const invpcid = insn("invpcid", ["66 0F 38 82 /r n  type:r, descriptor:m128"], {
  feature: "invpcid",
  cpl0: true,
});
/** Load Access Rights Byte. */
export const lar = insn("lar", ["0F 02 /r  dst:r, src:rr", "0F 02 /r  dst:r, src:m16"]);
/** Load Segment Limit. */
export const lsl = insn("lsl", ["0F 03 /r  dst:r, src:rr", "0F 03 /r  dst:r, src:m16"]);
/** Adjust RPL Field of Segment Selector. */
export const arpl = insn("arpl", ["63 /r i64 o16  dst:rm16, src:r16"]);
/** Load a far pointer. */
export const les = insn("les", ["C4 /r i64  dst:r, src:mfar"]);
/** Load a far pointer. */
export const lds = insn("lds", ["C5 /r i64  dst:r, src:mfar"]);
/** Load a far pointer. */
export const lss = insn("lss", ["0F B2 /r  dst:r, src:mfar"]);
/** Load a far pointer. */
export const lfs = insn("lfs", ["0F B4 /r  dst:r, src:mfar"]);
/** Load a far pointer. */
export const lgs = insn("lgs", ["0F B5 /r  dst:r, src:mfar"]);

/** Fast System Call. */
export const syscall = insn("syscall", ["0F 05"]);
/** Return From Fast System Call. */
export const sysret = insn("sysret", ["0F 07 y"], {
  cpl0: true,
  names: { by: "operand", 32: "sysretd", 64: "sysretq" },
});
/** Fast System Call. */
export const sysenter = insn("sysenter", ["0F 34"]);
/** Fast Return from Fast System Call. */
export const sysexit = insn("sysexit", ["0F 35 y"], {
  cpl0: true,
  names: { by: "operand", 32: "sysexitd", 64: "sysexitq" },
});
/** Clear Task-Switched Flag in CR0. */
export const clts = insn("clts", ["0F 06"], { cpl0: true });
/** Move from and to control registers. */
export const movControl = insn("mov", ["0F 20 /r n  dst:rx, src:creg", "0F 22 /r n  dst:creg, src:rx"], { cpl0: true });
/** Move from and to debug registers. */
export const movDebug = insn("mov", ["0F 21 /r n  dst:rx, src:dreg", "0F 23 /r n  dst:dreg, src:rx"], { cpl0: true });
/** Read from Model Specific Register. */
export const rdmsr = insn("rdmsr", ["0F 32"], { cpl0: true });
/** Write to Model Specific Register. */
export const wrmsr = insn("wrmsr", ["0F 30"], { cpl0: true });
/** Read Performance-Monitoring Counters. */
export const rdpmc = insn("rdpmc", ["0F 33"]);
/** Read Time-Stamp Counter. */
export const rdtsc = insn("rdtsc", ["0F 31"]);
/** Read Time-Stamp Counter and Processor ID. */
export const rdtscp = insn("rdtscp", ["NP 0F 01 F9"], { feature: "rdtscp" });
/** Read Processor ID. */
export const rdpid = insn("rdpid", ["F3 0F C7 /7 n  dst:rr"], { feature: "rdpid" });
/** CPU Identification. */
export const cpuid = insn("cpuid", ["0F A2"]);
/** Swap GS Base Register. */
export const swapgs = insn("swapgs", ["NP 0F 01 F8 o64"], { cpl0: true });
/** Read FS/GS Segment Base. */
export const rdfsbase = insn("rdfsbase", ["F3 0F AE /0 o64 y  dst:rr"], { feature: "fsgsbase" });
/** Read FS/GS Segment Base. */
export const rdgsbase = insn("rdgsbase", ["F3 0F AE /1 o64 y  dst:rr"], { feature: "fsgsbase" });
/** Write FS/GS Segment Base. */
export const wrfsbase = insn("wrfsbase", ["F3 0F AE /2 o64 y  src:rr"], { feature: "fsgsbase" });
/** Write FS/GS Segment Base. */
export const wrgsbase = insn("wrgsbase", ["F3 0F AE /3 o64 y  src:rr"], { feature: "fsgsbase" });
/** Read Protection Key Rights for User Pages. */
export const rdpkru = insn("rdpkru", ["NP 0F 01 EE"], { feature: "pku" });
/** Write Data to User Page Key Register. */
export const wrpkru = insn("wrpkru", ["NP 0F 01 EF"], { feature: "pku" });
/** Get Value of Extended Control Register. */
export const xgetbv = insn("xgetbv", ["NP 0F 01 D0"], { feature: "xsave" });
/** Set Extended Control Register. */
export const xsetbv = insn("xsetbv", ["NP 0F 01 D1"], { feature: "xsave", cpl0: true });

/** Halt. */
export const hlt = insn("hlt", ["F4"], { cpl0: true });
/** Wait for a pending x87 exception. */
export const fwait = insn("fwait", ["9B"]);
/** Set Up Monitor Address. */
export const monitor = insn("monitor", ["NP 0F 01 C8"], { feature: "monitor", cpl0: true });
/** Monitor Wait. */
export const mwait = insn("mwait", ["NP 0F 01 C9"], { feature: "monitor", cpl0: true });
/** Invalidate Internal Caches. */
export const invd = insn("invd", ["0F 08"], { cpl0: true });
/** Write Back and Invalidate Cache. */
export const wbinvd = insn("wbinvd", ["0F 09"], { cpl0: true });
/** Write Back and Do Not Invalidate Cache. */
export const wbnoinvd = insn("wbnoinvd", ["F3 0F 09"], { feature: "wbnoinvd", cpl0: true });
/** Flush Cache Line. */
export const clflush = insn("clflush", ["NP 0F AE /7  line:m8"], { feature: "sse2" });
/** Flush Cache Line Optimized. */
export const clflushopt = insn("clflushopt", ["66 0F AE /7  line:m8"], { feature: "clflushopt" });
/** Cache Line Write Back. */
export const clwb = insn("clwb", ["66 0F AE /6  line:m8"], { feature: "clwb" });
/** Zero Cache Line. */
export const clzero = insn("clzero", ["NP 0F 01 FC"], { feature: "clzero" });
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
export const vmcall = insn("vmcall", ["NP 0F 01 C1"]);
/** Call to VM Monitor, as AMD has it. */
export const vmmcall = insn("vmmcall", ["0F 01 D9"]);

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
  movControl,
  movDebug,
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
  xgetbv,
  xsetbv,
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
