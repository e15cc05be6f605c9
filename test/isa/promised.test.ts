/** What a processor announces is there, and what is left out is not announced: in problem state nothing promised is illegal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { type OmittedFacility, omitted } from "../../src/arch/powerpc/isa/omitted.js";
import { cpuModel, cpuModelNames } from "../../src/vmm/machines/pseries/cpu-models.js";
import { Random } from "../differential/random.js";
import { missing } from "../oracles/oracles.js";
import { objdump } from "./objdump.js";

/** Where a device tree announces a facility. Source: LoPAPR, "CPU Node Properties". */
const announcements: Readonly<
  Record<OmittedFacility | "decimal floating-point", { readonly paFeature: number; readonly property?: string }>
> = {
  "decimal floating-point": { paFeature: 54, property: "ibm,dfp" },
  "transactional memory": { paFeature: 22 },
};

/**
 * What Linux takes from the architecture level and the properties, with some instructions of each: HWCAP and HWCAP2 say so to
 * programs. Source: Linux, arch/powerpc/kernel/cputable.c and prom.c; uapi/asm/cputable.h.
 */
const promises: Readonly<Record<string, string>> = {
  HAS_FPU: "fadd fmadd fctid fcfid fsqrt",
  HAS_ALTIVEC: "vaddubm vperm lvx stvx mfvscr",
  HAS_DFP: "dadd daddq. dcmpo dctfixq drdpq dtstsfi dscliq diex. dquai drintn denbcd",
  HAS_VSX: "xxlor xvadddp xsmuldp lxvd2x stxvw4x",
  ARCH_2_05: "cmpb popcntb prtyd lfdp stfdpx fcpsgn lwarx dcbz",
  ARCH_2_06: "popcntd bpermd ldbrx lfiwzx fcfidu divde addg6s cdtbcd cbcdtd",
  ARCH_2_07: "bcdadd. bcdsub. vaddudm vadduqm vclzd vgbbd mtvsrd mfvsrwz lqarx stqcx. bctar fmrgew xsaddsp icbt",
  VEC_CRYPTO: "vcipher vncipherlast vshasigmaw vpmsumd vpermxor",
  ISEL: "isel",
  EBB: "rfebb mfbhrbe clrbhrb",
  ARCH_3_00:
    "bcdcfn. bcdctn. bcdcfz. bcdctz. bcdcfsq. bcdctsq. bcdcpsgn. bcdsetsgn. bcds. bcdus. bcdsr. bcdtrunc. bcdutrunc. " +
    "vmul10uq vmul10cuq vmul10euq vmul10ecuq addpcis cnttzd extswsli maddhd modsd setb cmprb cmpeqb lxvx stxvl copy paste. " +
    "lwat stdat mcrxrx mffsl wait vabsdub vextractub vinsertw vnegd vrlwmi xxbrq xxspltib xxinsertw",
  HAS_IEEE128: "xsaddqp xsmaddqp xscvqpdp xscmpuqp xsrqpxp",
  DARN: "darn",
  ARCH_3_1:
    "pld pstxvp paddi pnop plq xxspltiw xxsplti32dx xxblendvd xxpermx xxeval lxvp lxvkq lxvrbx brd cfuged pdepd setbc setnbcr " +
    "vdivsq vmodud vmulld vrlqmi vslq vcmpgtsq xscmpeqqp xsmaxcqp xscvqpsqz xscvuqqp dcffixqq dctfixqq xvcvspbf16 xvtlsbb " +
    "vstribl. vclrlb mtvsrbmi vexpandqm vcntmbb vextdubvlx vinsdrx vsldbi vgnb xxgenpcvbm vmsumcud vclzdm",
  MMA: "xvi4ger8 xvi8ger4spp xvi16ger2s xvf16ger2nn xvbf16ger2pp xvf32ger xvf64gernp xxmfacc xxmtacc xxsetaccz pmxvf64ger",
  SCV: "scv",
};

test("every instruction of what HWCAP and HWCAP2 promise is there", () => {
  const absent = Object.entries(promises).flatMap(([feature, mnemonics]) =>
    mnemonics
      .split(" ")
      .filter((name) => instructionSet().named(name).length === 0)
      .map((name) => `${name} of ${feature}`),
  );
  assert.deepEqual(absent, []);
});

for (const name of cpuModelNames) {
  test(`${name}: a facility is announced if its instructions are there, and not if they are omitted`, () => {
    const { properties } = cpuModel(name);
    // Two bytes of header, then the attributes.
    const features = properties["ibm,pa-features"] as Uint8Array;
    for (const [facility, { paFeature, property }] of Object.entries(announcements)) {
      const left = omitted.some((o) => o.facility === facility);
      // What POWER8 has is in fewer bytes.
      if (paFeature < (features[0] as number)) {
        assert.equal(((features[2 + paFeature] as number) & 0x80) === 0, left, `${facility} in ibm,pa-features`);
      }
      if (property) assert.equal(properties[property] === undefined, left, `${facility} in ${property}`);
    }
    // Decimal integers.
    if (features.length > 2 + 56) assert.equal(features[2 + 56], 0x80);
  });
}

/** Primary opcodes with more opcode bits at the word's end. */
const extended = [4, 19, 30, 31, 56, 57, 58, 59, 60, 61, 62, 63];

/** What binutils takes for POWER9's, and why a program on one cannot count on it. */
const notPromised: readonly (readonly [mnemonics: RegExp, why: string])[] = [
  [/^(rfi|mtsrd?(in)?|mtsle|tlbia|tlbl[di]|dcbi)$/, "of earlier architectures' operating systems"],
  [/^(urfid|msg(snd|clr)u|rmieg|slbiag)$/, "a hypervisor's or an ultravisor's"],
  [/^(eciwx|ecowx)$/, "external control left the architecture before v3.0"],
  [/^(icswx|pbt)\.?$/, "a coprocessor's, which no guest of ours has"],
  [/^d\w+q\.?$/, "decoded with even registers; an odd one begins no pair, and the form is invalid"],
  [/^addex$/, "decoded with CY = 0; the other values are reserved"],
];

/** What binutils takes for Power10's besides: forms whose registers or immediates are reserved. */
const reservedForms: readonly (readonly [mnemonics: RegExp, why: string])[] = [
  [/^(pm)?dmxvf64ger/, "four doubles begin in an even register; decoded so"],
  [/^p(lq|stq)$/, "a pair begins with an even register; decoded so"],
  [/^paste\.$/, "decoded with L = 1; L = 0 is reserved"],
  [/^(lxvkq|xxgenpcv[bhwd]m)$/, "decoded with the immediates that are defined"],
];

/** Prefixes of each form, with operands of 0 and with others. */
const prefixes = [
  0x04000000, 0x06000000, 0x04100000, 0x06100000, 0x05000000, 0x05001234, 0x07000000, 0x07900000, 0x0790ffff,
];

test("every word that objdump knows for POWER9 and Power10 is decoded, or stands in omitted.ts", {
  skip: missing("objdump"),
}, () => {
  const random = new Random(1);
  const words: number[] = [];
  const pairs: (readonly [number, number])[] = [];
  for (let primary = 0; primary < 64; primary++) {
    const low = extended.includes(primary) ? 2048 : 16;
    for (let xo = 0; xo < low; xo++) {
      for (const middle of [0, 0x001f_f800, random.u32(), random.u32()]) {
        words.push(((primary << 26) | (middle & 0x03ff_f800) | (low === 16 ? random.below(2048) : xo)) >>> 0);
      }
    }
  }
  for (const prefix of prefixes) {
    for (let primary = 0; primary < 64; primary++) {
      const low = extended.includes(primary) ? 2048 : 64;
      for (let xo = 0; xo < low; xo++)
        pairs.push([prefix, ((primary << 26) | (random.u32() & 0x03e0_f800) | xo) >>> 0]);
    }
  }
  const left = new Set(omitted.map((o) => o.mnemonic));
  const unknown = new Map<string, string>();
  const all = [...words.map((word) => [word] as const), ...pairs];
  const except = [...notPromised, ...reservedForms];
  for (const processor of ["power9", "power10"] as const) {
    objdump(all, true, processor).forEach((text, i) => {
      const mnemonic = text.split(" ")[0] as string;
      if (mnemonic === ".long" || left.has(mnemonic) || except.some(([mnemonics]) => mnemonics.test(mnemonic))) return;
      const [word = 0, suffix] = all[i] as readonly number[];
      if (instructionSet().decode(word, suffix)) return;
      unknown.set(mnemonic, `${(all[i] as readonly number[]).map((one) => one.toString(16)).join(" ")} ${text}`);
    });
  }
  assert.deepEqual([...unknown.values()], []);
});
