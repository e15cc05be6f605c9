/** What differs between the vendors' processors: what vmx/vendor.ts and svm/vendor.ts export. */

/** A register that is not the engine's: what it reads, and what becomes of a write. */
export interface VendorMsr {
  readonly number: number;
  readonly value: bigint;
  /** True: writes are lost; false: they are #GP. */
  readonly takesWrites: boolean;
  /** It says what the processor is: KVM_GET_MSR_FEATURE_INDEX_LIST. */
  readonly feature?: true;
}

export interface Vendor {
  /** The kvm module's name. */
  readonly module: string;
  readonly title: string;
  /** Twelve letters of CPUID. */
  readonly name: string;
  /** CPUID 1, EAX. */
  readonly signature: number;
  /** The highest leaves. */
  readonly lastLeaf: number;
  readonly lastExtended: number;
  /** Forty-eight letters at most. */
  readonly brand: string;
  /** EDX of leaf 0x80000001 repeats bits of leaf 1. */
  readonly repeatsFeatures: boolean;
  readonly msrs: readonly VendorMsr[];
  /** IA32_SPEC_CTRL and IA32_PRED_CMD are there. */
  readonly speculationControl: boolean;
  /** Bits of IA32_EFER that do nothing here, and that its systems set. */
  readonly inertEfer: number;
}
