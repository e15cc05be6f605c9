/**
 * Where QEMU 7.2 is not the judge of what only a supervisor sees: what Power ISA v3.0B leaves undefined, and where QEMU
 * departs from it. Everything else that differs is a mistake of ours. exceptions.ts is the counterpart for what users see;
 * what a kind of case cannot draw because of QEMU is said at the kind, in supervisor-system.ts.
 */

import { Msr } from "../../src/arch/powerpc/isa/msr.js";
import type { Judged } from "../oracles/oracles.js";
import type { Difference } from "./compare.js";
import type { State } from "./record.js";
import type { SupervisorCase } from "./supervisor-kernel.js";
import { supervisorOffsets } from "./supervisor-record.js";

/** A case and what came of it. */
export interface Outcome {
  readonly one: SupervisorCase;
  /** QEMU's answer, and ours. */
  readonly expected: State;
  readonly actual: State;
}

export interface SupervisorException {
  /** Mnemonics, or names of the kinds of cases that are no single instruction's; default all. */
  readonly kinds?: RegExp;
  readonly when?: (outcome: Outcome) => boolean;
  /** Registers by name, or differences; "all": the case is not compared. */
  readonly ignore: RegExp | "all" | ((difference: Difference) => boolean);
  /** What QEMU does or what is undefined, and where Power ISA v3.0B says so: book and section. */
  readonly why: string;
}

/** The vector that QEMU entered, as it is without AIL. */
export const vectorOf = (state: State): bigint => {
  const name = state.get(supervisorOffsets.vector);
  return name >= 0x4100n && name < 0x5000n ? name - 0x4000n : name;
};

const msrOf = ({ one }: Outcome): bigint => one.initial.get(supervisorOffsets.msr);
const problem = (outcome: Outcome): boolean => (msrOf(outcome) & Msr.PR) !== 0n;
const came =
  (vector: bigint) =>
  ({ expected }: Outcome): boolean =>
    vectorOf(expected) === vector;
const weCame =
  (vector: bigint) =>
  ({ actual }: Outcome): boolean =>
    vectorOf(actual) === vector;

/** By the sc behind it, or traced. */
const ended = (outcome: Outcome): boolean => came(0xc00n)(outcome) || came(0xd00n)(outcome);

/** Special purpose registers by number, as the kinds of their moves are called. */
const moves = (direction: "f" | "t" | "[ft]", ...numbers: readonly number[]): RegExp =>
  new RegExp(`^m${direction}spr (${numbers.join("|")})$`);

/** SRR1 bits that the Trace interrupt gives. */
const traceBits = 0x783f_0000n;

/** What the ISA leaves undefined: nobody judges it. */
export const supervisorUndefined: readonly SupervisorException[] = [
  {
    when: came(0x600n),
    ignore: /^dsisr$/,
    why: "an Alignment interrupt leaves DSISR undefined (Book III, Alignment Interrupt); QEMU puts bits of the instruction there",
  },
  {
    kinds: /^wait$/,
    ignore: /^(srr0|cfar)$/,
    why: "a wait may end at any time, and the case then waits again (Book II, Wait Instruction)",
  },
  {
    kinds: /^st[bhwdq]cx\.$/,
    when: ended,
    ignore: /^entry/,
    why: "a store conditional that does not store may set the Change bit (Book III, Reference and Change Recording)",
  },
  {
    kinds: /^st[bhwdq]cx\.$/,
    when: (outcome) => ended(outcome) && (weCame(0x300n)(outcome) || weCame(0x380n)(outcome)),
    ignore: "all",
    why: "whether one without a reservation is checked against the page is undefined (Book III, Data Storage Interrupt)",
  },
  {
    kinds: /^(l|st)[wd]at$/,
    when: ended,
    ignore: /^entry/,
    why: "so may an atomic operation that finds nothing to store; QEMU asks for the right to store at once (as above)",
  },
  {
    kinds: /^(lmw|stmw|lsw[ix]|stsw[ix]|lxvll?|stxvll?|lfdpx?|stfdpx?|lq|stq)$/,
    when: (outcome) => came(0x300n)(outcome) || came(0x380n)(outcome),
    ignore: /^(r\d|vs\d|memory)/,
    why: "an access that faults may have been done in part (Book III, Partially Executed Instructions)",
  },
];

export interface SupervisorFault extends SupervisorException, Judged {}

export const supervisorFaults: readonly SupervisorFault[] = [
  // Interrupts in which QEMU departs from the ISA.
  {
    when: came(0xd00n),
    ignore: ({ register, expected, actual }) => register === "srr1" && ((expected ^ actual) & ~traceBits) === 0n,
    why: "QEMU sets none of SRR1's bits that say what was traced (Book III, Trace Interrupt)",
    judge: "where-qemu-errs-supervisor.txt: and that it was a load, and of what",
  },
  {
    when: came(0xd00n),
    ignore: /^(siar|sdar)$/,
    why: "QEMU does not set SIAR and SDAR (Book III, Trace Interrupt)",
    judge: "where-qemu-errs-supervisor.txt: a trace interrupt tells the address of what was traced",
  },
  {
    kinds: /^slb/,
    when: (outcome) => (msrOf(outcome) & Msr.SF) === 0n,
    ignore: /^(r9|cr)$/,
    why: "QEMU has slbfee. look for 32 bits of address in 32-bit mode; the operand is an ESID (Book III, slbfee.)",
    judge: "where-qemu-errs-supervisor.txt: an ESID of slbfee. has 64 bits in 32-bit mode",
  },
  {
    kinds: /^slbfee\.$/,
    when: problem,
    ignore: /^srr1$/,
    why: "QEMU calls it illegal in problem state; it is privileged (Book III, slbfee.)",
    judge: "where-qemu-errs-supervisor.txt: slbfee. is privileged",
  },
  {
    kinds: /^icbi$/,
    when: (outcome) => came(0x300n)(outcome) || came(0x380n)(outcome),
    ignore: /^dar$/,
    why: "QEMU rounds the address to its block (Book III, Data Storage Interrupt)",
    judge: "where-qemu-errs-supervisor.txt: a fault of icbi tells the address, not that of the block",
  },
  {
    kinds: /^(lmw|stmw|lsw[ix]|stsw[ix])$/,
    when: came(0x600n),
    ignore: /^dar$/,
    why: "QEMU does not set DAR when these are refused in little-endian mode (Book III, Alignment Interrupt)",
    judge: "system.txt: lmw and lswi in little-endian mode",
  },
  {
    kinds: /^ptesync$/,
    when: problem,
    ignore: "all",
    why: "QEMU lets problem state execute ptesync; it is privileged (Book III, Synchronize Instruction)",
    judge: "system.txt: ptesync is privileged",
  },
  {
    kinds: /^sc$/,
    when: (outcome) => problem(outcome) && outcome.one.words[0] === 0x44000022,
    ignore: "all",
    why: "QEMU answers sc 1 from problem state with H_PRIVILEGE; KVM makes a system call of it, as for LEV 0 (Book III, System Call)",
    judge: "where-qemu-errs-supervisor.txt: a hypercall of problem state is a system call",
  },
  {
    kinds: /^or$/,
    when: (outcome) => (msrOf(outcome) & Msr.SE) !== 0n,
    ignore: "all",
    why: "QEMU does not trace the forms of or that are program priorities (Book III, Trace Interrupt)",
    judge: "where-qemu-errs-supervisor.txt: a hint of priority is traced",
  },

  // What QEMU does not have.
  {
    kinds: /^(clrbhrb|mfbhrbe)$/,
    ignore: "all",
    why: "QEMU calls them illegal (Book II, Branch History Rolling Buffer Instructions)",
    judge: "where-qemu-errs-supervisor.txt: the branch history can be cleared and read",
  },
  {
    kinds: /^rfebb$/,
    when: weCame(0xf60n),
    ignore: "all",
    why: "QEMU does not ask FSCR[EBB] (Book III, Facility Status and Control Register)",
    judge: "where-qemu-errs-supervisor.txt: rfebb is a facility in problem state",
  },
  {
    kinds: /^rfebb$/,
    ignore: /^bescr$/,
    why: "QEMU takes GE for the other end of BESCR (Book II, Branch Event Status and Control Register)",
    judge: "where-qemu-errs-supervisor.txt: GE is bit 0 of BESCR",
  },
  {
    kinds: moves("[ft]", 3),
    ignore: "all",
    why: "QEMU does not have the user's number of DSCR (Book II, Data Stream Control Register)",
    judge: "special-purpose-registers.txt: DSCR has two numbers",
  },
  {
    kinds: moves("[ft]", 13),
    ignore: /^r\d/,
    why: "QEMU reads 0 by the user's number of AMR (Book III, Authority Mask Register)",
    judge: "special-purpose-registers.txt: AMR in problem state, under UAMOR",
  },
  {
    kinds: moves("[ft]", 177, 284, 285, 286, 339, 850, 853, 855, 922),
    when: (outcome) => !problem(outcome),
    ignore: "all",
    why: "QEMU takes the numbers for unused; they are a hypervisor's (Book III, Move To/From System Register Instructions)",
    judge: "where-qemu-errs-supervisor.txt: numbers of the hypervisor are privileged for the supervisor",
  },
  {
    kinds: /^m[ft]spr of no register$/,
    when: (outcome) => came(0x700n)(outcome) && weCame(0x700n)(outcome),
    ignore: /^srr1$/,
    why: "QEMU says privileged where the interrupt is Emulation Assistance, for a guest illegal (Book III, as above)",
    judge: "special-purpose-registers.txt: an unknown number is illegal in problem state",
  },
  {
    kinds: moves("[ft]", 823),
    ignore: "all",
    why: "QEMU does not have the supervisor's number of PSSCR (Book III, Processor Stop Status and Control Register)",
    judge: "where-qemu-errs-supervisor.txt: PSSCR by the supervisor's number",
  },
  {
    kinds: moves("f", 308, 309),
    when: problem,
    ignore: "all",
    why: "QEMU lets problem state read SPURR and PURR (Book III, Processor Utilization of Resources Register)",
    judge: "where-qemu-errs-supervisor.txt: problem state does not read PURR",
  },
  {
    kinds: moves("f", 768),
    ignore: "all",
    why: "QEMU does not have the user's number of SIER (Book III, Performance Monitor Facility)",
    judge: "where-qemu-errs-supervisor.txt: SIER by the user's number",
  },
  {
    kinds: moves("[ft]", 770, 780, 781, 782),
    when: problem,
    ignore: "all",
    why: "QEMU lets MMCR0[PMCC] decide about some registers only (Book III, Monitor Mode Control Register 0)",
    judge: "special-purpose-registers.txt: what PMCC opens to problem state: nothing",
  },
  {
    kinds: moves("t", 769, 771, 772, 773, 774, 775, 776, 779),
    when: (outcome) => problem(outcome) && came(0x700n)(outcome) && weCame(0x700n)(outcome),
    ignore: /^srr1$/,
    why: "where MMCR0[PMCC] lets problem state only read, a write is Emulation Assistance; QEMU says privileged (as above)",
    judge: "special-purpose-registers.txt: what PMCC opens to problem state: not writing",
  },
  {
    kinds: moves("[ft]", 800, 801, 802, 803),
    ignore: "all",
    why: "QEMU keeps what was last written; the numbers name BESCR (Book II, Branch Event Status and Control Register)",
    judge: "special-purpose-registers.txt: BESCR is set and reset bit by bit",
  },
  {
    kinds: moves("[ft]", 898),
    ignore: "all",
    why: "QEMU does not have PPR32 (Book II, Program Priority Registers)",
    judge: "special-purpose-registers.txt: PPR and its upper half",
  },
];

/** The differences that count, and why the others do not; `whole`: nothing does. */
export function notCompared(
  outcome: Outcome,
  found: readonly Difference[],
): { left: Difference[]; reasons: Set<string>; whole: boolean } {
  let left = [...found];
  const reasons = new Set<string>();
  for (const { kinds, when, ignore, why } of [...supervisorUndefined, ...supervisorFaults]) {
    if (kinds && !kinds.test(outcome.one.mnemonic)) continue;
    if (when && !when(outcome)) continue;
    if (ignore === "all") return { left: [], reasons: new Set([why]), whole: true };
    const kept = left.filter((one) => !(typeof ignore === "function" ? ignore(one) : ignore.test(one.register)));
    if (kept.length < left.length) reasons.add(why);
    left = kept;
  }
  return { left, reasons, whole: false };
}
