/** Interrupts that an instruction raises by itself, and those that wait for MSR[EE]. */
import { type Author, areaFields, MSR, type SelfTest } from "../author.js";
import { memoryMap, PTE } from "../guest.js";

const ILLEGAL = 0x80000n;
const PRIVILEGED = 0x40000n;
const TRAP = 0x20000n;
const FLOAT_ENABLED = 0x100000n;

export const programInterrupts: SelfTest = {
  name: "program interrupts",
  environment: "real",
  source: (t) => `
${t.fault({ what: "illegal instruction", code: "  .long 0", vector: 0x700, cause: ILLEGAL })}
${t.fault({ what: "trap", code: "  trap", vector: 0x700, cause: TRAP })}
${t.fault({ what: "tdi", before: "  li r14, 7", code: "  tdgti r14, 6", vector: 0x700, cause: TRAP })}
  li r14, 5
  tdgti r14, 6
${t.fault({
  what: "enabled floating-point exception",
  before: `  mfmsr r14
  ori r14, r14, ${MSR.FE0 | MSR.FE1}
  mtmsrd r14
${t.load("r15", 0x3ff0000000000000n)}
  mtvsrd vs1, r15
  xxlxor vs2, vs2, vs2
  xxlxor vs3, vs3, vs3
  mtfsb1 27`,
  code: "  fdiv f3, f1, f2",
  msr: t.msr | MSR.FE0 | MSR.FE1,
  resumeMsr: t.msr,
  vector: 0x700,
  cause: FLOAT_ENABLED,
})}
  mfvsrd r14, vs3
${t.check("target of the enabled exception is left alone", "r14", 0)}
  mffs f4
  mfvsrd r14, vs4
${t.check("FPSCR of the enabled exception", "r14", 0xc4000010n, 0xfff007ffn)}
`,
};

/** What follows code of problem state that was interrupted. */
const interrupted = (
  t: Author,
  what: string,
  expected: { vector: number; at: string; cause?: bigint; msr?: bigint },
) => `
${t.checkArea(`${what}: vector`, "VECTOR", expected.vector)}
${t.checkArea(`${what}: SRR0`, "SRR0", t.userAddress(expected.at))}
${t.checkArea(`${what}: SRR1`, "SRR1", (expected.msr ?? t.userMsr) | (expected.cause ?? 0n))}`;

export const problemState: SelfTest = {
  name: "problem state",
  environment: "virtual",
  source: (t) => {
    const one = (what: string, code: string, vector: number, cause?: bigint) => {
      const at = t.label("at");
      return `${t.user(`${at}:\n${code}`)}${interrupted(t, what, { vector, at, ...(cause ? { cause } : {}) })}`;
    };
    const behind = t.label("behind");
    return `
${one("mfmsr", "  mfmsr r3", 0x700, PRIVILEGED)}
${one("mtmsrd", "  mtmsrd r3", 0x700, PRIVILEGED)}
${one("rfid", "  rfid", 0x700, PRIVILEGED)}
${one("tlbie", "  tlbie r3, r4, 0, 0, 0", 0x700, PRIVILEGED)}
${one("mfspr of a supervisor's register", "  mfsrr0 r3", 0x700, PRIVILEGED)}
${one("mtspr of a supervisor's register", "  mtsprg0 r3", 0x700, PRIVILEGED)}
${one("illegal instruction", "  .long 0", 0x700, ILLEGAL)}
${t.user(`  li r20, 99\n  sc\n${behind}:`)}${interrupted(t, "sc", { vector: 0xc00, at: behind })}
${t.check("register from problem state", "r20", 99)}
${t.user(`  li r3, 0x58\n  sc 1`)}${t.checkArea("sc 1: vector", "VECTOR", 0xc00)}
`;
  },
};

const facility = (t: Author, what: string, bit: bigint, code: string, vector: number) =>
  t.fault({
    what,
    before: `  mfmsr r14
${t.load("r15", bit)}
  andc r14, r14, r15
  mtmsrd r14`,
    code,
    vector,
    msr: t.msr & ~bit,
    resumeMsr: t.msr,
  });

export const facilityInterrupts: SelfTest = {
  name: "facilities unavailable",
  environment: "virtual",
  source: (t) => {
    /** FSCR's bit and its number in FSCR[IC] are the same. */
    const inProblemState = (what: string, number: number, code: string) => {
      const at = t.label("at");
      return `
  mfspr r14, 153
${t.load("r15", 1n << BigInt(number))}
  andc r14, r14, r15
  mtspr 153, r14
${t.user(`${at}:\n${code}`)}${interrupted(t, what, { vector: 0xf60, at })}
  mfspr r14, 153
  srdi r16, r14, 56
${t.check(`${what}: cause in FSCR`, "r16", number)}
  or r14, r14, r15
  mtspr 153, r14
  li r20, 0
${t.user(`${code}\n  li r20, 1`)}
${t.check(`${what}: once it is allowed`, "r20", 1)}`;
    };
    return `
${facility(t, "floating point", MSR.FP, "  fadd f1, f1, f1", 0x800)}
${facility(t, "vector", MSR.VEC, "  vaddubm v1, v1, v1", 0xf20)}
${facility(t, "VSX", MSR.VSX, "  xxlor vs1, vs1, vs1", 0xf40)}
${facility(t, "floating-point load", MSR.FP, "  lfd f1, 0(r13)", 0x800)}
${inProblemState("target address register", 8, "  mfspr r16, 815")}
${inProblemState("data stream control", 2, "  mfspr r16, 3")}
${inProblemState("event-based branch", 7, "  mfspr r16, 806")}
`;
  },
};

export const systemCalls: SelfTest = {
  name: "system calls",
  environment: "real",
  source: (t) => {
    const behind = [t.label("behind"), t.label("behind"), t.label("behind")] as const;
    return `
${t.fault({ what: "sc", code: `  sc\n${behind[0]}:`, srr0: behind[0], vector: 0xc00 })}
${t.load("r14", t.msr | MSR.EE)}
${t.fault({ what: "scv 0", code: `  scv 0\n${behind[1]}:`, srr0: behind[1], vector: 0x17000, handlerMsr: t.handlerMsr | MSR.RI })}
${t.fault({ what: "scv 3", code: `  scv 3\n${behind[2]}:`, srr0: behind[2], vector: 0x17060, handlerMsr: t.handlerMsr | MSR.RI })}
# rfscv comes back to LR with CTR as the MSR.
${t.load("r14", "2f")}
  mtlr r14
  mfmsr r14
  mtctr r14
  li r15, 0
  rfscv
  li r15, 1
2:
${t.check("rfscv skips to LR", "r15", 0)}
  mfspr r14, 153
${t.load("r15", 1n << 12n)}
  andc r14, r14, r15
  mtspr 153, r14
${t.fault({ what: "scv without FSCR[SCV]", code: "  scv 0", vector: 0xf60 })}
  mfspr r14, 153
  srdi r14, r14, 56
${t.check("scv: cause in FSCR", "r14", 12)}
`;
  },
};

export const traceInterrupts: SelfTest = {
  name: "trace",
  environment: "real",
  source: (t) => {
    const labels = [t.label("traced"), t.label("traced"), t.label("step"), t.label("step")] as const;
    return `
# MSR[SE]: after each instruction. rfid itself is not traced.
${t.expectInterrupt(labels[1])}
${t.enter(labels[0], t.msr | MSR.SE)}
${labels[0]}:
  li r14, 1
${labels[2]}:
  li r14, 2
  li r14, 3
${labels[1]}:
${t.check("one instruction was executed", "r14", 1)}
${t.checkArea("single step: vector", "VECTOR", 0xd00)}
${t.checkArea("single step: SRR0", "SRR0", labels[2])}
${t.checkArea("single step: SRR1", "SRR1", t.msr | MSR.SE, ~0x783f0000n)}
# MSR[BE]: after a branch.
${t.expectInterrupt("5f")}
${t.enter("4f", t.msr | MSR.BE)}
4:
  li r14, 4
  addi r14, r14, 1
  b ${labels[3]}
  li r14, 6
${labels[3]}:
  li r14, 7
5:
${t.check("instructions up to the branch were executed", "r14", 5)}
${t.checkArea("branch trace: vector", "VECTOR", 0xd00)}
${t.checkArea("branch trace: SRR0", "SRR0", labels[3])}
`;
  },
};

/** Turns MSR[EE] on and waits for an interrupt in a loop that would take seconds. */
const wait = (t: Author, resume: string) => `
${t.expectInterrupt(resume)}
  lis r14, 0x1000
  mtctr r14
  mfmsr r14
  ori r14, r14, 0x8000
  mtmsrd r14
6:
  bdnz 6b
${resume}:`;

export const asynchronousInterrupts: SelfTest = {
  name: "decrementer and external",
  environment: "real",
  source: (t) => {
    const [afterDecrementer, afterPending, afterExternal] = [1, 2, 3].map(() => t.label("woken"));
    const handlerMsr = t.handlerMsr;
    const common = (what: string, vector: number) => `
${t.checkArea(`${what}: vector`, "VECTOR", vector)}
${t.checkArea(`${what}: SRR1`, "SRR1", t.msr | MSR.EE)}
${t.checkArea(`${what}: MSR in the handler`, "HANDLER_MSR", handlerMsr)}`;
    return `
# Expires while EE is on.
  lis r14, 2
  mtdec r14
${wait(t, afterDecrementer ?? "")}
${common("decrementer", 0x900)}
# Expires while EE is off, and waits for it. Some 250 us more: where timers are a thread's, as in QEMU, it raises it late.
  li r14, 1
  mtdec r14
  lis r14, -2
1:
  mfdec r15
  cmpd r15, r14
  bgt 1b
  ld r15, ${areaFields.COUNT}(r13)
${t.check("nothing while EE is off", "r15", 1)}
${t.expectInterrupt(afterPending ?? "")}
  mfmsr r14
  ori r14, r14, 0x8000
  mtmsrd r14
pendingNext:
  nop
  nop
${afterPending}:
${common("pending decrementer", 0x900)}
${t.checkArea("pending decrementer: SRR0", "SRR0", "pendingNext")}
# An interrupt to oneself through the interrupt controller.
${t.hcall(0x68, 0xff)}
${t.hcall(0x6c, 0, 4)}
${t.check("H_IPI", "r3", 0)}
${wait(t, afterExternal ?? "")}
${common("external", 0x500)}
${t.hcall(0x74)}
  mr r15, r4
${t.check("H_XIRR: priority before and source", "r15", 0xff000002n)}
${t.hcall(0x74)}
  mr r16, r4
${t.check("H_XIRR again: nothing", "r16", 0x04000000n)}
${t.hcall(0x6c, 0, 0xff)}
  mr r4, r15
${t.load("r3", 0x64)}
  sc 1
${t.check("H_EOI", "r3", 0)}
  li r14, 0
  mfmsr r15
  ori r16, r15, 0x8000
  mtmsrd r16
  nop
  mtmsrd r15
${t.checkArea("nothing more after H_EOI", "COUNT", 3)}
`;
  },
};

export const doorbell: SelfTest = {
  name: "doorbell",
  environment: "real",
  source: (t) => {
    const woken = t.label("woken");
    return `
  mfspr r15, 446
  oris r15, r15, 0x2800
  msgsndp r15
${wait(t, woken)}
${t.checkArea("vector", "VECTOR", 0xa00)}
${t.checkArea("SRR1", "SRR1", t.msr | MSR.EE)}
  msgsndp r15
  msgclrp r15
  mfmsr r15
  ori r16, r15, 0x8000
  mtmsrd r16
  nop
  mtmsrd r15
${t.checkArea("a doorbell that was taken back", "COUNT", 1)}
`;
  },
};

export const alternateLocation: SelfTest = {
  name: "alternate interrupt location",
  environment: "virtual",
  source: (t) => {
    const behind = [1, 2, 3, 4, 5].map(() => t.label("behind"));
    const translated = t.handlerMsr | MSR.IR | MSR.DR;
    return `
${t.hcall(0x31c, 3, 3, 0, 0)}
${t.check("H_SET_MODE, location 3", "r3", 0)}
${t.fault({ what: "sc at 3", code: `  sc\n${behind[0]}:`, srr0: `${behind[0]}`, vector: 0x4c00, handlerMsr: translated })}
${t.fault({ what: "trap at 3", code: "  trap", vector: 0x4700, cause: TRAP, handlerMsr: translated })}
${t.fault({
  what: "scv at 3",
  code: `  scv 1\n${behind[1]}:`,
  srr0: `${behind[1]}`,
  vector: 0x3020,
  handlerMsr: translated | MSR.RI,
})}
${t.user(`  li r20, 1\n  sc\n${behind[2]}:`)}
${t.checkArea("sc from problem state at 3: vector", "VECTOR", 0x4c00)}
${t.checkArea("sc from problem state at 3: MSR in the handler", "HANDLER_MSR", translated)}
# With translation off interrupts stay where they are.
${t.enter("7f", t.realMsr)}
7:
${t.fault({
  what: "sc in real mode",
  code: `  sc\n${behind[3]}:`,
  srr0: `${behind[3]}`,
  vector: 0xc00,
  msr: t.realMsr,
  resumeMsr: t.msr,
})}
# Location 2 lies in the process's own addresses.
${t.load("r3", PTE.valid | PTE.leaf | PTE.privileged | PTE.write | PTE.execute | PTE.referenced | PTE.changed)}
${t.load("r4", memoryMap.tables + 0x3000)}
  bl setEntry
${t.hcall(0x31c, 2, 3, 0, 0)}
${t.check("H_SET_MODE, location 2", "r3", 0)}
${t.fault({ what: "trap at 2", code: "  trap", vector: 0x18700, cause: TRAP, handlerMsr: translated })}
${t.hcall(0x31c, 1, 3, 0, 0)}
${t.check("H_SET_MODE, location 1", "r3", -256)}
${t.hcall(0x31c, 0, 3, 0, 0)}
  li r3, 0
${t.load("r4", memoryMap.tables + 0x3000)}
  bl setEntry
${t.fault({ what: "sc at 0", code: `  sc\n${behind[4]}:`, srr0: `${behind[4]}`, vector: 0xc00 })}
`;
  },
};

/** Leaves MSR[ME] off: the last of all. */
export const machineCheck: SelfTest = {
  name: "machine check",
  environment: "real",
  source: (t) => `
${t.expectInterrupt("1f", t.msr & ~MSR.ME)}
  lis r14, 0x7000
  mtctr r14
  bctr
1:
${t.checkArea("fetch from nowhere: vector", "VECTOR", 0x200)}
${t.checkArea("fetch from nowhere: SRR0", "SRR0", 0x70000000)}
`,
};
