/** What the hypervisor does for the guest: hypercalls, RTAS, accesses to nowhere. Source: PAPR. */
import { areaFields, MSR, type SelfTest } from "../author.js";
import { memoryMap } from "../guest.js";

const H_SUCCESS = 0n;
const H_FUNCTION = -2n;
const H_PARAMETER = -4n;
const tokens = { getTimeOfDay: 0x2001, queryCpuStopped: 0x2005 } as const;

export const hypercalls: SelfTest = {
  name: "hypercalls",
  environment: "real",
  source: (t) => {
    const call = (what: string, expected: bigint, number: number, ...args: (bigint | number)[]) =>
      `${t.hcall(number, ...args)}\n${t.check(what, "r3", expected)}`;
    return `
${call("an unknown call", H_FUNCTION, 0xeffc)}
${call("a number that is no multiple of 4", H_FUNCTION, 0x59)}
${call("H_PUT_TERM_CHAR of nothing", H_SUCCESS, 0x58, 0, 0)}
${call("H_PUT_TERM_CHAR of too much", H_PARAMETER, 0x58, 0, 17)}
${call("H_PUT_TERM_CHAR of no terminal", H_PARAMETER, 0x58, 0x12345, 0)}
${call("H_GET_TERM_CHAR", H_SUCCESS, 0x54, 0)}
${t.check("H_GET_TERM_CHAR: nothing typed", "r4", 0)}
${call("H_IPI to nobody", H_PARAMETER, 0x6c, 77, 4)}
${call("H_SET_MODE of an unknown resource", -55n, 0x31c, 0, 9, 0, 0)}
${call("H_PROD of nobody", H_PARAMETER, 0xe8, 77)}
${call("H_REGISTER_VPA, misaligned", H_PARAMETER, 0xdc, 1n << 45n, 0, memoryMap.data + 8)}
# A hypercall leaves other registers alone.
${t.load("r14", 0x123456789abcdefn)}
  mtctr r14
  mtlr r14
  lis r15, 0x4242
  mtcr r15
${t.hcall(0xeffc)}
  mfcr r16
  mfctr r17
  mflr r18
${t.check("CTR after a hypercall", "r17", 0x123456789abcdefn)}
${t.check("LR after a hypercall", "r18", 0x123456789abcdefn)}
  mfmsr r16
${t.check("MSR after a hypercall", "r16", t.msr)}
`;
  },
};

export const ceding: SelfTest = {
  name: "H_CEDE",
  environment: "real",
  source: (t) => {
    const woken = t.label("woken");
    return `
# A prod that came before makes it return at once.
${t.hcall(0xe8, 0)}
${t.check("H_PROD of oneself", "r3", 0)}
${t.hcall(0xe0)}
${t.check("H_CEDE after a prod", "r3", 0)}
  mfmsr r14
${t.check("H_CEDE turns EE on", "r14", t.msr | MSR.EE)}
  mtmsrd r14
${t.load("r14", t.msr)}
  mtmsrd r14
# 2 ms of sleep.
  mftb r20
${t.expectInterrupt(woken)}
  lis r14, 16
  mtdec r14
${t.hcall(0xe0)}
  nop
${woken}:
  mftb r21
  sub r21, r21, r20
${t.checkArea("woken by the decrementer: vector", "VECTOR", 0x900)}
${t.checkArea("woken by the decrementer: SRR1", "SRR1", t.msr | MSR.EE)}
  lis r22, 15
  cmpd r21, r22
  li r23, 0
  blt 1f
  li r23, 1
1:
${t.check("it slept until then", "r23", 1)}
`;
  },
};

export const firmware: SelfTest = {
  name: "RTAS",
  environment: "real",
  source: (t) => `
${t.load("r3", 0x7777)}
  li r4, 0
  li r5, 1
  bl rtas
${t.check("an unknown token", "r3", -3)}
${t.load("r3", tokens.getTimeOfDay)}
  li r4, 0
  li r5, 8
  bl rtas
  mr r14, r4
${t.check("get-time-of-day", "r3", 0)}
  cmpldi r14, 2020
  li r15, 0
  blt 1f
  li r15, 1
1:
${t.check("the year", "r15", 1)}
${t.load("r3", tokens.queryCpuStopped)}
  li r4, 1
  li r5, 2
  li r6, 0
  bl rtas
  mr r14, r4
${t.check("query-cpu-stopped-state", "r3", 0)}
${t.check("this CPU runs", "r14", 2)}
`,
};

/** Nothing lies there: reads see an idle bus, writes are lost. */
export const emptyBus: SelfTest = {
  name: "accesses outside memory",
  environment: "real",
  source: (t) => `
  lis r14, 0x7000
  li r15, 0
  stb r15, 0(r14)
  std r15, 8(r14)
  lbz r16, 0(r14)
${t.check("byte", "r16", 0xff)}
  lha r16, 2(r14)
${t.check("halfword", "r16", -1)}
  lwz r16, 4(r14)
${t.check("word", "r16", 0xffffffffn)}
  ldu r16, 8(r14)
  mr r17, r14
${t.check("doubleword", "r16", -1)}
${t.check("base register of an update form", "r17", 0x70000008)}
  lfs f1, 0(r17)
  lxvd2x vs34, 0, r17
  mfvsrd r16, vs34
${t.check("vector", "r16", -1)}
# One access that lies in memory by half.
${t.load("r14", BigInt(memoryMap.end) * 2n - 4n)}
${t.load("r15", 0x0123456789abcdefn)}
  std r15, 0(r14)
  ld r16, 0(r14)
${t.check("half of it in memory", "r16", t.littleEndian ? 0xffffffff89abcdefn : 0x01234567ffffffffn)}
  addi r14, r13, ${areaFields.SCRATCH}
${t.checkArea("no interrupt", "COUNT", 0)}
`,
};
