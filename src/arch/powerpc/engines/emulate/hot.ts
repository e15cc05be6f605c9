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

/** Mnemonics in the order of their weight; every specialised form of a mnemonic stands with it. */
export const hot: readonly string[] = [
  "addi", "ld", "or", "bc", "std", "add", "cmpi", "rldicl", "rldicr", "ldx", "subf", "mulld", "cmpli", "cmpl", "addis",
  "bclr", "b", "bl", "lwz", "ori", "lbz", "rlwinm", "andi.", "stw", "rldimi", "mflr", "mtlr", "mtctr", "stdu",
  "extsw", "neg", "xor", "lhz", "stdx", "and", "stb", "cmp", "subfe", "subfc", "srd", "ldu", "lbzx", "lbzu", "nor", "rldic",
  "sth", "sld", "bcctr", "bcctrl", "lwzx", "slw", "addic.", "andc", "subf.", "stwx", "or.", "rlwimi", "ldbrx", "lwa", "xor.",
  "mullw", "xori", "oris", "rlwinm.", "mulli", "and.", "add.", "srw", "lwzu", "stbx", "adde", "addze", "srawi", "sradi",
  "extsb", "extsh", "mfocrf", "mtocrf", "cntlzd", "divdu", "isel", "andis.",
];
