/** KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_SREGS2, KVM_SET_SREGS2. */
import { KvmError } from "../../../base/errors.js";
import { integer, listOf, options, u32, u64 } from "../../../base/takes.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { Request, Segment } from "../engines/layout.js";
import { Control0, Control4, Efer } from "../engines/registers.js";
import {
  KVM_SREGS2_FLAGS_PDPTRS_VALID,
  type X86Regs,
  type X86Segment,
  type X86Sregs,
  type X86Sregs2,
  type X86SystemRegisters,
} from "../uapi.js";
import * as vendor from "../vendor.js";
import { setApicBase } from "./apic-base.js";
import { hasFeature } from "./cpuid.js";
import { instructionPointer, setInstructionPointer } from "./instruction-pointer.js";
import { entryAt } from "./translate.js";
import { contextChanged, getField, getMsr, request, setField, setMsr } from "./vcpu.js";

/** In the order of their numbers. */
const general = [
  ...(["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] as const),
  ...(["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const),
];
const segments = ["es", "cs", "ss", "ds", "fs", "gs"] as const;
const systemSegments = { ldt: Segment.ldtr, tr: Segment.tr } as const;
const arithmetic = 0x8d5n;

const bit = integer(0, 1);
const takesSegment = options<X86Segment>({
  base: u64,
  limit: u32,
  selector: integer(0, 0xffff),
  type: integer(0, 15),
  present: bit,
  dpl: integer(0, 3),
  db: bit,
  s: bit,
  l: bit,
  g: bit,
  avl: bit,
  unusable: bit,
});
const takesTable = options({ base: u64, limit: integer(0, 0xffff) });
const takesRegs = options<X86Regs>({
  ...(Object.fromEntries(general.map((name) => [name, u64])) as Record<(typeof general)[number], typeof u64>),
  rip: u64,
  rflags: u64,
});
const systemRegisters = {
  ...(Object.fromEntries([...segments, "tr", "ldt"].map((name) => [name, takesSegment])) as Record<
    (typeof segments)[number] | "tr" | "ldt",
    typeof takesSegment
  >),
  gdt: takesTable,
  idt: takesTable,
  cr0: u64,
  cr2: u64,
  cr3: u64,
  cr4: u64,
  cr8: u64,
  efer: u64,
  apic_base: u64,
};
const takesSregs = options<X86Sregs>({ ...systemRegisters, interrupt_bitmap: listOf(u64) });
const takesSregs2 = options<X86Sregs2>({ ...systemRegisters, flags: u64, pdptrs: listOf(u64) });

export function getRegs(vcpu: VcpuInside): X86Regs {
  const registers = Object.fromEntries(general.map((name, i) => [name, getField(vcpu, "general", i)]));
  return { ...registers, rip: instructionPointer(vcpu), rflags: getFlags(vcpu) } as X86Regs;
}

/** EINVAL: not all registers, or no numbers. */
export function setRegs(vcpu: VcpuInside, regs: X86Regs): void {
  takesRegs(regs, "vcpu.setRegs", "regs");
  for (const [i, name] of general.entries()) setField(vcpu, "general", regs[name], i);
  setInstructionPointer(vcpu, regs.rip);
  setFlags(vcpu, regs.rflags);
  contextChanged(vcpu);
}

/** The arithmetic flags, which engines keep as values (isa/machine.ts), among the others. */
function getFlags(vcpu: VcpuInside): bigint {
  const sign = getField(vcpu, "sign");
  let odd = Number(sign & 0xffn);
  odd ^= odd >> 4;
  odd ^= odd >> 2;
  odd ^= odd >> 1;
  const bits: readonly (readonly [bigint, boolean])[] = [
    [0x1n, getField(vcpu, "carry") !== 0n],
    [0x4n, (odd & 1) === 0],
    [0x10n, (getField(vcpu, "adjust") & 16n) !== 0n],
    [0x40n, getField(vcpu, "zero") === 0n],
    [0x80n, sign >> 63n !== 0n],
    [0x800n, getField(vcpu, "overflow") >> 63n !== 0n],
  ];
  return bits.reduce((all, [flag, is]) => (is ? all | flag : all), getField(vcpu, "systemFlags") | 2n);
}

function setFlags(vcpu: VcpuInside, flags: bigint): void {
  const one = (n: bigint) => (flags >> n) & 1n;
  setField(vcpu, "zero", one(6n) ^ 1n);
  setField(vcpu, "sign", (one(7n) << 63n) | (one(2n) ^ 1n));
  setField(vcpu, "overflow", one(11n) << 63n);
  setField(vcpu, "carry", one(0n));
  setField(vcpu, "adjust", one(4n) << 4n);
  setField(vcpu, "systemFlags", (flags & ~arithmetic & 0x3f7fffn) | 2n);
}

function getSegment(vcpu: VcpuInside, number: number): X86Segment {
  const access = Number(getField(vcpu, "segmentAccess", number));
  const field = (shift: number, mask = 1) => (access >> shift) & mask;
  const present = field(7);
  return {
    base: getField(vcpu, "segmentBase", number),
    limit: Number(getField(vcpu, "segmentLimit", number)),
    selector: Number(getField(vcpu, "selector", number)),
    type: field(0, 15),
    s: field(4),
    dpl: field(5, 3),
    present,
    avl: field(12),
    l: field(13),
    db: field(14),
    g: field(15),
    unusable: present ^ 1,
  };
}

function setSegment(vcpu: VcpuInside, number: number, one: X86Segment): void {
  const present = one.unusable ? 0 : one.present;
  const access =
    one.type |
    (one.s << 4) |
    (one.dpl << 5) |
    (present << 7) |
    (one.avl << 12) |
    (one.l << 13) |
    (one.db << 14) |
    (one.g << 15);
  setField(vcpu, "selector", BigInt(one.selector), number);
  setField(vcpu, "segmentBase", one.base, number);
  setField(vcpu, "segmentLimit", BigInt(one.limit), number);
  setField(vcpu, "segmentAccess", BigInt(access), number);
}

function getSystemRegisters(vcpu: VcpuInside): X86SystemRegisters {
  return {
    ...(Object.fromEntries(segments.map((name, i) => [name, getSegment(vcpu, i)])) as Record<
      (typeof segments)[number],
      X86Segment
    >),
    tr: getSegment(vcpu, systemSegments.tr),
    ldt: getSegment(vcpu, systemSegments.ldt),
    gdt: { base: getField(vcpu, "gdtBase"), limit: Number(getField(vcpu, "gdtLimit")) },
    idt: { base: getField(vcpu, "idtBase"), limit: Number(getField(vcpu, "idtLimit")) },
    cr0: getField(vcpu, "control", 0),
    cr2: getField(vcpu, "control", 2),
    cr3: getField(vcpu, "control", 3),
    cr4: getField(vcpu, "control", 4),
    cr8: getField(vcpu, "taskPriority"),
    efer: getMsr(vcpu, "efer"),
    apic_base: getMsr(vcpu, "apicBase"),
  };
}

export function getSregs(vcpu: VcpuInside): X86Sregs {
  const waiting = Number(getField(vcpu, "interruptPending")) - 1;
  return {
    ...getSystemRegisters(vcpu),
    interrupt_bitmap: Array.from({ length: 4 }, (_, i) => (waiting >> 6 === i ? 1n << BigInt(waiting & 63) : 0n)),
  };
}

/** EINVAL: not all registers, or no numbers, or a mode that there is none of. */
export function setSregs(vcpu: VcpuInside, sregs: X86Sregs): void {
  takesSregs(sregs, "vcpu.setSregs", "sregs");
  if (sregs.interrupt_bitmap.length !== 4)
    throw new KvmError("EINVAL", "KVM_SET_SREGS: interrupt_bitmap has four words");
  setSystemRegisters(vcpu, "KVM_SET_SREGS", sregs);
  const word = sregs.interrupt_bitmap.findIndex((bits) => bits !== 0n);
  const bits = sregs.interrupt_bitmap[word] ?? 0n;
  const lowest = bits === 0n ? -1 : 64 * word + (bits & -bits).toString(2).length - 1;
  setField(vcpu, "interruptPending", BigInt(lowest + 1));
}

export function getSregs2(vcpu: VcpuInside): X86Sregs2 {
  const registers = getSystemRegisters(vcpu);
  const has = hasPointers(registers);
  const entry = (i: bigint) => (has ? entryAt(vcpu, pointersAt(registers) + 8n * i, 8) : 0n);
  return { ...registers, flags: has ? pointersValid : 0n, pdptrs: [0n, 1n, 2n, 3n].map(entry) };
}

/** EINVAL: as KVM_SET_SREGS, unknown flags, or page-directory pointers where there are none. */
export function setSregs2(vcpu: VcpuInside, sregs: X86Sregs2): void {
  takesSregs2(sregs, "vcpu.setSregs2", "sregs");
  const { flags, pdptrs } = sregs;
  const refuse = (what: string) => new KvmError("EINVAL", `KVM_SET_SREGS2: ${what}`);
  if (flags & ~pointersValid) throw refuse(`flags 0x${flags.toString(16)}`);
  if (pdptrs.length !== 4) throw refuse("pdptrs has four words");
  if (flags & pointersValid && !hasPointers(sregs)) throw refuse("pdptrs are there with PAE paging alone");
  setSystemRegisters(vcpu, "KVM_SET_SREGS2", sregs);
}

/** PAE paging, whose first table is four pointers. */
const hasPointers = ({ cr0, cr4, efer }: X86SystemRegisters): boolean =>
  (cr0 & Control0.paging) !== 0n &&
  (cr4 & BigInt(Control4.physicalAddress)) !== 0n &&
  !(efer & BigInt(Efer.longModeActive));
const pointersAt = ({ cr3 }: X86SystemRegisters): bigint => cr3 & 0xffff_ffe0n;
const pointersValid = BigInt(KVM_SREGS2_FLAGS_PDPTRS_VALID);

/** EINVAL: a mode that there is none of. `call` is for the sentence. */
function setSystemRegisters(vcpu: VcpuInside, call: string, sregs: X86SystemRegisters): void {
  requireMode(call, sregs);
  if (sregs.cr4 & BigInt(Control4.protectionKeys) && !hasFeature(vcpu, "pku"))
    throw new KvmError("EINVAL", `${call}: cr4.PKE is set, and CPUID says that there are no protection keys`);
  const before = getSystemRegisters(vcpu);
  // What RIP is stays, whatever becomes of the segment that it is in.
  const rip = instructionPointer(vcpu);
  for (const [i, name] of segments.entries()) setSegment(vcpu, i, sregs[name]);
  for (const name of ["ldt", "tr"] as const) setSegment(vcpu, systemSegments[name], sregs[name]);
  setField(vcpu, "cpl", BigInt(sregs.ss.dpl));
  setField(vcpu, "gdtBase", sregs.gdt.base);
  setField(vcpu, "gdtLimit", BigInt(sregs.gdt.limit));
  setField(vcpu, "idtBase", sregs.idt.base);
  setField(vcpu, "idtLimit", BigInt(sregs.idt.limit));
  setField(vcpu, "control", sregs.cr0 | BigInt(Control0.extension), 0);
  setField(vcpu, "control", sregs.cr2, 2);
  setField(vcpu, "control", sregs.cr3, 3);
  setField(vcpu, "control", sregs.cr4, 4);
  setField(vcpu, "taskPriority", sregs.cr8);
  setMsr(vcpu, "efer", sregs.efer);
  setApicBase(vcpu, sregs.apic_base);
  setInstructionPointer(vcpu, rip);
  // What translations and code were found by before may not be found now.
  const decide = ["cr0", "cr3", "cr4", "efer"] as const;
  if (decide.some((name) => before[name] !== sregs[name])) request(vcpu, Request.flushTlb);
  contextChanged(vcpu);
}

/** The bits of IA32_EFER that the processor has. */
export const knownEfer = BigInt(
  Efer.systemCall | Efer.longModeEnable | Efer.longModeActive | Efer.noExecute | vendor.inertEfer,
);

/** EINVAL: bits that the processor lacks, or a mode that there is none of. `call` is for the sentence. */
export function requireMode(
  call: string,
  { cr0, cr3, cr4, cr8, efer }: Pick<X86Sregs, "cr0" | "cr3" | "cr4" | "cr8" | "efer">,
): void {
  const refuse = (what: string): never => {
    throw new KvmError("EINVAL", `${call}: ${what}`);
  };
  const paging = (cr0 & Control0.paging) !== 0n;
  if (cr0 >> 32n) refuse("cr0 has 32 bits");
  if (paging && !(cr0 & BigInt(Control0.protection))) refuse("paging (cr0) is only there in protected mode");
  if (cr4 >> 23n || cr4 & (1n << 12n)) refuse(`cr4 0x${cr4.toString(16)} has bits that the processor lacks`);
  if (efer & ~knownEfer) refuse(`efer 0x${efer.toString(16)} has bits that the processor lacks`);
  const active = (efer & BigInt(Efer.longModeActive)) !== 0n;
  const enabled = (efer & BigInt(Efer.longModeEnable)) !== 0n;
  if (active !== (paging && enabled)) refuse("efer.LMA is set where there is paging and efer.LME, and only there");
  if (active && !(cr4 & BigInt(Control4.physicalAddress))) refuse("long mode wants cr4.PAE");
  if (cr3 >> 40n) refuse("cr3 has 40 bits of address");
  if (cr8 > 15n) refuse("cr8 has four bits");
}
