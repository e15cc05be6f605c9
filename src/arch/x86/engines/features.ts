/** What of a processor decides whether something is an instruction. */
import type { Form } from "../isa/encoding.js";
import type { Feature } from "../isa/insn.js";

/** Features of processors that decide whether something is an instruction, by their bits in the state's `features`. */
export const features = [
  ...["adx", "aes", "avx", "avx2", "bmi1", "bmi2", "clflushopt", "clwb", "clzero", "cx16", "f16c", "fma", "fsgsbase"],
  ...["fxsr", "invpcid", "lzcnt", "mmx", "movbe", "pclmulqdq", "pku", "popcnt", "rdpid", "rdrand", "rdseed"],
  ...["rdtscp", "sha", "smap", "sse", "sse2", "sse3", "sse4.1", "sse4.2", "ssse3", "svm", "vmx", "wbnoinvd", "xsave"],
  ...["xsavec", "xsaveopt", "xsaves", "gfni", "vaes", "vpclmulqdq"],
] as readonly Feature[];

/** Whether a processor with these features, as the state has them, has no such instruction. */
export function lacks({ feature }: Form, has: bigint): boolean {
  return feature !== undefined && ((has >> BigInt(features.indexOf(feature))) & 1n) === 0n;
}
