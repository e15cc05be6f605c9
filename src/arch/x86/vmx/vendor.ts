/** Processors of Intel's. Source: Intel SDM, volume 2, "CPUID"; volume 4, "Model-Specific Registers". */
import type { VendorMsr } from "../processor/vendor.js";

/** IA32_ARCH_CAPABILITIES: no part of the processor guesses, so it is vulnerable to none of these. */
const capabilities = {
  RDCL_NO: 1n << 0n,
  IBRS_ALL: 1n << 1n,
  SKIP_L1DFL_VMENTRY: 1n << 3n,
  SSB_NO: 1n << 4n,
  MDS_NO: 1n << 5n,
  IF_PSCHANGE_MC_NO: 1n << 6n,
  TAA_NO: 1n << 8n,
  SBDR_SSDP_NO: 1n << 13n,
  FBSDP_NO: 1n << 14n,
  PSDP_NO: 1n << 15n,
  BHI_NO: 1n << 20n,
  PBRSB_NO: 1n << 24n,
  GDS_NO: 1n << 26n,
  RFDS_NO: 1n << 27n,
  ITS_NO: 1n << 62n,
} as const;

export const module = "kvm_intel";
export const title = "Intel";
export const name = "GenuineIntel";
// Family 6, model 60: one that has what the engines have, and no more that anybody takes for granted.
export const signature = 0x306c3;
export const lastLeaf = 0xd;
export const lastExtended = 0x80000008;
export const brand = "unikvm virtual processor";
export const repeatsFeatures = false;
export const speculationControl = true;
export const inertEfer = 0;
export const msrs: readonly VendorMsr[] = [
  { number: 0x34, value: 0n, takesWrites: false },
  { number: 0x3a, value: 1n, takesWrites: false },
  { number: 0xce, value: 0n, takesWrites: false },
  {
    number: 0x10a,
    value: Object.values(capabilities).reduce((all, one) => all | one, 0n),
    takesWrites: false,
    feature: true,
  },
  { number: 0x140, value: 0n, takesWrites: true },
];
