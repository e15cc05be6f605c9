/**
 * Instructions of Power ISA v3.1B that this package does not have: they are illegal instructions to a guest. Mnemonics are
 * those of variants, with their suffixes. Tests read this list, so that nothing is missing without a reason.
 */
export interface OmittedInstruction {
  readonly mnemonic: string;
  /** What the processor then must not announce. */
  readonly facility: OmittedFacility;
  readonly reason: string;
}

export type OmittedFacility = "transactional memory";

function omit(facility: OmittedFacility, reason: string, mnemonics: string): OmittedInstruction[] {
  return mnemonics
    .trim()
    .split(/\s+/)
    .map((mnemonic) => ({ mnemonic, facility, reason }));
}

export const omitted: readonly OmittedInstruction[] = [
  ...omit(
    "transactional memory",
    "POWER9 as a guest sees it has none, the device tree does not announce it",
    `
    tabort. tabortdc. tabortdci. tabortwc. tabortwci. tbegin. tcheck tend. trechkpt. treclaim. tsr.
    `,
  ),
];
