/**
 * Which handlers stand in the interpreter's core function, most frequent first, and which operands are worth a handler of
 * their own. Chosen from counts of a real boot (test/data); the core must stay below about 35 kB, where V8's better
 * register allocator stops (docs/decisions).
 */

/** Handlers with an operand fixed, so that its decisions are taken when the interpreter is built. */
export const specialised: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>> = {
  addi: [{ ra: 0 }],
  addis: [{ ra: 0 }],
  // Branch always; if true; if false; decrement and branch if not zero; each with its hints.
  bc: [{ bo: 12 }, { bo: 13 }, { bo: 14 }, { bo: 15 }, { bo: 4 }, { bo: 5 }, { bo: 6 }, { bo: 7 }, { bo: 16 }, { bo: 25 }, { bo: 24 }],
  bclr: [{ bo: 20 }, { bo: 12 }, { bo: 4 }],
  bcctr: [{ bo: 20 }],
  bcctrl: [{ bo: 20 }],
  rldicl: [{ sh: 0 }],
  ori: [{ rs: 0, ra: 0, ui: 0 }],
};

/**
 * The handlers that make up most of what runs, with their weight: the core tells these apart by comparisons, which the
 * processor predicts each by itself, before it turns to the jump table for the others. Weights are square roots of the share
 * in a boot, so that the arithmetic loops of one phase do not decide alone.
 */
export const frequent: Readonly<Record<string, number>> = {
  add: 32, subf: 29, mulld: 20, rldicl: 25, ldx: 22, subfe: 15, subfc: 15, addi: 21, "bc[bo=4]": 25, ld: 25, or: 22,
  extsw: 15, rldicr: 17, std: 22, cmpl: 14, stdx: 14, "bc[bo=16]": 16, "rldicl[sh=0]": 16, rldimi: 12, "bc[bo=12]": 18,
  cmpi: 14, "ori[rs=0,ra=0,ui=0]": 10, rlwinm: 10, "addi[ra=0]": 10, "bclr[bo=20]": 8, mflr: 8, bl: 8, lwz: 10, lbz: 9, stw: 8,
};

/** Mnemonics in the order of their weight; every specialised form of a mnemonic stands with it. */
export const hot: readonly string[] = [
  "addi", "ld", "or", "bc", "std", "add", "cmpi", "rldicl", "rldicr", "ldx", "subf", "mulld", "cmpli", "cmpl", "addis",
  "bclr", "b", "bl", "lwz", "ori", "lbz", "rlwinm", "andi.", "stw", "rldimi", "mflr", "mtlr", "mtctr", "stdu",
  "extsw", "neg", "xor", "lhz", "stdx", "and", "stb", "cmp", "subfe", "subfc", "srd", "ldu", "lbzx", "lbzu", "nor", "rldic",
  "sth", "sld", "bcctr", "bcctrl", "lwzx", "slw", "addic.", "andc", "subf.", "stwx", "or.", "rlwimi", "ldbrx", "lwa", "xor.",
  "mullw", "xori", "oris", "rlwinm.", "mulli", "and.", "add.", "srw", "lwzu", "stbx", "adde", "addze", "srawi", "sradi",
  "extsb", "extsh", "mfocrf", "mtocrf", "cntlzd", "divdu", "isel", "andis.",
];
