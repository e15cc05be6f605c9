/**
 * Instructions that are declared, and so read and written, but that no engine has yet: to a guest they are invalid opcodes. A
 * test reads this list against the declarations. What is not even declared stands in omitted.ts.
 */
import type { InsnDefinition } from "./insn.js";
import * as bits from "./instructions/bits.js";
import * as branch from "./instructions/branch.js";
import * as decimal from "./instructions/decimal.js";
import * as flags from "./instructions/flags.js";
import * as move from "./instructions/move.js";
import * as stack from "./instructions/stack.js";
import * as string from "./instructions/string.js";
import * as system from "./instructions/system.js";

export interface UnfinishedInstruction {
  readonly definition: InsnDefinition;
  readonly reason: string;
}

const because = (reason: string, definitions: readonly InsnDefinition[]): UnfinishedInstruction[] =>
  definitions.map((definition) => ({ definition, reason }));

export const unfinished: readonly UnfinishedInstruction[] = [
  ...because("outside 64-bit mode only, which no engine runs yet", [
    ...decimal.decimalInstructions,
    branch.bound,
    branch.into,
    stack.pusha,
    stack.popa,
    system.arpl,
    system.les,
    system.lds,
  ]),
  ...because("a loop over bits, or a sum that wants a routine of the run-time library", [
    bits.pdep,
    bits.pext,
    move.crc32,
    stack.enter,
  ]),
  ...because("exceptions and interrupts are not delivered yet", [
    branch.int3,
    branch.int,
    branch.int1,
    branch.iret,
    system.syscall,
    system.sysret,
    system.sysenter,
    system.sysexit,
    system.vmcall,
    system.vmmcall,
  ]),
  ...because("there are no segments but FS and GS, and no descriptors", [
    branch.jmpFar,
    branch.callFar,
    branch.retf,
    branch.retfPop,
    stack.pushSegment,
    stack.popSegment,
    move.movFromSegment,
    move.movToSegment,
    ...[system.lss, system.lfs, system.lgs, system.lar, system.lsl, system.verr, system.verw],
    ...[system.sldt, system.str, system.lldt, system.ltr, system.sgdt, system.sidt, system.lgdt, system.lidt],
    ...[system.swapgs, system.rdfsbase, system.rdgsbase, system.wrfsbase, system.wrgsbase],
  ]),
  ...because("there are no privilege levels and no control registers", [
    stack.popf,
    ...[flags.cli, flags.sti, flags.clac, flags.stac],
    ...[system.movControl, system.movDebug, system.smsw, system.lmsw, system.clts, system.hlt],
    ...[system.rdmsr, system.wrmsr, system.rdpmc, system.rdtsc, system.rdtscp, system.rdpid, system.cpuid],
    ...[system.rdpkru, system.wrpkru, system.xgetbv, system.xsetbv, system.monitor, system.mwait, system.fwait],
    ...[move.rdrand, move.rdseed],
  ]),
  ...because("there are no ports", [string.ins, string.outs, string.in_, string.out]),
  ...because("there is no MMU, nor caches that anybody could notice", [
    ...[system.invlpg, system.invpcid, system.invd, system.wbinvd, system.wbnoinvd],
    ...[system.clflush, system.clflushopt, system.clwb, system.clzero],
  ]),
];
