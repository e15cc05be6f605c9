/** Operands for decimal floating point: numbers of each format with edges in digits and exponents, and what else these instructions read. */
import type { Variant } from "../../src/arch/powerpc/isa/pattern.js";
import type { ExceptionContext } from "./exception.js";
import { integer, type Random, vector } from "./random.js";
import { offsets, type State } from "./record.js";

interface Format {
  readonly declets: number;
  /** Bits of the exponent behind the combination field. */
  readonly continuation: number;
  readonly bias: number;
}
const short: Format = { declets: 2, continuation: 6, bias: 101 };
const long: Format = { declets: 5, continuation: 8, bias: 398 };
const extended: Format = { declets: 11, continuation: 12, bias: 6176 };

/** 000, 999, 500, 050, 005, 001, 100, densely packed. */
const declets = [0, 0, 0xff, 0xff, 0x280, 0x50, 5, 1, 0x80];

function decimal(random: Random, { declets: count, continuation, bias }: Format): bigint {
  const bits = BigInt(10 * count + continuation + 6);
  const any = BigInt.asUintN(Number(bits), (random.u64() << 64n) | random.u64());
  if (random.chance(0.05)) return any;
  let trailing = 0n;
  const used = random.below(count + 1);
  const trailingZeros = random.chance(0.3) ? random.below(used + 1) : 0;
  for (let i = 0; i < used; i++) {
    const one = i < trailingZeros ? 0 : random.chance(0.4) ? random.below(1024) : random.pick(declets);
    trailing |= BigInt(one) << BigInt(10 * i);
  }
  const lead = random.chance(0.5) ? 0 : random.pick([1, 5, 9, random.below(10)]);
  const greatest = 3 * 2 ** continuation - 1;
  const exponent = random.chance(0.6)
    ? bias - 30 + random.below(50)
    : random.pick([
        0,
        1,
        random.below(40),
        greatest,
        greatest - 1,
        greatest - random.below(40),
        random.below(greatest),
      ]);
  const upper = exponent >> continuation;
  let combination = lead < 8 ? (upper << 3) | lead : 24 | (upper << 1) | (lead & 1);
  let rest = exponent & (2 ** continuation - 1);
  if (random.chance(0.1)) {
    combination = random.pick([30, 30, 31]);
    rest = random.pick([0, 2 ** (continuation - 1)]);
    if (combination === 30) {
      trailing = 0n;
      rest = 0;
    }
  }
  const sign = random.chance(0.4) ? 1 : 0;
  const top = (((sign << 5) | combination) << continuation) | rest;
  return (BigInt(top) << BigInt(10 * count)) | trailing;
}

/** Puts fitting operands into the registers that the fields name. */
export function drawDecimals(
  { definition: { name } }: Variant,
  fields: Record<string, number>,
  state: State,
  random: Random,
): void {
  const set = (register: number, value: bigint) => state.setVsr(register, [value, state.vsr(register)[1]]);
  const packed = /^denbcd/.test(name);
  const drn = BigInt(random.chance(0.5) ? 0 : random.below(8));
  state.set(offsets.fpscr, state.get(offsets.fpscr) | (drn << 32n));
  for (const field of ["frtp", "frap", "frbp"]) {
    const register = fields[field];
    if (register === undefined) continue;
    const [high, low] = vector(random, random.chance(0.5) ? "decimal" : "digits");
    const value = packed && field === "frbp" ? (high << 64n) | low : decimal(random, extended);
    set(register, value >> 64n);
    set(register + 1, BigInt.asUintN(64, value));
  }
  for (const field of ["frt", "fra", "frb"]) {
    const register = fields[field];
    if (register === undefined) continue;
    let value = decimal(random, long);
    if (/^dcffix/.test(name)) value = integer(random);
    else if (/^dctdp/.test(name)) value = (random.u64() << 32n) | decimal(random, short);
    else if (/^drrnd|^dtstsf/.test(name) && field === "fra") value = BigInt(random.below(40));
    else if (packed && field === "frb") value = vector(random, random.chance(0.5) ? "decimal" : "digits")[1];
    else if (/^diex/.test(name) && field === "fra") {
      value = random.pick([-1n, -2n, -3n, -4n, 767n, 768n, 12287n, 12288n, BigInt(random.below(1000)), random.u64()]);
    }
    set(register, BigInt.asUintN(64, value));
  }
}

/** Of a number's first doubleword, in the long or the extended format. */
export const isNaNDecimal = (high: bigint): boolean => ((high >> 58n) & 31n) === 31n;
export const isInfiniteDecimal = (high: bigint): boolean => ((high >> 58n) & 31n) === 30n;
export const isSpecialDecimal = (high: bigint): boolean => ((high >> 58n) & 30n) === 30n;

/** Whether the operand of denbcd or denbcdq is none. */
export function invalidDigits({ operand, mnemonic, initial }: ExceptionContext): boolean {
  const register = operand(/q/.test(mnemonic) ? "frbp" : "frb");
  const doublewords = (/q/.test(mnemonic) ? [register, register + 1] : [register]).map((n) => initial.vsr(n)[0]);
  const digits = doublewords.map((d) => d.toString(16).padStart(16, "0")).join("");
  return !(operand("s") ? /^\d*[a-f]$/ : /^\d*$/).test(digits);
}
