/** Which accesses to model-specific registers reach the user side. Source: Documentation/virt/kvm/api.rst. */

/** `msrReason`, and argument of KVM_CAP_X86_USER_SPACE_MSR: the register does not take it. */
export const KVM_MSR_EXIT_REASON_INVAL = 1;
/** `msrReason`, and argument of KVM_CAP_X86_USER_SPACE_MSR: the kernel side has no such register. */
export const KVM_MSR_EXIT_REASON_UNKNOWN = 2;
/** `msrReason`, and argument of KVM_CAP_X86_USER_SPACE_MSR: the filter has something against it. */
export const KVM_MSR_EXIT_REASON_FILTER = 4;

/** Flag of a range: it is about reads. */
export const KVM_MSR_FILTER_READ = 1;
/** Flag of a range: it is about writes. */
export const KVM_MSR_FILTER_WRITE = 2;
/** Flag of a filter: what no range has cannot be accessed. */
export const KVM_MSR_FILTER_DEFAULT_DENY = 1;
/** Most ranges of a filter. */
export const KVM_MSR_FILTER_MAX_RANGES = 16;

/** struct kvm_msr_filter_range. */
export interface X86MsrFilterRange {
  /** KVM_MSR_FILTER_READ, _WRITE. */
  readonly flags: number;
  /** The first register. */
  readonly base: number;
  /** How many; 0: the range counts for nothing. */
  readonly nmsrs: number;
  /** A bit for each, 1: it can be accessed. */
  readonly bitmap: Uint8Array;
}

/** struct kvm_msr_filter. */
export interface X86MsrFilter {
  /** KVM_MSR_FILTER_DEFAULT_DENY, or 0. */
  readonly flags?: number;
  /** The first that is about an access decides. */
  readonly ranges: readonly X86MsrFilterRange[];
}

/** Argument of KVM_CAP_X2APIC_API: identifiers of x2APICs have 32 bits in KVM_GET_LAPIC and in messages' addresses. */
export const KVM_X2APIC_API_USE_32BIT_IDS = 1;
/** Argument of KVM_CAP_X2APIC_API: 255 is no broadcast to x2APICs. */
export const KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK = 2;
/** Argument of KVM_CAP_X86_DISABLE_EXITS: HLT waits in run(), without interrupt controllers too. */
export const KVM_X86_DISABLE_EXITS_HLT = 2;
/** Argument of KVM_CAP_X86_DISABLE_EXITS: PAUSE causes no exit, which it never does. */
export const KVM_X86_DISABLE_EXITS_PAUSE = 4;
