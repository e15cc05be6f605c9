/** The x87's moves, arithmetic, comparisons and transcendental functions. */
import type { I32 } from "../../../../semantics/values.js";
import { flagBit } from "../flags.js";
import { type InsnDefinition, insn } from "../insn.js";
import type { Operand, X86Machine } from "../machine.js";
import { FloatFunction, FloatOperation, FloatPlace, FloatPlain } from "../x87-operation.js";

type Place = keyof typeof FloatPlace;
const code = (m: X86Machine, number: number): I32 => m.i32.const(number);
const memory = { single: "m32", double: "m64", extended: "m80", integer16: "m16", integer32: "m32", integer64: "m64" };

/** An instruction with one operand, which its body takes as where it is: an address, or a number of the stack. */
function one(
  name: string,
  opcode: string,
  place: Place,
  body: (m: X86Machine, where: { readonly place: I32; readonly at: ReturnType<Operand["address"]> }) => void,
  write = false,
): InsnDefinition {
  const type = place === "stack" ? "sti" : memory[place];
  return insn(name, [`${opcode}  on:${type}`] as const, {}, (m, o) => {
    const { on } = o as unknown as { on: Operand };
    const at = place === "stack" ? m.i64.extendU(on.number()) : on.address({ write });
    body(m, { place: code(m, FloatPlace[place]), at });
  });
}
const plain = (name: string, opcode: string, which: keyof typeof FloatPlain): InsnDefinition =>
  insn(name, [opcode], {}, (m) => m.call("floatPlain", code(m, FloatPlain[which])));
const constant = (name: string, opcode: string, significand: bigint, exponent: number, up: number): InsnDefinition =>
  insn(name, [opcode], {}, (m) => m.call("floatConstant", m.i64.const(significand), code(m, exponent), code(m, up)));

const transcendental = (name: string, opcode: string, which: keyof typeof FloatFunction): InsnDefinition =>
  insn(name, [opcode], {}, (m) => m.call("floatFunction", code(m, FloatFunction[which])));
/** The 8087's and the 287's own, which do nothing since (Intel SDM, volume 3, "Instruction Set Differences"). */
const formerly = (name: string, opcode: string): InsnDefinition =>
  insn(name, [opcode], {}, (m) => void m.call("floatThere"));

const load = (opcode: string, place: Place, name = "fld"): InsnDefinition =>
  one(name, opcode, place, (m, { place, at }) => m.call("floatLoad", place, at));
const store = (name: string, opcode: string, place: Place, pops: number, truncates = 0): InsnDefinition =>
  one(
    name,
    opcode,
    place,
    (m, { place, at }) => m.call("floatStore", place, at, code(m, truncates), code(m, pops)),
    true,
  );
const exchange = (name: string, opcode: string): InsnDefinition =>
  one(name, opcode, "stack", (m, { at }) => m.call("floatExchange", m.i32.wrap(at)));

const operations = [
  { name: "add", digit: 0, other: 0 },
  { name: "multiply", digit: 1, other: 1 },
  { name: "subtract", digit: 4, other: 5 },
  { name: "subtractReversed", digit: 5, other: 4 },
  { name: "divide", digit: 6, other: 7 },
  { name: "divideReversed", digit: 7, other: 6 },
] as const;
const mnemonics = {
  add: "add",
  multiply: "mul",
  subtract: "sub",
  subtractReversed: "subr",
  divide: "div",
  divideReversed: "divr",
} as const;

const arithmetic = operations.flatMap(({ name, digit, other }): InsnDefinition[] => {
  const called = mnemonics[name];
  const kind = FloatOperation[name];
  const from = (mnemonic: string, opcode: string, place: Place) =>
    one(mnemonic, opcode, place, (m, { place, at }) =>
      m.call("floatArithmetic", code(m, kind), place, at, code(m, 0), code(m, 0)),
    );
  const between = (mnemonic: string, encoding: string, to: number, pops: number) =>
    insn(mnemonic, [encoding], {}, (m, o) => {
      const { a, b } = o as unknown as { a: Operand; b: Operand };
      const at = m.i64.extendU((to ? a : b).number());
      m.call("floatArithmetic", code(m, kind), code(m, FloatPlace.stack), at, code(m, to), code(m, pops));
    });
  return [
    from(`f${called}`, `D8 /${digit}`, "single"),
    from(`f${called}`, `DC /${digit}`, "double"),
    from(`fi${called}`, `DA /${digit}`, "integer32"),
    from(`fi${called}`, `DE /${digit}`, "integer16"),
    between(`f${called}`, `D8 /${digit}  a:st, b:sti`, 0, 0),
    between(`f${called}`, `DC /${other}  a:sti, b:st`, 1, 0),
    between(`f${called}p`, `DE /${other}  a:sti, b:st`, 1, 1),
  ];
});

const compare = (name: string, opcode: string, place: Place, pops: number, quiet = 0): InsnDefinition =>
  one(name, opcode, place, (m, { place, at }) => m.call("floatCompare", place, at, code(m, quiet), code(m, pops)));
/** Of ST(1), which is not named. */
const compareBoth = (name: string, opcode: string, quiet: number): InsnDefinition =>
  insn(name, [opcode], {}, (m) =>
    m.call("floatCompare", code(m, FloatPlace.stack), m.i64.const(1), code(m, quiet), code(m, 2)),
  );
/** Comparisons that set ZF, PF and CF. */
const order = (name: string, encoding: string, quiet: number, pops: number): InsnDefinition =>
  insn(name, [`${encoding}  a:st, b:sti`] as const, {}, (m, o) => {
    const { b } = o as unknown as { b: Operand };
    const { i32, i64 } = m;
    const which = m.call("floatOrder", b.number(), code(m, quiet), code(m, pops));
    const none = i32.eq(which, i32.const(2));
    m.setFlags({
      zero: i64.extendU(i32.eqz(i32.or(i32.eqz(which), none))),
      sign: i64.extendU(i32.eqz(none)),
      overflow: i64.const(0),
      carry: i32.or(none, i32.ltS(which, i32.const(0))),
      adjust: i32.const(0),
    });
  });
const move = (name: string, encoding: string, so: (m: X86Machine) => I32): InsnDefinition =>
  insn(name, [`${encoding}  dst:st, src:sti`] as const, {}, (m, o) => {
    const { src } = o as unknown as { src: Operand };
    m.call("floatMove", so(m), src.number());
  });
const below = (m: X86Machine) => flagBit(m, "carry");
const equal = (m: X86Machine) => flagBit(m, "zero");
const belowOrEqual = (m: X86Machine) => m.i32.or(below(m), equal(m));
const unordered = (m: X86Machine) => flagBit(m, "parity");
const not = (so: (m: X86Machine) => I32) => (m: X86Machine) => m.i32.eqz(so(m));

export const x87Instructions: readonly InsnDefinition[] = [
  load("D9 /0", "single"),
  load("DD /0", "double"),
  load("DB /5", "extended"),
  load("D9 /0", "stack"),
  load("DF /0", "integer16", "fild"),
  load("DB /0", "integer32", "fild"),
  load("DF /5", "integer64", "fild"),
  store("fst", "D9 /2", "single", 0),
  store("fst", "DD /2", "double", 0),
  store("fst", "DD /2", "stack", 0),
  store("fstp", "D9 /3", "single", 1),
  store("fstp", "DD /3", "double", 1),
  store("fstp", "DB /7", "extended", 1),
  store("fstp", "DD /3", "stack", 1),
  store("fist", "DF /2", "integer16", 0),
  store("fist", "DB /2", "integer32", 0),
  store("fistp", "DF /3", "integer16", 1),
  store("fistp", "DB /3", "integer32", 1),
  store("fistp", "DF /7", "integer64", 1),
  store("fisttp", "DF /1", "integer16", 1, 1),
  store("fisttp", "DB /1", "integer32", 1, 1),
  store("fisttp", "DD /1", "integer64", 1, 1),
  ...arithmetic,
  compare("fcom", "D8 /2", "single", 0),
  compare("fcom", "DC /2", "double", 0),
  compare("fcom", "D8 /2", "stack", 0),
  compare("fcomp", "D8 /3", "single", 1),
  compare("fcomp", "DC /3", "double", 1),
  compare("fcomp", "D8 /3", "stack", 1),
  compare("ficom", "DE /2", "integer16", 0),
  compare("ficom", "DA /2", "integer32", 0),
  compare("ficomp", "DE /3", "integer16", 1),
  compare("ficomp", "DA /3", "integer32", 1),
  compare("fucom", "DD /4", "stack", 0, 1),
  compare("fucomp", "DD /5", "stack", 1, 1),
  // Other encodings of what is above, which no manual lists and every processor has (seen on an AMD; sandpile.org has their names).
  compare("fcom2", "DC /2", "stack", 0),
  compare("fcomp3", "DC /3", "stack", 1),
  compare("fcomp5", "DE /2", "stack", 1),
  exchange("fxch4", "DD /1"),
  exchange("fxch7", "DF /1"),
  store("fstp8", "DF /2", "stack", 1),
  store("fstp9", "DF /3", "stack", 1),
  // "No check for empty": there is nothing to store then, and nobody is told.
  store("fstpnce", "D9 /3", "stack", 2),
  compareBoth("fcompp", "DE D9", 0),
  compareBoth("fucompp", "DA E9", 1),
  order("fcomi", "DB /6", 0, 0),
  order("fucomi", "DB /5", 1, 0),
  order("fcomip", "DF /6", 0, 1),
  order("fucomip", "DF /5", 1, 1),
  move("fcmovb", "DA /0", below),
  move("fcmove", "DA /1", equal),
  move("fcmovbe", "DA /2", belowOrEqual),
  move("fcmovu", "DA /3", unordered),
  move("fcmovnb", "DB /0", not(below)),
  move("fcmovne", "DB /1", not(equal)),
  move("fcmovnbe", "DB /2", not(belowOrEqual)),
  move("fcmovnu", "DB /3", not(unordered)),
  exchange("fxch", "D9 /1"),
  one("ffree", "DD /0", "stack", (m, { at }) => m.call("floatFree", m.i32.wrap(at))),
  one("ffreep", "DF /0", "stack", (m, { at }) => m.call("floatFreePop", m.i32.wrap(at))),
  one("fbld", "DF /4", "extended", (m, { at }) => m.call("floatLoadDecimal", at)),
  one("fbstp", "DF /6", "extended", (m, { at }) => m.call("floatStoreDecimal", at), true),
  insn("fprem", ["D9 F8"], {}, (m) => m.call("floatRemainder", code(m, 0))),
  insn("fprem1", ["D9 F5"], {}, (m) => m.call("floatRemainder", code(m, 1))),
  insn("fscale", ["D9 FD"], {}, (m) => m.call("floatScale")),
  insn("fxtract", ["D9 F4"], {}, (m) => m.call("floatExtract")),
  transcendental("f2xm1", "D9 F0", "powerMinusOne"),
  transcendental("fyl2x", "D9 F1", "logarithm"),
  transcendental("fptan", "D9 F2", "tangent"),
  transcendental("fpatan", "D9 F3", "arctangent"),
  transcendental("fyl2xp1", "D9 F9", "logarithmPlusOne"),
  transcendental("fsincos", "D9 FB", "sineAndCosine"),
  transcendental("fsin", "D9 FE", "sine"),
  transcendental("fcos", "D9 FF", "cosine"),
  formerly("fneni", "DB E0"),
  formerly("fndisi", "DB E1"),
  formerly("fnsetpm", "DB E4"),
  plain("fnop", "D9 D0", "nothing"),
  plain("fchs", "D9 E0", "changeSign"),
  plain("fabs", "D9 E1", "absolute"),
  plain("ftst", "D9 E4", "test"),
  plain("fxam", "D9 E5", "examine"),
  plain("fdecstp", "D9 F6", "decrement"),
  plain("fincstp", "D9 F7", "increment"),
  plain("fsqrt", "D9 FA", "root"),
  plain("frndint", "D9 FC", "roundToInteger"),
  // Nearest; 1: up adds to the last bit, 2: down and toward zero take from it (Intel SDM, volume 2, FLD1).
  constant("fld1", "D9 E8", 0x8000000000000000n, 0x3fff, 0),
  constant("fldl2t", "D9 E9", 0xd49a784bcd1b8afen, 0x4000, 1),
  constant("fldl2e", "D9 EA", 0xb8aa3b295c17f0bcn, 0x3fff, 2),
  constant("fldpi", "D9 EB", 0xc90fdaa22168c235n, 0x4000, 2),
  constant("fldlg2", "D9 EC", 0x9a209a84fbcff799n, 0x3ffd, 2),
  constant("fldln2", "D9 ED", 0xb17217f7d1cf79acn, 0x3ffe, 2),
  constant("fldz", "D9 EE", 0n, 0, 0),
];
