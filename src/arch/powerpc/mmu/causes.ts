/**
 * Why an access to storage is not possible, at the same place in DSISR (data) and SRR1 (fetch).
 * Source: Power ISA v3.0B, Book III "Data Storage Interrupt", "Instruction Storage Interrupt".
 */
export const Cause = {
  noTranslation: 0x40000000,
  /** Fetch only: no-execute or guarded storage. */
  noExecute: 0x10000000,
  protection: 0x08000000,
  /** Data only: a reservation on storage that cannot have one. */
  reservation: 0x04000000,
  store: 0x02000000,
  /** Data only: DAWR0 watches it. */
  watch: 0x00400000,
  /** Data only: a storage key forbids it. */
  key: 0x00200000,
  /** The tables themselves are malformed. */
  badConfiguration: 0x00080000,
} as const;

/** What else may come of a translation: no combination of these bits. */
export const Untranslated = {
  /** The address is in no quadrant of this process, or in no segment: a segment interrupt. */
  segment: 1,
  /** No interrupt is to be raised: the engine leaves. */
  exit: 2,
} as const;
