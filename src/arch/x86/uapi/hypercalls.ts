/** Hypercalls of x86 guests that the user side may answer. Source: Documentation/virt/kvm/x86/hypercalls.rst. */

/** Which kind some of the guest's memory is to be, as encrypted: its address, how many pages of 4 KiB, attributes. */
export const KVM_HC_MAP_GPA_RANGE = 12;
/** What KVM_CAP_EXIT_HYPERCALL takes. */
export const KVM_EXIT_HYPERCALL_VALID_MASK = 1 << KVM_HC_MAP_GPA_RANGE;
/** Of `flags` of the exit "hypercall": it was made in 64-bit mode. */
export const KVM_EXIT_HYPERCALL_LONG_MODE = 1;
