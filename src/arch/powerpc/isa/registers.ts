/**
 * The registers of a vCPU as the instruction set sees them: names and widths, nothing of where they lie.
 *
 * General, vector-scalar and condition registers are files addressed by number (`Machine.gpr`, `.vsr`, `.crField`)
 * and are not listed here. Everything else is one named register, read with `Machine.get` and written with `.set`.
 * Source: Power ISA v3.0B, Book I "Computation Modes", Book III "Special Purpose Registers".
 */
export const registers = {
  // Branch processor.
  lr: "i64",
  ctr: "i64",
  cfar: "i64",
  tar: "i64",
  // XER, each bit apart because most instructions touch only one: 0 or 1.
  so: "i32",
  ov: "i32",
  ov32: "i32",
  ca: "i32",
  ca32: "i32",
  /** XER[57:63], the byte count of the string instructions, and the reserved bits that read back as written. */
  xerRest: "i64",
  // Floating point and vector status.
  fpscr: "i64",
  /**
   * Not the guest's: what the last floating-point helper asks of its instruction because of an enabled exception.
   * Bit 0: the target keeps its value; bit 1: a Floating-point enabled interrupt follows the result. Read and cleared by
   * the helper floatTakeOutcome; 0 between instructions.
   */
  floatOutcome: "i32",
  /**
   * Not the guest's: what FPSCR does not show yet, because nobody has looked (float-status.ts). Bits 0 to 7: the operation
   * whose FPRF, FR and FI it is to have, a `PendingFloat`, 0 none; its operands follow. Bits 8 to 11: FPCC of a comparison
   * after it, 0 none. Bits 16 to 19: a conversion of floatD to an integer after it, which keeps FPRF. 0 outside the engine.
   */
  floatPending: "i32",
  floatA: "f64",
  floatB: "f64",
  floatC: "f64",
  floatD: "f64",
  /** Not the guest's: the CR field that the last packed-decimal helper found beside its result. Dead between instructions. */
  packedCondition: "i32",
  /** VSCR[NJ], 0 or 1. */
  nj: "i32",
  /** VSCR[SAT], 0 or 1. */
  sat: "i32",
  vrsave: "i64",
  // Machine state and interrupts.
  msr: "i64",
  srr0: "i64",
  srr1: "i64",
  dar: "i64",
  dsisr: "i64",
  sprg0: "i64",
  sprg1: "i64",
  sprg2: "i64",
  sprg3: "i64",
  // Control of facilities.
  fscr: "i64",
  dscr: "i64",
  dscrUser: "i64",
  ctrl: "i64",
  ppr: "i64",
  lpcr: "i64",
  pcr: "i64",
  pvr: "i64",
  pir: "i64",
  tir: "i64",
  psscr: "i64",
  wort: "i64",
  /** Thread identification (TIDR). */
  tidr: "i64",
  /** Problem State Priority Boost. */
  pspb: "i64",
  // Storage protection and translation.
  amr: "i64",
  iamr: "i64",
  amor: "i64",
  uamor: "i64",
  pid: "i64",
  lpid: "i64",
  /** The process table as H_REGISTER_PROC_TBL set it: PRTS (partition-scoped) in the second doubleword's format. */
  processTable: "i64",
  // Debug.
  ciabr: "i64",
  dawr0: "i64",
  dawrx0: "i64",
  // Event-based branching and the performance monitor: storage only until an issue builds them.
  bescr: "i64",
  ebbhr: "i64",
  ebbrr: "i64",
  mmcr0: "i64",
  mmcr1: "i64",
  mmcr2: "i64",
  mmcr3: "i64",
  mmcra: "i64",
  siar: "i64",
  sdar: "i64",
  sier: "i64",
  sier2: "i64",
  sier3: "i64",
  pmc1: "i64",
  pmc2: "i64",
  pmc3: "i64",
  pmc4: "i64",
  pmc5: "i64",
  pmc6: "i64",
  // Time. The time base and the decrementer derive from the host's clock and are reached through helpers.
  /** These three less the time base. */
  spurr: "i64",
  purr: "i64",
  vtb: "i64",
  ic: "i64",
  // Transactional memory is absent; its registers are not.
  /** LPIDR-tagged hypervisor scratch that a guest may see through PAPR: SPRG for the vDSO. */
  sprgVdso: "i64",
} as const satisfies Record<string, "i32" | "i64" | "f64">;

/** The name of a single register. */
export type RegisterName = keyof typeof registers;
