/**
 * Instructions of Power ISA v3.0B that this package does not have: they are illegal instructions to a guest. Mnemonics are
 * those of variants, with their suffixes. Tests read this list, so that nothing is missing without a reason.
 */
export interface OmittedInstruction {
  readonly mnemonic: string;
  /** What the processor then must not announce. */
  readonly facility: OmittedFacility;
  readonly reason: string;
}

export type OmittedFacility = "decimal floating-point" | "transactional memory";

function omit(facility: OmittedFacility, reason: string, mnemonics: string): OmittedInstruction[] {
  return mnemonics
    .trim()
    .split(/\s+/)
    .map((mnemonic) => ({ mnemonic, facility, reason }));
}

export const omitted: readonly OmittedInstruction[] = [
  ...omit(
    "decimal floating-point",
    "compilers emit it for _Decimal types only",
    `
    dadd dadd. daddq daddq. dcffix dcffix. dcffixq dcffixq. dcmpo dcmpoq dcmpu dcmpuq dctdp dctdp. dctfix dctfix.
    dctfixq dctfixq. dctqpq dctqpq. ddedpd ddedpd. ddedpdq ddedpdq. ddiv ddiv. ddivq ddivq. denbcd denbcd. denbcdq
    denbcdq. diex diex. diexq diexq. dmul dmul. dmulq dmulq. dqua dqua. dquai dquai. dquaiq dquaiq. dquaq dquaq.
    drdpq drdpq. drintn drintn. drintnq drintnq. drintx drintx. drintxq drintxq. drrnd drrnd. drrndq drrndq. drsp
    drsp. dscli dscli. dscliq dscliq. dscri dscri. dscriq dscriq. dsub dsub. dsubq dsubq. dtstdc dtstdcq dtstdg
    dtstdgq dtstex dtstexq dtstsf dtstsfi dtstsfiq dtstsfq dxex dxex. dxexq dxexq.
    `,
  ),
  ...omit(
    "transactional memory",
    "POWER9 as a guest sees it has none, the device tree does not announce it",
    `
    tabort. tabortdc. tabortdci. tabortwc. tabortwci. tbegin. tcheck tend. trechkpt. treclaim. tsr.
    `,
  ),
];
