/**
 * Instructions that are not declared: to a guest they are invalid opcodes. Mnemonics are objdump's, without what it makes of
 * an immediate (cmpeqps is cmpps). Tests read this list, so that nothing is missing without a reason; what a processor announces
 * must leave these features out. EVEX (0x62 in 64-bit mode) and XOP (0x8f with ModRM.reg not 0) are left out whole.
 */
export interface OmittedInstruction {
  readonly mnemonic: string;
  /** What CPUID then must not announce, or this package's name for it. */
  readonly feature: OmittedFeature;
  readonly reason: string;
}

export type OmittedFeature = "x87" | "sse4a" | "avx512" | "vmx" | "svm" | "cet" | "3dnow" | "padlock" | "other";

function omit(feature: OmittedFeature, reason: string, mnemonics: string): OmittedInstruction[] {
  return mnemonics
    .trim()
    .split(/\s+/)
    .map((mnemonic) => ({ mnemonic, feature, reason }));
}

export const omitted: readonly OmittedInstruction[] = [
  ...omit(
    "x87",
    "the 287's alone",
    `
    frstpm
    `,
  ),
  ...omit(
    "sse4a",
    "AMD's SSE4a, which no processor that is offered has",
    `
    extrq insertq movntsd movntss
    `,
  ),
  ...omit(
    "avx512",
    "AVX-512, which no processor that is offered has: what of it VEX encodes; EVEX is left out whole",
    `
    kaddb kaddd kaddq kaddw kandb kandd kandnb kandnd kandnq kandnw kandq kandw kmovb kmovd kmovq kmovw knotb knotd
    knotq knotw korb kord korq kortestb kortestd kortestq kortestw korw kshiftlb kshiftld kshiftlq kshiftlw kshiftrb
    kshiftrd kshiftrq kshiftrw ktestb ktestd ktestq ktestw kunpckbw kunpckdq kunpckwd kxnorb kxnord kxnorq kxnorw
    kxorb kxord kxorq kxorw
    `,
  ),
  ...omit(
    "other",
    "newer than any processor that is offered: AMX, AVX-VNNI, AVX-NE-CONVERT, CMPccXADD",
    `
    cmpbexadd cmpbxadd cmplexadd cmplxadd cmpnbexadd cmpnbxadd cmpnlexadd cmpnlxadd cmpnoxadd cmpnpxadd cmpnsxadd
    cmpnzxadd cmpoxadd cmppxadd cmpsxadd cmpzxadd ldtilecfg sttilecfg tdpbf16ps tdpbssd tdpbsud tdpbusd tdpbuud
    tdpfp16ps tileloadd tileloaddt1 tilestored tilezero vbcstnebf162ps vbcstnesh2ps vcvtneebf162ps vcvtneeph2ps
    vcvtneobf162ps vcvtneoph2ps vpdpbssd vpdpbssds vpdpbsud vpdpbsuds vpdpbuud vpdpbuuds
    {vex}
    `,
  ),
  ...omit(
    "other",
    "FMA4 and XOP, which AMD's processors have had no more since 2017",
    `
    vfmaddpd vfmaddps vfmaddsd vfmaddss vfmaddsubpd vfmaddsubps vfmsubaddpd vfmsubaddps vfmsubpd vfmsubps vfmsubsd
    vfmsubss vfnmaddpd vfnmaddps vfnmaddsd vfnmaddss vfnmsubpd vfnmsubps vfnmsubsd vfnmsubss vpermil2pd vpermil2ps
    `,
  ),
  ...omit(
    "vmx",
    "nested guests: not offered",
    `
    getsec invept invvpid vmclear vmfunc vmlaunch vmptrld vmptrst vmread vmresume vmwrite vmxoff vmxon
    `,
  ),
  ...omit(
    "svm",
    "nested guests: not offered",
    `
    clgi invlpga invlpgb skinit stgi tlbsync vmload vmrun vmsave
    `,
  ),
  ...omit(
    "cet",
    "shadow stacks: not offered",
    `
    clrssbsy incsspd incsspq rstorssp saveprevssp setssbsy wrssd wrssq wrussd wrussq
    `,
  ),
  ...omit(
    "3dnow",
    "AMD has left it out since 2010",
    `
    femms pavgusb pf2id pf2iw pfacc pfadd pfcmpeq pfcmpge pfcmpgt pfmax pfmin pfmul pfnacc pfpnacc pfrcp pfrcpit1
    pfrcpit2 pfrsqit1 pfrsqrt pfsub pfsubr pi2fd pi2fw pmulhrw pswapd
    `,
  ),
  ...omit(
    "padlock",
    "VIA's alone",
    `
    montmul xcrypt-cbc xcrypt-cfb xcrypt-ctr xcrypt-ecb xcrypt-ofb xsha1 xsha256 xstore xstore-rng
    `,
  ),
  ...omit(
    "other",
    "no processor that is offered has it: SGX, TSX, key locker, TDX, SEV-SNP, user interrupts, AMD's monitorx and others",
    `
    aadd aand aesdec128kl aesdecwide128kl aesdecwide256kl aesencwide256kl aesdec256kl aesenc128kl aesenc256kl
    aesencwide128kl aor axor clui encls enclu enclv encodekey128 encodekey256 enqcmd enqcmds loadiwkey mcommit
    monitorx movdir64b movdiri mwaitx pconfig psmash ptwrite pvalidate rdmsrlist rdpru rmpadjust rmpquery rmpupdate
    rsm seamcall seamops seamret senduipi serialize stui tdcall testui tpause uiret umonitor umwait wrmsrlist wrmsrns
    xabort xbegin xend xresldtrk xsusldtrk xtest
    `,
  ),
];
