/** The Machine State Register's bits. Source: Power ISA v3.0B, Book III "Machine State Register". */
export const Msr = {
  SF: 1n << 63n,
  HV: 1n << 60n,
  VEC: 1n << 25n,
  VSX: 1n << 23n,
  S: 1n << 22n,
  EE: 0x8000n,
  PR: 0x4000n,
  FP: 0x2000n,
  ME: 0x1000n,
  FE0: 0x800n,
  SE: 0x400n,
  BE: 0x200n,
  FE1: 0x100n,
  IR: 0x20n,
  DR: 0x10n,
  PMM: 4n,
  RI: 2n,
  LE: 1n,
} as const;

/** Facilities that MSR turns off, by number: their bits in the state's `facilities`, and what `raiseUnavailable` is told. */
export const Facility = { float: 0, vector: 1, vsx: 2 } as const;
