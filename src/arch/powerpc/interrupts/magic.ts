/** Numbers by which guests and debuggers are known to mean KVM. */
export const Magic = {
  /** The instruction that KVM_REG_PPC_DEBUG_INST answers. */
  softwareBreakpoint: 0x00dddd00,
  /** "KVM!", KVM_SC_MAGIC_R0: r0 of one of KVM's own hypercalls, in 32 bits. Source: Documentation/virt/kvm/ppc-pv.rst. */
  pvR0: 0x4b564d21,
  /** r3 and r4 of an OSI call. Source: Documentation/virt/kvm/api.rst, "KVM_CAP_PPC_OSI". */
  osiR3: 0x113724fan,
  osiR4: 0x77810f9bn,
} as const;
