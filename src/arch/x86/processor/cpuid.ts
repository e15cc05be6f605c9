/**
 * CPUID: the features that the engines have, a row each, what a vendor's processor says, and what of it decides which
 * instructions there are. Source: Intel SDM, volume 2, "CPUID"; AMD APM, volume 3, "Obtaining Processor Information".
 */
import { KvmError } from "../../../base/errors.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { areaSize, extendedComponents, StateComponent } from "../engines/extended-state.js";
import { features as engineFeatures } from "../engines/features.js";
import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX, KVM_MAX_CPUID_ENTRIES, type X86CpuidEntry } from "../uapi.js";
import * as vendor from "../vendor.js";
import { getField, getMsr, setField } from "./vcpu.js";

type Output = "eax" | "ebx" | "ecx" | "edx";

interface FeatureBit {
  readonly leaf: number;
  /** The subleaf. */
  readonly index: number;
  readonly output: Output;
  readonly bit: number;
  /** Its name among the engine's features (isa/insn.ts), if instructions hang on it. */
  readonly engine?: string;
}

const row = (
  leaf: number,
  output: Output,
  bits: Readonly<Record<number, string | undefined>>,
  index = 0,
): FeatureBit[] =>
  Object.entries(bits).map(([bit, engine]) => ({
    leaf,
    index,
    output,
    bit: Number(bit),
    ...(engine ? { engine } : {}),
  }));

/** What every vCPU may say. A number without a name: nothing is decoded by it. */
const offered: readonly FeatureBit[] = [
  // FPU, VME to PSE, TSC, MSR, PAE, MCE, CX8, APIC, SEP not, MTRR, PGE, MCA (without banks), CMOV, PAT, CLFSH, MMX, FXSR, SSE, SSE2.
  ...row(1, "edx", {
    0: undefined,
    3: undefined,
    4: undefined,
    5: undefined,
    6: undefined,
    7: undefined,
    8: undefined,
    9: undefined,
  }),
  ...row(1, "edx", { 12: undefined, 13: undefined, 14: undefined, 15: undefined, 16: undefined, 19: undefined }),
  ...row(1, "edx", { 23: "mmx", 24: "fxsr", 25: "sse", 26: "sse2" }),
  ...row(1, "ecx", { 0: "sse3", 1: "pclmulqdq", 9: "ssse3", 13: "cx16", 19: "sse4.1", 20: "sse4.2", 25: "aes" }),
  ...row(1, "ecx", { 12: "fma", 29: "f16c", 30: "rdrand" }),
  // PCID, x2APIC, MOVBE, POPCNT, TSC deadline, XSAVE, AVX, F16C, FMA, a hypervisor.
  ...row(1, "ecx", {
    17: undefined,
    21: undefined,
    22: "movbe",
    23: "popcnt",
    24: undefined,
    26: "xsave",
    28: "avx",
    31: undefined,
  }),
  // FSGSBASE, BMI1, SMEP, ERMS, INVPCID, SMAP.
  ...row(7, "ebx", { 0: "fsgsbase", 3: "bmi1", 7: undefined, 9: undefined, 10: "invpcid", 20: "smap" }),
  ...row(7, "ebx", { 5: "avx2", 8: "bmi2", 18: "rdseed", 19: "adx", 29: "sha" }),
  // UMIP, protection keys, GFNI, AES and carry-less products of 256 bits.
  ...row(7, "ecx", { 2: undefined, 3: "pku", 8: "gfni", 9: "vaes", 10: "vpclmulqdq" }),
  // SPEC_CTRL, ARCH_CAPABILITIES; BHI_CTRL: without it systems clear a history of branches that there is not, at each system call.
  ...(vendor.speculationControl
    ? [...row(7, "edx", { 26: undefined, 29: undefined }), ...row(7, "edx", { 4: undefined }, 2)]
    : []),
  // XSAVEOPT, XSAVEC, XGETBV of what is in use, XSAVES.
  ...row(0xd, "eax", { 0: "xsaveopt", 1: "xsavec", 2: undefined, 3: "xsaves" }, 1),
  ...row(0x80000001, "ecx", { 0: undefined, 5: "lzcnt" }),
  // SYSCALL, NX, 1 GiB pages, RDTSCP, long mode.
  ...row(0x80000001, "edx", { 11: undefined, 20: undefined, 26: undefined, 27: "rdtscp", 29: undefined }),
  // The time-stamp counter goes at one rate in every state.
  ...row(0x80000007, "edx", { 8: undefined }),
  ...(vendor.repeatsFeatures ? row(0x80000008, "ebx", { 0: "clzero", 26: undefined }) : []),
];

/** All that instructions can hang on, with features that are not offered. */
const deciding: readonly FeatureBit[] = [
  ...offered.filter(({ engine }) => engine !== undefined),
  ...row(1, "ecx", { 5: "vmx" }),
  ...row(7, "ebx", { 23: "clflushopt", 24: "clwb" }),
  ...row(7, "ecx", { 22: "rdpid" }),
  ...row(0x80000001, "ecx", { 2: "svm" }),
  ...row(0x80000008, "ebx", { 0: "clzero", 9: "wbnoinvd" }),
];

/** The components of the state that XCR0 may have: x87's, SSE's, and what comes with features. */
export function stateComponents(): number {
  const has = (name: string, bits: number) => (offeredFeatures.includes(name) ? bits : 0);
  return StateComponent.x87 | StateComponent.sse | has("avx", StateComponent.avx) | has("pku", StateComponent.keys);
}

/** The engine's features that vCPUs may have. */
export const offeredFeatures: readonly string[] = offered.flatMap(({ engine }) => (engine ? [engine] : []));

/** Of leaf 1's EDX, what AMD's processors say in 0x80000001's too. */
const repeated = 0x0183f3ff;
/**
 * CPUID 0x40000000: KVM's. Its features: both clocks, no delay of ports, steal time, ends of interrupts,
 * kicks, dropped translations, interrupts to several, yielding, a clock that is the same on all processors.
 */
const paravirtual = 0x40000000;
const paravirtualFeatures = [0, 1, 3, 5, 6, 7, 9, 11, 13, 24].reduce((bits, bit) => bits | (1 << bit), 0);
/** CPUID 0x80000008, EBX: XSaveErPtr. */
const keepsFloatPointers = 1 << 2;
/** Bits of physical and of linear addresses. */
const addressBits = 0x3028;

const letters = (text: string, from: number): number =>
  [0, 1, 2, 3].reduce((word, i) => word | ((text.charCodeAt(from + i) || 0) << (8 * i)), 0) >>> 0;

/** A list for who has room for so many. E2BIG: more. */
export function listFor<T>(call: string, list: T[], room: number | undefined): T[] {
  if (room !== undefined && list.length > room) {
    throw new KvmError("E2BIG", `${call}: room for ${room}, and there are ${list.length}`);
  }
  return list;
}

/** KVM_GET_SUPPORTED_CPUID. Entries that differ by vCPU (its number) are vCPU 0's. */
export function supportedCpuid(): X86CpuidEntry[] {
  const entries: X86CpuidEntry[] = [];
  const word = (leaf: number, output: Output, index = 0): number =>
    offered
      .filter((one) => one.leaf === leaf && one.index === index && one.output === output)
      .reduce((bits, { bit }) => bits | (1 << bit), 0) >>> 0;
  const add = (
    leaf: number,
    [eax = 0, ebx = 0, ecx = 0, edx = 0]: readonly number[],
    indexed = false,
    index = 0,
  ): void => {
    const flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    entries.push({ function: leaf >>> 0, index, flags, eax, ebx, ecx, edx });
  };
  const { name, brand } = vendor;
  add(0, [vendor.lastLeaf, letters(name, 0), letters(name, 8), letters(name, 4)]);
  // Lines of 64 bytes for CLFLUSH, one logical processor.
  add(1, [vendor.signature, 0x10800, word(1, "ecx"), word(1, "edx")]);
  add(4, [], true);
  // The APIC's timer goes on in every state.
  add(6, [4]);
  const lastOf7 = offered.reduce((last, { leaf, index }) => (leaf === 7 ? Math.max(last, index) : last), 0);
  add(7, [lastOf7, word(7, "ebx"), word(7, "ecx"), word(7, "edx")], true);
  for (let index = 1; index <= lastOf7; index++) add(7, [0, 0, 0, word(7, "edx", index)], true, index);
  add(0xb, [], true);
  // XCR0's components, how large an area is that has them all, and where each lies. None is only the supervisor's.
  const state = stateComponents();
  add(0xd, [state, areaSize(state, false), areaSize(state, false)], true);
  add(0xd, [word(0xd, "eax", 1), areaSize(state, true)], true, 1);
  for (const { bit, offset, size } of extendedComponents) if ((state >> bit) & 1) add(0xd, [size, offset], true, bit);
  add(paravirtual, [paravirtual + 1, letters("KVMK", 0), letters("VMKV", 0), letters("M\0\0\0", 0)]);
  add(paravirtual + 1, [paravirtualFeatures >>> 0]);
  add(0x80000000, [
    vendor.lastExtended,
    ...(vendor.repeatsFeatures ? [letters(name, 0), letters(name, 8), letters(name, 4)] : []),
  ]);
  const basic = vendor.repeatsFeatures ? word(1, "edx") & repeated : 0;
  add(0x80000001, [
    vendor.repeatsFeatures ? vendor.signature : 0,
    0,
    word(0x80000001, "ecx"),
    (word(0x80000001, "edx") | basic) >>> 0,
  ]);
  for (let i = 0; i < 3; i++)
    add(
      0x80000002 + i,
      [0, 4, 8, 12].map((at) => letters(brand, 16 * i + at)),
    );
  add(0x80000007, [0, 0, 0, word(0x80000007, "edx")]);
  // Images have the x87's last instruction whether an exception waits or not, which AMD's processors say.
  add(0x80000008, [addressBits, word(0x80000008, "ebx") | (vendor.repeatsFeatures ? keepsFloatPointers : 0)]);
  // A null selector clears the base; LFENCE serialises; automatic IBRS; SRSO_NO. Then TSA_SQ_NO and TSA_L1_NO.
  if (vendor.lastExtended >= 0x80000021) add(0x80000021, [(1 << 2) | (1 << 6) | (1 << 8) | (1 << 29), 0, 6]);
  return entries;
}

const words = ["function", "index", "flags", "eax", "ebx", "ecx", "edx"] as const;

export function getCpuid(vcpu: VcpuInside): X86CpuidEntry[] {
  return Array.from({ length: Number(getField(vcpu, "cpuidCount")) }, (_, i) => {
    const values = words.map((name, j) => [name, Number(getField(vcpu, "cpuid", words.length * i + j))] as const);
    return Object.fromEntries(values) as unknown as X86CpuidEntry;
  });
}

/** E2BIG: more than there is room for. */
export function setCpuid(vcpu: VcpuInside, entries: readonly X86CpuidEntry[]): void {
  if (entries.length > KVM_MAX_CPUID_ENTRIES) {
    throw new KvmError(
      "E2BIG",
      `KVM_SET_CPUID2: ${entries.length} entries, and there are ${KVM_MAX_CPUID_ENTRIES} at most`,
    );
  }
  for (const [i, entry] of entries.entries()) {
    for (const [j, name] of words.entries()) setField(vcpu, "cpuid", BigInt(entry[name]), words.length * i + j);
  }
  setField(vcpu, "cpuidCount", BigInt(entries.length));
  apicChanged(vcpu);
  setField(vcpu, "features", featuresOf(entries));
}

/** Whether a vCPU has one of the engine's features. */
export const hasFeature = (vcpu: VcpuInside, name: (typeof engineFeatures)[number]): boolean =>
  ((getField(vcpu, "features") >> BigInt(engineFeatures.indexOf(name))) & 1n) !== 0n;

/** CPUID 1, EDX, as a place in an entry's words; a processor whose local APIC is off says that it has none. */
const featureWord = words.indexOf("edx");
const hasApic = 1n << 9n;
const apicOn = 0x800n;

/** IA32_APIC_BASE, or CPUID, has changed. */
export function apicChanged(vcpu: VcpuInside): void {
  const at = getCpuid(vcpu).findIndex((entry) => entry.function === 1);
  if (at < 0) return;
  const place = words.length * at + featureWord;
  const without = getField(vcpu, "cpuid", place) & ~hasApic;
  setField(vcpu, "cpuid", getMsr(vcpu, "apicBase") & apicOn ? without | hasApic : without, place);
}

/** The engine's features that these entries say. What has no bit of its own is there. */
function featuresOf(entries: readonly X86CpuidEntry[]): bigint {
  const says = ({ leaf, index, output, bit }: FeatureBit) => {
    const entry = entries.find((one) => one.function === leaf && (one.index === index || one.flags === 0));
    return entry !== undefined && ((entry[output] >>> bit) & 1) !== 0;
  };
  return engineFeatures.reduce((bits, name, i) => {
    const row = deciding.find(({ engine }) => engine === name);
    return row && !says(row) ? bits : bits | (1n << BigInt(i));
  }, 0n);
}
