/** Bits of the system's registers. Source: Intel SDM, volume 3, "System Architecture Overview"; AMD APM, volume 2. */

/** RFLAGS, of what is not an arithmetic flag. */
export const RFlags = {
  always: 0x2,
  trap: 0x100,
  interrupt: 0x200,
  direction: 0x400,
  ioPrivilege: 0x3000,
  nestedTask: 0x4000,
  resume: 0x10000,
  virtual8086: 0x20000,
  alignment: 0x40000,
  identification: 0x200000,
  /** All that are not arithmetic and that POPF and IRET can change at the highest privilege. */
  writable: 0x247700,
} as const;

export const Control0 = {
  protection: 0x1,
  monitor: 0x2,
  emulation: 0x4,
  taskSwitched: 0x8,
  extension: 0x10,
  numericError: 0x20,
  writeProtect: 0x10000,
  alignmentMask: 0x40000,
  notWriteThrough: 0x20000000,
  cacheDisable: 0x40000000,
  paging: 0x80000000n,
} as const;

export const Control4 = {
  virtual8086: 0x1,
  timeStampDisable: 0x4,
  debugging: 0x8,
  pageSize: 0x10,
  physicalAddress: 0x20,
  machineCheck: 0x40,
  global: 0x80,
  performance: 0x100,
  fxsr: 0x200,
  exceptions: 0x400,
  userInstructions: 0x800,
  fsgsbase: 0x10000,
  pcid: 0x20000,
  osxsave: 0x40000,
  smep: 0x100000,
  smap: 0x200000,
  protectionKeys: 0x400000,
} as const;

/** DR6: bits that are 1, bits that can be written; what has happened, beside bits 0 to 3: a match of DR0 to DR3. */
export const Debug6 = { fixed: 0xffff0ff0n, writable: 0xe00f, matched: 0xf, detected: 0x2000, step: 0x4000 } as const;

/** DR7: bits that are 1, bits that can be written; GD, access to debug registers is detected. */
export const Debug7 = { fixed: 0x400, writable: 0xffff2bffn, detects: 0x2000 } as const;

/** IA32_DEBUGCTL: LBR, which is taken and forgotten; BTF, a single step is a branch. */
export const DebugControl = { lastBranch: 1, branchStep: 2 } as const;

export const Efer = {
  systemCall: 0x1,
  longModeEnable: 0x100,
  longModeActive: 0x400,
  noExecute: 0x800,
  /** AMD's AUTOIBRS. */
  automaticRestriction: 0x20_0000,
} as const;
