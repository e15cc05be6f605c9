/** Processors of AMD's. Source: AMD64 Architecture Programmer's Manual, volumes 2 and 3; Processor Programming References. */
import { Efer } from "../engines/registers.js";
import type { VendorMsr } from "../processor/vendor.js";

export const module = "kvm_amd";
export const title = "AMD";
export const name = "AuthenticAMD";
// Family 25 (Zen 4): none of what the kernel works around in older ones.
export const signature = 0xa10f11;
export const lastLeaf = 0xd;
export const lastExtended = 0x80000021;
export const brand = "unikvm virtual processor";
export const repeatsFeatures = true;
export const speculationControl = false;
export const inertEfer = Efer.automaticRestriction;
export const msrs: readonly VendorMsr[] = [
  // SYSCFG, HWCR, NB_CFG, the C1E message, LS_CFG, DE_CFG; where memory of the system's management and of PCI's is, and what a
  // nested guest's host keeps: nowhere; DC_CFG, BU_CFG2, EX_CFG.
  { number: 0xc0010010, value: 0n, takesWrites: true },
  { number: 0xc0010015, value: 0x1000000n, takesWrites: true },
  { number: 0xc001001f, value: 0n, takesWrites: true },
  { number: 0xc0010055, value: 0n, takesWrites: true },
  ...[0xc0010058, 0xc0010112, 0xc0010113].map((number) => ({ number, value: 0n, takesWrites: false })),
  ...[0xc0010117, 0xc0011022, 0xc001102a, 0xc001102c].map((number) => ({ number, value: 0n, takesWrites: true })),
  { number: 0xc0011020, value: 0n, takesWrites: true },
  { number: 0xc0011029, value: 2n, takesWrites: true, feature: true },
  // Counters of events and what they count: none, and who sets them up finds that they stand still, as under KVM without a PMU.
  ...[0xc0010000, 0xc0010200].flatMap((first) =>
    Array.from({ length: first === 0xc0010000 ? 8 : 12 }, (_, i) => ({
      number: first + i,
      value: 0n,
      takesWrites: true,
    })),
  ),
];
