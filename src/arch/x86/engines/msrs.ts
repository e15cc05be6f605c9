/** The registers that RDMSR and WRMSR name and that a vCPU keeps as they are: their places in the state's `msrs`. */
export const msrPlaces = {
  efer: 0,
  star: 1,
  lstar: 2,
  cstar: 3,
  syscallMask: 4,
  kernelGsBase: 5,
  tscAux: 6,
  sysenterCs: 7,
  sysenterEsp: 8,
  sysenterEip: 9,
  pat: 10,
  apicBase: 11,
  miscEnable: 12,
  mtrrDefaultType: 13,
  /** Eleven fixed ranges, then eight pairs of variable ones. */
  mtrrFixed: 14,
  mtrrVariable: 25,
  microcode: 41,
} as const;
