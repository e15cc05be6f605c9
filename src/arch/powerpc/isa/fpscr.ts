/** FPSCR's bits. Source: Power ISA v3.0B, Book I "Floating-Point Status and Control Register". */
export const Fpscr = {
  /** Decimal rounding, in the high word. */
  DRN: 0x7_00000000n,
  FX: 0x80000000n,
  FEX: 0x40000000n,
  VX: 0x20000000n,
  OX: 0x10000000n,
  UX: 0x08000000n,
  ZX: 0x04000000n,
  XX: 0x02000000n,
  VXSNAN: 0x01000000n,
  VXISI: 0x00800000n,
  VXIDI: 0x00400000n,
  VXZDZ: 0x00200000n,
  VXIMZ: 0x00100000n,
  VXVC: 0x00080000n,
  FR: 0x00040000n,
  FI: 0x00020000n,
  FPRF: 0x0001f000n,
  FPCC: 0x0000f000n,
  VXSQRT: 0x00000200n,
  VXCVI: 0x00000100n,
  VE: 0x80n,
  OE: 0x40n,
  UE: 0x20n,
  ZE: 0x10n,
  XE: 0x08n,
  RN: 3n,
  /** VE OE UE ZE XE NI RN: zero when rounding is to nearest and nothing is enabled. */
  CONTROL: 0xffn,
  /** VE OE UE ZE XE. */
  ENABLES: 0xf8n,
  /** Every cause of VX. */
  VX_CAUSES: 0x01f80700n,
  /** FR FI and FPRF: the status bits that are not sticky. */
  NON_STICKY: 0x7f000n,
} as const;
