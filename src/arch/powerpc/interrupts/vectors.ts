/** Effective addresses of the interrupts' vectors. Source: Power ISA v3.0B, Book III "Interrupt Definitions". */
export const Vector = {
  systemReset: 0x100,
  machineCheck: 0x200,
  dataStorage: 0x300,
  dataSegment: 0x380,
  instructionStorage: 0x400,
  instructionSegment: 0x480,
  external: 0x500,
  alignment: 0x600,
  program: 0x700,
  floatUnavailable: 0x800,
  decrementer: 0x900,
  doorbell: 0xa00,
  systemCall: 0xc00,
  trace: 0xd00,
  vectorUnavailable: 0xf20,
  vsxUnavailable: 0xf40,
  facilityUnavailable: 0xf60,
  /** scv 0; the 127 others follow at intervals of 0x20. */
  systemCallVectored: 0x17000,
} as const;
