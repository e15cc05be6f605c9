/**
 * System linkage, the MSR, messages between processors, waiting, event-based branches.
 * Source: Power ISA v3.0B, Book II "Wait Instruction", "Event-Based Branch Facility"; Book III "System Linkage
 * Instructions", "Move To/From System Register Instructions", "Processor Control".
 */

import { FacilityCause, inProblemState, withFacility } from "../common.js";
import { insn } from "../insn.js";
import type { I64, Machine } from "../machine.js";
import { Msr } from "../msr.js";

const supervisor = { privileged: "supervisor" } as const;
const hypervisor = { privileged: "hypervisor" } as const;
const nothing = (): void => {};

const linkage = [
  insn("sc", "010001 -:5 -:5 -:4 lev:7 - - - 1 -", "lev", (m, o) => m.call("systemCall", o.lev)),
  insn("scv", "010001 -:5 -:5 -:4 lev:7 - - - 01", "lev", (m, o) => m.call("systemCallVectored", o.lev)),
  insn("rfid", "010011 -:5 -:5 -:5 0000010010 -", "", supervisor, (m) => m.call("returnFromInterrupt")),
  insn("rfscv", "010011 -:5 -:5 -:5 0001010010 -", "", supervisor, (m) => m.call("returnFromSystemCallVectored")),
  insn("hrfid", "010011 -:5 -:5 -:5 0100010010 -", "", hypervisor, nothing),
  insn("stop", "010011 -:5 -:5 -:5 0101110010 -", "", hypervisor, nothing),
];

// MSR. Bits outside the mask stay as they are; HV, ME and LE are never in it.

const EE_RI = Msr.EE | Msr.RI;
const untouched = Msr.HV | Msr.S | Msr.ME | Msr.LE;

function setMsr(m: Machine, value: I64, mask: bigint): void {
  const { i64 } = m;
  const kept = i64.and(m.get("msr"), i64.const(~mask));
  m.call("setMsr", i64.or(kept, i64.and(value, i64.const(mask))));
}

const machineState = [
  insn("mfmsr", "011111 rt:5 -:5 -:5 0001010011 -", "rt", supervisor, (m, o) => m.setGpr(o.rt, m.get("msr"))),
  insn("mtmsr", "011111 rs:5 -:4 l? -:5 0010010010 -", "rs, l", supervisor, (m, o) => {
    setMsr(m, m.gpr(o.rs), o.l ? EE_RI : 0xffffffffn & ~untouched);
  }),
  insn("mtmsrd", "011111 rs:5 -:4 l? -:5 0010110010 -", "rs, l", supervisor, (m, o) => {
    setMsr(m, m.gpr(o.rs), o.l ? EE_RI : ~untouched);
  }),
];

const messages = [
  insn("msgsndp", "011111 -:5 -:5 rb:5 0010001110 -", "rb", supervisor, (m, o) => m.call("sendDoorbell", m.gpr(o.rb))),
  insn("msgclrp", "011111 -:5 -:5 rb:5 0010101110 -", "rb", supervisor, (m, o) => m.call("clearDoorbell", m.gpr(o.rb))),
  insn("msgsnd", "011111 -:5 -:5 rb:5 0011001110 -", "rb", hypervisor, nothing),
  insn("msgclr", "011111 -:5 -:5 rb:5 0011101110 -", "rb", hypervisor, nothing),
  insn("msgsync", "011111 -:5 -:5 -:5 1101110110 -", "", hypervisor, nothing),
];

/** May end at any time, so a wait is only the chance for others to run. */
export const wait = insn("wait", "011111 -:3 wc:2 -:5 -:5 0000011110 -", "wc", (m) => m.call("pause"));

/** BESCR[GE]. */
const globalEnable = 1n << 63n;

export const rfebb = insn("rfebb", "010011 -:5 -:5 -:4 s? 0010010010 -", "s", (m, o) => {
  withFacility(m, FacilityCause.eventBranch, () => {
    const { i64 } = m;
    const others = i64.and(m.get("bescr"), i64.const(~globalEnable));
    m.set("bescr", o.s ? i64.or(others, i64.const(globalEnable)) : others);
    m.jump(m.get("ebbrr"));
  });
});

/** The branch history buffer is empty for ever: MMCR0[PMCC] decides whether problem state may ask. */
function withBranchHistory(m: Machine, body: () => void): void {
  const { i32, i64 } = m;
  const open = i32.wrap(i64.shrU(m.get("mmcr0"), i64.const(19)));
  const denied = i32.and(inProblemState(m), i32.eqz(i32.and(open, i32.const(1))));
  m.if(denied, () => m.call("facilityUnavailable", i32.const(FacilityCause.branchHistory)), body);
}

const branchHistory = [
  insn("clrbhrb", "011111 -:5 -:5 -:5 0110101110 -", "", (m) => withBranchHistory(m, nothing)),
  insn("mfbhrbe", "011111 rt:5 bhrbe:10 0100101110 -", "rt, bhrbe", (m, o) => {
    withBranchHistory(m, () => m.setGpr(o.rt, m.i64.const(0)));
  }),
];

export const systemInstructions = [...linkage, ...machineState, ...messages, wait, rfebb, ...branchHistory];
