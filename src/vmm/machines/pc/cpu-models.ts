/** Processors by name, and what CPUID says of one among several. Source: Intel SDM, volume 2, "CPUID"; x86-64 psABI, "Micro-Architecture Levels". */
import type { X86CpuidEntry } from "../../../arch/x86/uapi.js";
import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX } from "../../../arch/x86/uapi.js";

/** All that KVM offers. */
export const defaultCpuModel = "max";
export const cpuModelNames: readonly string[] = [defaultCpuModel];

/** Bits of CPUID 1's EBX: how many logical processors, and the number of this one. */
const countShift = 16;
const numberShift = 24;
/** CPUID 1, EDX: the count is one. */
const htt = 1 << 28;
const Level = { threads: 1, cores: 2 } as const;

/** CPUID of processor `cpu` of `cpus`, each a core with one thread in one package. `supported`: KVM_GET_SUPPORTED_CPUID's. */
export function cpuidOf(supported: readonly X86CpuidEntry[], cpu: number, cpus: number): X86CpuidEntry[] {
  const bits = Math.ceil(Math.log2(cpus));
  return supported.flatMap((entry) => {
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
