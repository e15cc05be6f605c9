/**
 * Processors by name, and what CPUID says of one among several. Source: Intel SDM, volume 2, "CPUID"; x86-64 psABI,
 * "Micro-Architecture Levels".
 */
import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX, type X86CpuidEntry } from "../../../arch/x86/uapi.js";
import { ChoiceError, VmmError } from "../../errors.js";

type Output = "eax" | "ebx" | "ecx";
interface Feature {
  readonly name: string;
  readonly leaf: number;
  readonly index: number;
  readonly output: Output;
  readonly bit: number;
}
const features = (leaf: number, output: Output, bits: Readonly<Record<string, number>>, index = 0): Feature[] =>
  Object.entries(bits).map(([name, bit]) => ({ name, leaf, index, output, bit }));
/** What is said of the state that XSAVE keeps: nothing of it without XSAVE. */
const stateLeaf = 0xd;

/** What each level adds: what programs of that level need, and what goes with it where it is there. */
const levels: readonly {
  readonly name: string;
  readonly needs: readonly Feature[];
  readonly more: readonly Feature[];
}[] = [
  { name: "x86-64-v1", needs: [], more: [] },
  {
    name: "x86-64-v2",
    needs: [
      ...features(1, "ecx", { sse3: 0, ssse3: 9, cx16: 13, "sse4.1": 19, "sse4.2": 20, popcnt: 23 }),
      ...features(0x80000001, "ecx", { lahf: 0 }),
    ],
    more: features(1, "ecx", { pclmulqdq: 1, aes: 25, rdrand: 30 }),
  },
  {
    name: "x86-64-v3",
    needs: [
      ...features(1, "ecx", { fma: 12, movbe: 22, xsave: 26, avx: 28, f16c: 29 }),
      ...features(7, "ebx", { bmi1: 3, avx2: 5, bmi2: 8 }),
      ...features(0x80000001, "ecx", { lzcnt: 5 }),
    ],
    more: [
      ...features(7, "ebx", { rdseed: 18, adx: 19, sha: 29 }),
      ...features(0x80000008, "ebx", { clzero: 0 }),
      ...features(7, "ecx", { pku: 3, gfni: 8, vaes: 9, vpclmulqdq: 10 }),
      ...features(stateLeaf, "eax", { xsaveopt: 0, xsavec: 1, xgetbv1: 2, xsaves: 3 }, 1),
    ],
  },
];

/** All that KVM offers. */
export const defaultCpuModel = "max";
export const cpuModelNames: readonly string[] = [defaultCpuModel, ...levels.map(({ name }) => name)];

/** Bits of CPUID 1's EBX: how many logical processors, and the number of this one. */
const countShift = 16;
const numberShift = 24;
/** CPUID 1, EDX: the count is one. */
const htt = 1 << 28;
const Level = { threads: 1, cores: 2 } as const;

/**
 * CPUID of a processor of this model. `supported`: KVM_GET_SUPPORTED_CPUID's. Throws VmmError: there is no such model, or KVM lacks
 * what it is to have; it says what.
 */
export function modelCpuid(supported: readonly X86CpuidEntry[], model: string): readonly X86CpuidEntry[] {
  if (model === defaultCpuModel) return supported;
  const at = levels.findIndex(({ name }) => name === model);
  if (at < 0) throw new ChoiceError(`machine pc has no CPU model "${model}"; it has ${cpuModelNames.join(", ")}`);
  const missing = levels
    .slice(0, at + 1)
    .flatMap(({ needs }) => needs)
    .filter(({ leaf, index, output, bit }) => {
      const entry = supported.find((one) => one.function === leaf && one.index === index);
      return entry === undefined || !((entry[output] >>> bit) & 1);
    });
  if (missing.length > 0) {
    throw new VmmError(`this kvm has no ${model}: it lacks ${missing.map(({ name }) => name).join(", ")}`);
  }
  const hidden = levels.slice(at + 1).flatMap(({ needs, more }) => [...needs, ...more]);
  const isHidden = hidden.some(({ name }) => name === "xsave");
  return supported.flatMap((entry) => {
    if (isHidden && entry.function === stateLeaf)
      return entry.index === 0 ? [{ ...entry, eax: 0, ebx: 0, ecx: 0, edx: 0 }] : [];
    const without = (output: Output): number =>
      hidden
        .filter((one) => one.leaf === entry.function && one.output === output && entry.index === one.index)
        .reduce((bits, { bit }) => bits & ~(1 << bit), entry[output]) >>> 0;
    return [{ ...entry, eax: without("eax"), ebx: without("ebx"), ecx: without("ecx") }];
  });
}

/** CPUID of processor `cpu` of `cpus`, each a core with one thread in one package. */
export function cpuidOf(model: readonly X86CpuidEntry[], cpu: number, cpus: number): X86CpuidEntry[] {
  const bits = Math.ceil(Math.log2(cpus));
  return model.flatMap((entry) => {
    if (entry.function === 1) {
      const ebx = ((entry.ebx & 0xff00) | (Math.min(cpus, 255) << countShift) | (cpu << numberShift)) >>> 0;
      return [{ ...entry, ebx, edx: (cpus > 1 ? entry.edx | htt : entry.edx) >>> 0 }];
    }
    if (entry.function !== 0xb) return [entry];
    const level = (index: number, kind: number, eax: number, ebx: number): X86CpuidEntry => ({
      ...{ function: 0xb, index, flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
      ...{ eax, ebx, ecx: (kind << 8) | index, edx: cpu },
    });
    if (entry.index !== 0) return [];
    return [level(0, Level.threads, 0, 1), level(1, Level.cores, bits, cpus), level(2, 0, 0, 0)];
  });
}
