/**
 * The extended mnemonics. Source: Power ISA v3.0B, Book I Appendix "Assembler Extended Mnemonics" and the mnemonics that
 * GNU binutils prints. Where several fit a word the disassembler takes the first.
 */
import { type Alias, accept, alias } from "./alias.js";

/** Condition names, whether CR bit `bit` of a field must be set, and that bit. `printed` is the name shown. */
const conditions = [
  { name: "lt", set: true, bit: 0, printed: true },
  { name: "gt", set: true, bit: 1, printed: true },
  { name: "eq", set: true, bit: 2, printed: true },
  { name: "so", set: true, bit: 3, printed: true },
  { name: "un", set: true, bit: 3, printed: false },
  { name: "ge", set: false, bit: 0, printed: true },
  { name: "nl", set: false, bit: 0, printed: false },
  { name: "le", set: false, bit: 1, printed: true },
  { name: "ng", set: false, bit: 1, printed: false },
  { name: "ne", set: false, bit: 2, printed: true },
  { name: "ns", set: false, bit: 3, printed: true },
  { name: "nu", set: false, bit: 3, printed: false },
] as const;

/** Where a conditional branch goes: mnemonic stem, its operand, the declared instruction, its suffixes. */
const destinations = [
  { stem: "", operand: "target", target: "bc", suffixes: ["", "l", "a", "la"] },
  { stem: "lr", operand: undefined, target: "bclr", suffixes: ["", "l"] },
  { stem: "ctr", operand: undefined, target: "bcctr", suffixes: ["", "l"] },
  { stem: "tar", operand: undefined, target: "bctar", suffixes: ["", "l"] },
] as const;

function branches(): Alias[] {
  const all: Alias[] = [];
  for (const { stem, operand, target, suffixes } of destinations) {
    const tail = operand ?? "0";
    for (const suffix of suffixes) {
      const list = (...operands: (string | undefined)[]) => operands.filter((o) => o !== undefined).join(", ");
      for (const { name, set, bit, printed } of conditions) {
        // BO without a hint, then with a = 1: t = 0 predicts not taken, t = 1 taken.
        const bo = set ? 12 : 4;
        for (const [hint, at] of [
          ["", 0],
          ["-", 2],
          ["+", 3],
        ] as const) {
          const mnemonic = `b${name}${stem}${suffix}${hint}`;
          const declare = printed ? alias : accept;
          all.push(
            ...declare(`${mnemonic} ${list(operand)}`, `${target}${suffix} ${bo + at}, ${bit}, ${tail}`),
            ...declare(`${mnemonic} ${list("bf", operand)}`, `${target}${suffix} ${bo + at}, 4*bf+${bit}, ${tail}`),
          );
        }
      }
      const conditional = [
        [
          "t",
          12,
          [
            ["", 0],
            ["-", 2],
            ["+", 3],
          ],
        ],
        [
          "f",
          4,
          [
            ["", 0],
            ["-", 2],
            ["+", 3],
          ],
        ],
        ["dnzt", 8, [["", 0]]],
        ["dnzf", 0, [["", 0]]],
        ["dzt", 10, [["", 0]]],
        ["dzf", 2, [["", 0]]],
      ] as const;
      for (const [name, bo, hints] of conditional) {
        if (target === "bcctr" && name.startsWith("d")) continue;
        // "bt" and "bf" are for the writer; every case of them has a name of its own above.
        for (const [hint, at] of hints) {
          all.push(
            ...(name.startsWith("d") ? alias : accept)(
              `b${name}${stem}${suffix}${hint} ${list("bi", operand)}`,
              `${target}${suffix} ${bo + at}, bi, ${tail}`,
            ),
          );
        }
      }
      if (target !== "bcctr") {
        for (const [name, bo] of [
          ["dnz", 16],
          ["dz", 18],
        ] as const) {
          for (const [hint, at] of [
            ["", 0],
            ["-", 8],
            ["+", 9],
          ] as const) {
            all.push(
              ...alias(`b${name}${stem}${suffix}${hint} ${list(operand)}`, `${target}${suffix} ${bo + at}, 0, ${tail}`),
            );
          }
        }
      }
      if (target !== "bc") all.push(...alias(`b${stem}${suffix}`, `${target}${suffix} 20, 0, 0`));
    }
  }
  return all;
}

function traps(): Alias[] {
  const orders = [
    ["lgt", 1],
    ["llt", 2],
    ["eq", 4],
    ["lge", 5],
    ["lle", 6],
    ["gt", 8],
    ["ge", 12],
    ["lt", 16],
    ["le", 20],
    ["ne", 24],
    ["u", 31],
  ] as const;
  const synonyms = [
    ["lnl", 5],
    ["lng", 6],
    ["nl", 12],
    ["ng", 20],
  ] as const;
  const all = alias("trap", "tw 31, 0, 0");
  for (const [names, declare] of [
    [orders, alias],
    [synonyms, accept],
  ] as const) {
    for (const [name, to] of names) {
      all.push(
        ...declare(`tw${name} ra, rb`, `tw ${to}, ra, rb`),
        ...declare(`tw${name}i ra, si`, `twi ${to}, ra, si`),
        ...declare(`td${name} ra, rb`, `td ${to}, ra, rb`),
        ...declare(`td${name}i ra, si`, `tdi ${to}, ra, si`),
      );
    }
  }
  return all;
}

/** Special purpose registers by number: names for mf and mt; those with one direction only stand apart. */
const sprNames =
  "1 xer, 3 udscr, 8 lr, 9 ctr, 13 uamr, 17 dscr, 18 dsisr, 19 dar, 22 dec, 25 sdr1, 26 srr0, 27 srr1, 28 cfar, " +
  "29 amr, 157 uamor, 256 vrsave, 336 hmer, 337 hmeer, 349 amor, 769 ummcr2, 770 ummcra, 771 upmc1, " +
  "772 upmc2, 773 upmc3, 774 upmc4, 775 upmc5, 776 upmc6, 779 ummcr0, 800 bescrs, 801 bescrsu, 802 bescrr, " +
  "803 bescrru, 804 ebbhr, 805 ebbrr, 806 bescr, 815 tar, 848 ic, 849 vtb, 896 ppr, 898 ppr32";
const sprReadOnly = "136 ctrl, 269 tbu, 287 pvr, 780 usiar, 781 usdar, 782 ummcr1";
const sprWriteOnly =
  "152 ctrl, 284 tbl, 285 tbu, 786 mmcra, 787 pmc1, 788 pmc2, 789 pmc3, 790 pmc4, 791 pmc5, 792 pmc6, 795 mmcr0, 798 mmcr1";
/** Names that binutils has no mnemonic for, or only under other processors; for the writer. */
const sprAccepted =
  "48 pid, 61 iamr, 152 ctrl, 153 fscr, 176 dpdes, 190 uamor, 272 sprg0, 273 sprg1, 274 sprg2, 275 sprg3, " +
  "308 spurr, 309 purr, 318 lpcr, 390 ptcr, 446 tir, 768 sier, 785 mmcr2, 786 mmcra, 787 pmc1, 788 pmc2, 789 pmc3, " +
  "790 pmc4, 791 pmc5, 792 pmc6, 795 mmcr0, 796 siar, 797 sdar, 798 mmcr1, 855 psscr, 895 wort, 1023 pir";

function sprs(): Alias[] {
  const all: Alias[] = [];
  const each = (list: string, to: (number: string, name: string) => Alias[]) => {
    for (const item of list.split(", ")) {
      const [number, name] = item.split(" ") as [string, string];
      all.push(...to(number, name));
    }
  };
  const from = (declare: typeof alias) => (number: string, name: string) =>
    declare(`mf${name} rt`, `mfspr rt, ${number}`);
  const to = (declare: typeof alias) => (number: string, name: string) =>
    declare(`mt${name} rs`, `mtspr ${number}, rs`);
  each(sprNames, from(alias));
  each(sprNames, to(alias));
  each(sprReadOnly, from(alias));
  each(sprWriteOnly, to(alias));
  each(sprAccepted, from(accept));
  each(sprAccepted, to(accept));
  for (let n = 0; n < 4; n++) {
    all.push(...alias(`mfsprg rt, ${n}`, `mfspr rt, ${272 + n}`), ...alias(`mtsprg ${n}, rs`, `mtspr ${272 + n}, rs`));
  }
  all.push(
    ...alias("mftb rt", "mftb rt, 268"),
    ...alias("mftbu rt", "mftb rt, 269"),
    ...alias("mftbl rt", "mftb rt, 268"),
  );
  return all;
}

/** Prefixed accesses by the name of their register. */
const prefixed: Readonly<Record<string, string>> = {
  rt: "plbz plhz plha plwz plwa pld",
  rs: "pstb psth pstw pstd",
  rtp: "plq",
  rsp: "pstq",
  frt: "plfs plfd",
  frs: "pstfs pstfd",
  vrt: "plxsd plxssp",
  vrs: "pstxsd pstxssp",
  xt: "plxv plxvp",
  xs: "pstxv pstxvp",
};

/** Off the instruction's own address no register is written. */
const relative = (): Alias[] =>
  Object.entries(prefixed).flatMap(([register, list]) =>
    list.split(" ").flatMap((name) => alias(`${name} ${register}, d`, `${name} ${register}, d(0), 1`)),
  );

const fixedPoint = (): Alias[] => [
  ...alias("pli rt, d", "paddi rt, 0, d, 0"),
  ...alias("pla rt, d", "paddi rt, 0, d, 1"),
  ...accept("pla rt, d(ra)", "paddi rt, ra, d, 0"),
  ...accept("psubi rt, ra, n", "paddi rt, ra, -n, 0"),
  ...alias("li rt, si", "addi rt, 0, si"),
  ...alias("lis rt, si", "addis rt, 0, si"),
  ...accept("cntlz[.] ra, rs", "cntlzw[.] ra, rs"), // as POWER called it
  ...accept("la rt, si(ra)", "addi rt, ra, si"),
  ...accept("subi rt, ra, n", "addi rt, ra, -n"),
  ...accept("subis rt, ra, n", "addis rt, ra, -n"),
  ...accept("subic[.] rt, ra, n", "addic[.] rt, ra, -n"),
  ...alias("lnia rt", "addpcis rt, 0"),
  ...accept("subpcis rt, n", "addpcis rt, -n"),
  ...accept("sub[o][.] rt, ra, rb", "subf[o][.] rt, rb, ra"),
  ...accept("subc[o][.] rt, ra, rb", "subfc[o][.] rt, rb, ra"),

  ...alias("cmpw ra, rb", "cmp 0, 0, ra, rb"),
  ...alias("cmpw bf, ra, rb", "cmp bf, 0, ra, rb"),
  ...alias("cmpd ra, rb", "cmp 0, 1, ra, rb"),
  ...alias("cmpd bf, ra, rb", "cmp bf, 1, ra, rb"),
  ...alias("cmplw ra, rb", "cmpl 0, 0, ra, rb"),
  ...alias("cmplw bf, ra, rb", "cmpl bf, 0, ra, rb"),
  ...alias("cmpld ra, rb", "cmpl 0, 1, ra, rb"),
  ...alias("cmpld bf, ra, rb", "cmpl bf, 1, ra, rb"),
  ...alias("cmpwi ra, si", "cmpi 0, 0, ra, si"),
  ...alias("cmpwi bf, ra, si", "cmpi bf, 0, ra, si"),
  ...alias("cmpdi ra, si", "cmpi 0, 1, ra, si"),
  ...alias("cmpdi bf, ra, si", "cmpi bf, 1, ra, si"),
  ...alias("cmplwi ra, ui", "cmpli 0, 0, ra, ui"),
  ...alias("cmplwi bf, ra, ui", "cmpli bf, 0, ra, ui"),
  ...alias("cmpldi ra, ui", "cmpli 0, 1, ra, ui"),
  ...alias("cmpldi bf, ra, ui", "cmpli bf, 1, ra, ui"),

  ...alias("nop", "ori 0, 0, 0"),
  ...alias("xnop", "xori 0, 0, 0"),
  ...alias("exser", "ori 31, 31, 0"),
  ...alias("mr[.] ra, rs", "or[.] ra, rs, rs"),
  ...alias("not[.] ra, rs", "nor[.] ra, rs, rs"),

  ...alias("rotldi[.] ra, rs, n", "rldicl[.] ra, rs, n, 0"),
  ...alias("clrldi[.] ra, rs, n", "rldicl[.] ra, rs, 0, n"),
  ...alias("srdi[.] ra, rs, n", "rldicl[.] ra, rs, 64-n, n"),
  ...accept("extrdi[.] ra, rs, n, b", "rldicl[.] ra, rs, (b+n)%64, 64-n"),
  ...alias("clrrdi[.] ra, rs, n", "rldicr[.] ra, rs, 0, 63-n"),
  ...alias("sldi[.] ra, rs, n", "rldicr[.] ra, rs, n, 63-n"),
  ...accept("extldi[.] ra, rs, n, b", "rldicr[.] ra, rs, b, n-1"),
  ...accept("rotrdi[.] ra, rs, n", "rldicl[.] ra, rs, (64-n)%64, 0"),
  ...accept("clrlsldi[.] ra, rs, b, n", "rldic[.] ra, rs, n, b-n"),
  ...accept("insrdi[.] ra, rs, n, b", "rldimi[.] ra, rs, 64-(b+n), b"),
  ...alias("rotld[.] ra, rs, rb", "rldcl[.] ra, rs, rb, 0"),
  ...alias("rotlwi[.] ra, rs, n", "rlwinm[.] ra, rs, n, 0, 31"),
  ...alias("clrlwi[.] ra, rs, n", "rlwinm[.] ra, rs, 0, n, 31"),
  ...alias("clrrwi[.] ra, rs, n", "rlwinm[.] ra, rs, 0, 0, 31-n"),
  ...alias("slwi[.] ra, rs, n", "rlwinm[.] ra, rs, n, 0, 31-n"),
  ...alias("srwi[.] ra, rs, n", "rlwinm[.] ra, rs, 32-n, n, 31"),
  ...accept("rotrwi[.] ra, rs, n", "rlwinm[.] ra, rs, (32-n)%32, 0, 31"),
  ...accept("extlwi[.] ra, rs, n, b", "rlwinm[.] ra, rs, b, 0, n-1"),
  ...accept("extrwi[.] ra, rs, n, b", "rlwinm[.] ra, rs, (b+n)%32, 32-n, 31"),
  ...accept("inslwi[.] ra, rs, n, b", "rlwimi[.] ra, rs, (32-b)%32, b, b+n-1"),
  ...accept("insrwi[.] ra, rs, n, b", "rlwimi[.] ra, rs, 32-(b+n), b, b+n-1"),
  ...accept("clrlslwi[.] ra, rs, b, n", "rlwinm[.] ra, rs, n, b-n, 31-n"),
  ...accept("lswi rt, ra, 32", "lswi rt, ra, 0"),
  ...accept("stswi rs, ra, 32", "stswi rs, ra, 0"),
  ...alias("rotlw[.] ra, rs, rb", "rlwnm[.] ra, rs, rb, 0, 31"),
];

const conditionRegister = (): Alias[] => [
  ...alias("crset bt", "creqv bt, bt, bt"),
  ...alias("crclr bt", "crxor bt, bt, bt"),
  ...alias("crmove bt, ba", "cror bt, ba, ba"),
  ...alias("crnot bt, ba", "crnor bt, ba, ba"),
  ...alias("mtcr rs", "mtcrf 255, rs"),
  ...alias("isellt rt, ra, rb", "isel rt, ra, rb, 0"),
  ...alias("iselgt rt, ra, rb", "isel rt, ra, rb, 1"),
  ...alias("iseleq rt, ra, rb", "isel rt, ra, rb, 2"),
];

const system = (): Alias[] => [
  ...alias("sc", "sc 0"),
  ...alias("lwsync", "sync 1"),
  ...alias("ptesync", "sync 2"),
  ...accept("msync", "sync 0"),
  ...accept("hwsync", "sync 0"),
  ...accept("mbar", "eieio"),
  ...alias("dcbfl ra, rb", "dcbf ra, rb, 1"),
  ...alias("dcbtt ra, rb", "dcbt ra, rb, 16"),
  ...alias("dcbtstt ra, rb", "dcbtst ra, rb, 16"),
  ...accept("dcbtct ra, rb, th", "dcbt ra, rb, th"),
  ...accept("dcbtds ra, rb, th", "dcbt ra, rb, th"),
  ...accept("dcbtstct ra, rb, th", "dcbtst ra, rb, th"),
  ...accept("dcbtstds ra, rb, th", "dcbtst ra, rb, th"),
  ...accept("cp_abort", "cpabort"),
  ...accept("dssall", "dss 0, 1"),
  ...accept("waitrsv", "wait 1"),
  ...alias("tlbie rb, rs", "tlbie rb, rs, 0, 0, 0"),
  ...accept("tlbie rb", "tlbie rb, 0, 0, 0, 0"),
  ...alias("tlbiel rb", "tlbiel rb, 0, 0, 0, 0"),
  ...accept("slbia", "slbia 0"),
  ...alias("rfebb", "rfebb 1"),
];

const vector = (): Alias[] => [
  ...alias("xxmr xt, xa", "xxlor xt, xa, xa"),
  ...alias("xxlnot xt, xa", "xxlnor xt, xa, xa"),
  ...alias("vmr vrt, vra", "vor vrt, vra, vra"),
  ...alias("vnot vrt, vra", "vnor vrt, vra, vra"),
  ...alias("xxspltd xt, xa, 0", "xxpermdi xt, xa, xa, 0"),
  ...alias("xxspltd xt, xa, 1", "xxpermdi xt, xa, xa, 3"),
  ...alias("xxswapd xt, xa", "xxpermdi xt, xa, xa, 2"),
  ...alias("xxmrghd xt, xa, xb", "xxpermdi xt, xa, xb, 0"),
  ...alias("xxmrgld xt, xa, xb", "xxpermdi xt, xa, xb, 3"),
  ...alias("xvmovdp xt, xa", "xvcpsgndp xt, xa, xa"),
  ...alias("xvmovsp xt, xa", "xvcpsgnsp xt, xa, xa"),
  ...alias("mffprd ra, frs", "mfvsrd ra, frs"),
  ...alias("mfvrd ra, vrs", "mfvsrd ra, vrs+32"),
  ...alias("mffprwz ra, frs", "mfvsrwz ra, frs"),
  ...alias("mfvrwz ra, vrs", "mfvsrwz ra, vrs+32"),
  ...alias("mtfprd frt, ra", "mtvsrd frt, ra"),
  ...alias("mtvrd vrt, ra", "mtvsrd vrt+32, ra"),
  ...alias("mtfprwa frt, ra", "mtvsrwa frt, ra"),
  ...alias("mtvrwa vrt, ra", "mtvsrwa vrt+32, ra"),
  ...alias("mtfprwz frt, ra", "mtvsrwz frt, ra"),
  ...alias("mtvrwz vrt, ra", "mtvsrwz vrt+32, ra"),
];

const float = (): Alias[] => [
  ...accept("mtfs[.] frb", "mtfsf[.] 255, frb"),
  ...alias("mtfsf[.] flm, frb", "mtfsf[.] flm, frb, 0, 0"),
];

/** Every extended mnemonic, in the order in which the disassembler tries them. */
export const aliases = (): Alias[] => [
  ...fixedPoint(),
  ...relative(),
  ...branches(),
  ...traps(),
  ...conditionRegister(),
  ...sprs(),
  ...system(),
  ...vector(),
  ...float(),
];
