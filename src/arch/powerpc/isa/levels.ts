/**
 * Which version of the architecture brought an instruction. A processor of an earlier version does not have it: the word is
 * what it would be without, mostly an illegal instruction. GNU binutils judges the list (test/isa/levels.test.ts).
 * Source: Power ISA v3.0B and v3.1B, Appendix "Power ISA Instruction Set Sorted by Version".
 */
import type { InsnDefinition } from "./insn.js";

/** Versions that processors have: POWER8, POWER9, Power10. */
export const isaLevels = ["2.07", "3.0", "3.1"] as const;
export type IsaLevel = (typeof isaLevels)[number];

const names = (text: string): string[] => text.trim().split(/\s+/);

/** Declarations, by name without the suffixes of their flags, that v3.0 brought; all that v3.1 brought say so themselves. */
const broughtBy30: ReadonlySet<string> = new Set(
  names(`
    addex addpcis cmpeqb cmprb cnttzd cnttzw copy cpabort darn extswsli ldat lwat maddhd maddhdu maddld mcrxrx modsd modsw
    modud moduw msgsync paste. rfscv scv setb slbieg slbsync stdat stop stwat wait
    dtstsfi dtstsfiq mffsce mffscdrn mffscdrni mffscrn mffscrni mffsl
    bcdcfn. bcdcfsq. bcdcfz. bcdcpsgn. bcdctn. bcdctsq. bcdctz. bcds. bcdsetsgn. bcdsr. bcdtrunc. bcdus. bcdutrunc.
    vbpermd vclzlsbb vcmpneb vcmpneh vcmpnew vcmpnezb vcmpnezh vcmpnezw vctzb vctzd vctzh vctzlsbb vctzw vextractd vextractub
    vextractuh vextractuw vextsb2d vextsb2w vextsh2d vextsh2w vextsw2d vextublx vextubrx vextuhlx vextuhrx vextuwlx vextuwrx
    vabsdub vabsduh vabsduw vinsertb vinsertd vinserth vinsertw vmsumudm vmul10cuq vmul10ecuq vmul10euq vmul10uq vnegd vnegw
    vpermr vprtybd vprtybq vprtybw vrldmi vrldnm vrlwmi vrlwnm vslv vsrv
    lxsd lxsibzx lxsihzx lxssp lxv lxvb16x lxvh8x lxvl lxvll lxvwsx lxvx stxsd stxsibx stxsihx stxssp stxv stxvb16x stxvh8x
    stxvl stxvll stxvx mfvsrld mtvsrdd mtvsrws
    xsabsqp xsaddqp xscmpeqdp xscmpexpdp xscmpexpqp xscmpgedp xscmpgtdp xscmpoqp xscmpuqp xscpsgnqp xscvdphp xscvdpqp
    xscvhpdp xscvqpdp xscvqpsdz xscvqpswz xscvqpudz xscvqpuwz xscvsdqp xscvudqp xsdivqp xsiexpdp xsiexpqp xsmaddqp xsmaxcdp
    xsmaxjdp xsmincdp xsminjdp xsmsubqp xsmulqp xsnabsqp xsnegqp xsnmaddqp xsnmsubqp xsrqpi xsrqpix xsrqpxp xssqrtqp xssubqp
    xststdcdp xststdcqp xststdcsp xsxexpdp xsxexpqp xsxsigdp xsxsigqp xvcvhpsp xvcvsphp xviexpdp xviexpsp xvtstdcdp xvtstdcsp
    xvxexpdp xvxexpsp xvxsigdp xvxsigsp xxbrd xxbrh xxbrq xxbrw xxextractuw xxinsertw xxperm xxpermr xxspltib
  `),
);

/** The version that brought what is declared. What is older than v2.07 counts as its. */
export function levelOf({ name, options }: InsnDefinition): IsaLevel {
  return options.since ?? (broughtBy30.has(name) ? "3.0" : "2.07");
}

/** The same declarations, brought by this version. */
export const since = (level: "3.0" | "3.1", list: readonly InsnDefinition[]): InsnDefinition[] =>
  list.map((one) => ({ ...one, options: { ...one.options, since: level } }));

/** Whether a processor of this level has what is declared. */
export const has = (level: IsaLevel, definition: InsnDefinition): boolean =>
  isaLevels.indexOf(levelOf(definition)) <= isaLevels.indexOf(level);

/** Names of the list that nothing declares; for the test. */
export const unknownNames = (declared: ReadonlySet<string>): string[] =>
  [...broughtBy30].filter((name) => !declared.has(name));
