/**
 * Random sequences of floating point, scalars and vectors, in loops, with status read back in between: what engines do in line, and make of
 * FPSCR when somebody looks, is what the helpers make one operation after the other. These are the judge here; float.test.ts
 * judges them by integers of any size.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { state } from "../../src/arch/powerpc/engines/layout.js";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { engineAssets, engines } from "../differential/engines.js";
import { Machine } from "../differential/machine.js";
import { double, Random } from "../differential/random.js";
import { offsets, State } from "../differential/record.js";

const origin = 0x100000;
const window = 0x80000n;
const programs = 200;
const mask64 = (1n << 64n) - 1n;

/** FR FI FPRF. */
const nonSticky = 0x7f000n;

const bytes = new DataView(new ArrayBuffer(8));

/** A single as a double, and back; NaNs keep their bits. */
function widen(word: bigint): bigint {
  if ((word & 0x7f800000n) === 0x7f800000n) {
    return ((word & 0x80000000n) << 32n) | (0x7ffn << 52n) | ((word & 0x7fffffn) << 29n);
  }
  bytes.setUint32(0, Number(word));
  bytes.setFloat64(0, bytes.getFloat32(0));
  return bytes.getBigUint64(0);
}
function narrow(double: bigint): bigint {
  if (((double >> 52n) & 0x7ffn) === 0x7ffn) {
    return ((double >> 32n) & 0x80000000n) | 0x7f800000n | ((double >> 29n) & 0x7fffffn);
  }
  bytes.setBigUint64(0, double);
  bytes.setFloat32(0, bytes.getFloat64(0));
  return BigInt(bytes.getUint32(0));
}

type Routines = Record<string, (...parameters: (number | bigint)[]) => never>;

/** Floating point by the helpers, one operation at a time. */
class Model {
  readonly fpr: bigint[] = new Array(32).fill(0n);
  /** VSR 8 to 15, each two doublewords, the more significant first. */
  readonly vectors: [bigint, bigint][] = Array.from({ length: 8 }, () => [0n, 0n]);
  readonly cr: number[] = new Array(8).fill(0);
  readonly #s = 0x80000;
  readonly #view: DataView;
  readonly #exports: Routines;

  constructor() {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 });
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = { env: { memory } };
    const { runtime } = engineAssets();
    for (const { module: from, name, kind } of WebAssembly.Module.imports(runtime)) {
      imports[from] ??= {};
      if (kind === "function") (imports[from] as Record<string, WebAssembly.ImportValue>)[name] = () => 0;
    }
    this.#exports = new WebAssembly.Instance(runtime, imports).exports as unknown as Routines;
    this.#view = new DataView(memory.buffer);
  }

  get fpscr(): bigint {
    return this.#view.getBigUint64(this.#s + state.fpscr.offset, true);
  }
  set fpscr(value: bigint) {
    this.#view.setBigUint64(this.#s + state.fpscr.offset, value, true);
  }

  call<T = bigint>(name: string, ...operands: (number | bigint)[]): T {
    const routine = this.#exports[name];
    if (!routine) throw new Error(`the run-time library has no ${name}`);
    const signed = operands.map((x) => (typeof x === "bigint" ? BigInt.asIntN(64, x) : x));
    return routine(this.#s, ...signed) as T;
  }

  /** A vector operation of doubles or singles: each lane by the helper for scalars, but FPRF, FR and FI stay. */
  vector(single: boolean, name: string, t: number, operands: readonly number[], ...rest: number[]): void {
    const before = this.fpscr & nonSticky;
    const lane = (...values: bigint[]) => this.call(name, ...values, ...rest) & mask64;
    const of = (half: 0 | 1) => operands.map((n) => (this.vectors[n] as [bigint, bigint])[half]);
    const half = (values: bigint[]): bigint => {
      if (!single) return lane(...values);
      const [high, low] = [32n, 0n].map((shift) =>
        narrow(lane(...values.map((value) => widen((value >> shift) & 0xffffffffn)))),
      ) as [bigint, bigint];
      return (high << 32n) | low;
    };
    this.vectors[t] = [half(of(0)), half(of(1))];
    this.fpscr = (this.fpscr & ~nonSticky) | before;
  }

  set(register: number, value: bigint): void {
    this.fpr[register] = value & mask64;
  }
}

interface Step {
  readonly text: string;
  readonly apply: (m: Model) => void;
}

/** One instruction on registers below 8, in FPU or VSX form, and what the helper does for it; `kind` is the operands'. */
function step(random: Random, kind: number): Step {
  const [t, a, b, c] = [0, 1, 2, 3].map(() => random.below(8)) as [number, number, number, number];
  const vsx = random.chance(0.4);
  const single = random.chance(kind === 5 ? 0.9 : 0.4);
  const bits = single ? 32 : 64;
  const s = single ? "s" : "";
  const x = single ? "sp" : "dp";
  const one = (text: string, name: string, ...operands: ((m: Model) => bigint | number)[]): Step => ({
    text,
    apply: (m) => m.set(t, m.call(name, ...operands.map((get) => get(m)))),
  });
  const r = (n: number) => (m: Model) => m.fpr[n] as bigint;
  const k = (n: number) => () => n;
  const binary = (short: string, long: string) =>
    vsx
      ? one(`xs${short}${x} ${t},${a},${b}`, `float${bits}${long}`, r(a), r(b))
      : one(`f${short}${s} ${t},${a},${b}`, `float${bits}${long}`, r(a), r(b));
  if (random.chance(0.2)) return vectorStep(random);
  switch (kind === 5 && random.chance(0.5) ? 0 : kind === 3 && random.chance(0.5) ? 3 : random.below(14)) {
    case 0:
    case 1:
      return binary("add", "Add");
    case 2:
      return binary("sub", "Sub");
    case 3:
    case 4:
      return binary("mul", "Mul");
    case 5:
      return binary("div", "Div");
    case 6:
    case 7: {
      const which = random.below(4);
      const name = ["madd", "msub", "nmadd", "nmsub"][which] as string;
      const long = `float${bits}MulAdd`;
      if (!vsx) return one(`f${name}${s} ${t},${a},${c},${b}`, long, r(a), r(c), r(b), k(which));
      return random.chance(0.5)
        ? one(`xs${name}a${x} ${t},${a},${b}`, long, r(a), r(b), r(t), k(which))
        : one(`xs${name}m${x} ${t},${a},${b}`, long, r(a), r(t), r(b), k(which));
    }
    case 8:
      return vsx
        ? one(`xssqrt${x} ${t},${b}`, `float${bits}Sqrt`, r(b))
        : one(`fsqrt${s} ${t},${b}`, `float${bits}Sqrt`, r(b));
    case 9:
      return vsx ? one(`xsrsp ${t},${b}`, "float64ToSingle", r(b)) : one(`frsp ${t},${b}`, "float64ToSingle", r(b));
    case 10: {
      const unsigned = random.below(2);
      const how = unsigned | (single ? 2 : 0);
      const text = vsx ? `xscv${unsigned ? "u" : "s"}xd${x} ${t},${b}` : `fcfid${unsigned ? "u" : ""}${s} ${t},${b}`;
      return one(text, "float64FromInteger", r(b), k(how));
    }
    case 11: {
      const ordered = random.below(2);
      const bf = random.below(8);
      const name = vsx ? ["xscmpudp", "xscmpodp"] : ["fcmpu", "fcmpo"];
      return {
        text: `${name[ordered]} ${bf},${a},${b}`,
        apply: (m) => {
          m.cr[bf] = m.call<number>("float64Compare", r(a)(m), r(b)(m), ordered);
        },
      };
    }
    default:
      return look(random, t, b);
  }
}

/** One instruction on vectors, in VSR 8 to 15. */
function vectorStep(random: Random): Step {
  const [t, a, b] = [0, 1, 2].map(() => random.below(8)) as [number, number, number];
  const single = random.chance(0.5);
  const bits = single ? 32 : 64;
  const x = single ? "sp" : "dp";
  const registers = `${8 + t},${8 + a},${8 + b}`;
  const of = (short: string, long: string): Step => ({
    text: `xv${short}${x} ${registers}`,
    apply: (m) => m.vector(single, `float${bits}${long}`, t, [a, b]),
  });
  switch (random.below(7)) {
    case 0:
      return of("add", "Add");
    case 1:
      return of("sub", "Sub");
    case 2:
      return of("mul", "Mul");
    case 3:
      return of("div", "Div");
    case 4:
      return {
        text: `xvsqrt${x} ${8 + t},${8 + b}`,
        apply: (m) => m.vector(single, `float${bits}Sqrt`, t, [b]),
      };
    default: {
      const which = random.below(4);
      const name = ["madd", "msub", "nmadd", "nmsub"][which] as string;
      const m = random.chance(0.5);
      return {
        text: `xv${name}${m ? "m" : "a"}${x} ${registers}`,
        apply: (model) => model.vector(single, `float${bits}MulAdd`, t, m ? [a, t, b] : [a, b, t], which),
      };
    }
  }
}

/** Instructions that read FPSCR, change it, or use helpers in line operations do not know. */
function look(random: Random, t: number, b: number): Step {
  switch (random.below(10)) {
    case 0:
    case 1:
      return { text: `mffs ${t}`, apply: (m) => m.set(t, m.fpscr) };
    case 2: {
      const bf = random.below(8);
      const bfa = random.below(8);
      return {
        text: `mcrfs ${bf},${bfa}`,
        apply: (m) => {
          m.cr[bf] = Number((m.fpscr >> BigInt(28 - 4 * bfa)) & 15n);
          m.call("fpscrClearField", bfa);
        },
      };
    }
    case 3: {
      // Mostly round to nearest again.
      const rn = random.chance(0.7) ? 0 : random.below(4);
      return { text: `mtfsfi 7,${rn}`, apply: (m) => m.call("fpscrWrite", BigInt(rn), 15n) };
    }
    case 4:
      // FR, FI or a bit of FPRF as somebody likes them.
      return { text: `mtfsb1 ${13 + (b % 7)}`, apply: (m) => m.call("fpscrSetBit", 13 + (b % 7)) };
    case 5:
      return { text: "mtfsb0 6", apply: (m) => m.call("fpscrWrite", 0n, 0x02000000n) };
    case 6: {
      const kind = random.below(8);
      const name = `fcti${kind & 2 ? "d" : "w"}${kind & 1 ? "u" : ""}${kind & 4 ? "z" : ""}`;
      const convert = (m: Model) => BigInt.asUintN(64, m.call("float64ToInteger", m.fpr[b] as bigint, kind));
      if (!(kind & 4) || random.chance(0.5)) return { text: `${name} ${t},${b}`, apply: (m) => m.set(t, convert(m)) };
      const both = (value: bigint) => (value & 0xffffffffn) * 0x100000001n;
      return {
        text: `xscvdp${kind & 1 ? "u" : "s"}x${kind & 2 ? "d" : "w"}s ${t},${b}`,
        apply: (m) => m.set(t, kind & 2 ? convert(m) : both(convert(m))),
      };
    }
    case 7: {
      const [name, mode] = random.pick([
        ["frin", 4],
        ["friz", 1],
        ["frip", 2],
        ["frim", 3],
        ["xsrdpi", 4],
        ["xsrdpic", 5],
        ["xsrdpim", 3],
        ["xsrdpip", 2],
        ["xsrdpiz", 1],
      ] as const);
      return {
        text: `${name} ${t},${b}`,
        apply: (m) => m.set(t, m.call("float64Round", m.fpr[b] as bigint, mode)),
      };
    }
    case 8:
      // Keeps FPRF, FR and FI.
      return {
        text: `xsmaxdp ${t},${t},${b}`,
        apply: (m) => m.set(t, m.call("float64Extremum", m.fpr[t] as bigint, m.fpr[b] as bigint, 0)),
      };
    default:
      return { text: `fadd. ${t},${t},${b}`, apply: recorded(t, b) };
  }
}

const recorded = (t: number, b: number) => (m: Model) => {
  m.set(t, m.call("float64Add", m.fpr[t] as bigint, m.fpr[b] as bigint));
  m.cr[1] = Number((m.fpscr >> 28n) & 15n);
};

/** A program that runs a stretch of such instructions several times, with storage and calls in between; and its model. */
function program(random: Random, kind: number, littleEndian: boolean): { text: string; times: number; steps: Step[] } {
  const loops = random.chance(0.6);
  const lines = [`li 4,${loops ? 1 + random.below(6) : 1}`, "mtctr 4", "again:"];
  const times = Number((lines[0] as string).slice(5));
  const steps: Step[] = [];
  let calls = 0;
  for (let n = 1 + random.below(random.pick([4, 30])); n > 0; n--) {
    if (random.chance(0.15)) {
      const at = 8 * random.below(64);
      const [from, to] = [random.below(8), random.below(8)];
      if (random.chance(0.5)) {
        lines.push(`stfd ${from},${at}(30)`, `lfd ${to},${at}(30)`);
        steps.push({ text: "", apply: (m) => m.set(to, m.fpr[from] as bigint) });
      } else {
        // Either half read as a single.
        const high = random.chance(0.5);
        lines.push(`stfd ${from},${at}(30)`, `lfs ${to},${at + (high === littleEndian ? 4 : 0)}(30)`);
        steps.push({
          text: "",
          apply: (m) => m.set(to, widen(((m.fpr[from] as bigint) >> (high ? 32n : 0n)) & 0xffffffffn)),
        });
      }
      continue;
    }
    const one = step(random, kind);
    if (random.chance(0.1)) {
      // The operation in a function of its own, behind the end.
      lines.push(`bl leaf${calls}`);
      steps.push({ text: `leaf${calls++}: ${one.text}\nblr`, apply: one.apply });
      continue;
    }
    lines.push(one.text);
    steps.push(one);
  }
  lines.push("bdnz again", "b end", ...steps.filter(({ text }) => text.startsWith("leaf")).map(({ text }) => text));
  lines.push("end: nop");
  return { text: `${lines.join("\n")}\n`, times, steps };
}

const kinds = 6;
/** Exponents at the ends of the ranges of doubles and singles. */
const ends = [
  0, 1, 2, 3, 4, 53, 512, 0x380, 0x381, 0x382, 0x383, 0x47c, 0x47d, 0x47e, 0x47f, 0x5ff, 0x7fc, 0x7fd, 0x7fe,
];

/** A double of one kind: operations on one another are to reach what the kind is about. */
function operand(random: Random, kind: number): bigint {
  switch (kind) {
    case 0:
      return double(random);
    case 1:
      return bitsOf(random.below(64) - 32);
    case 2:
      return bitsOf((1 + random.below(1000)) / 7);
    case 3:
      // Products of 48 to 62 bits: exact and not.
      return bitsOf((random.below(2 ** 31) - 2 ** 30) * (random.chance(0.5) ? 1 : 2 ** -40));
    case 4:
      return (BigInt(random.pick(ends)) << 52n) | (random.chance(0.3) ? 0n : random.u64() & 0x800fffffffffffffn);
    default:
      // Midpoints of singles, and what lies below the last place of a double of theirs.
      return bitsOf(random.chance(0.5) ? 2 ** 24 + 1 + 2 * random.below(2 ** 23) : (random.below(7) - 3) * 2 ** -60);
  }
}

for (const [name, load] of Object.entries(engines)) {
  for (const littleEndian of [true, false]) {
    test(`status is what the helpers make of it: ${name}, ${littleEndian ? "little" : "big"}-endian`, () => {
      const seed = Number(process.env.UNIKVM_SEED ?? Date.now() % 2 ** 31);
      console.log(`seed ${seed} (UNIKVM_SEED repeats it)`);
      const random = new Random(seed);
      const machine = new Machine(load(), littleEndian);
      const model = new Model();
      for (let n = 0; n < programs; n++) {
        const kind = random.below(kinds);
        const { text, times, steps } = program(random, kind, littleEndian);
        const { bytes: code } = assemble(text, { littleEndian, origin: BigInt(origin) });
        const view = new DataView(code.slice().buffer);
        const words = Array.from({ length: code.length / 4 }, (_, i) => view.getUint32(4 * i, littleEndian));
        const initial = new State();
        // Nothing enabled; XX set, clear, or with leftovers.
        const fpscr = random.pick([0n, 0n, 0x82000000n, 0x82064000n, 0x02011000n, 1n]);
        initial.set(offsets.fpscr, fpscr);
        model.fpscr = fpscr;
        initial.set(offsets.gpr + 8 * 30, window);
        model.cr.fill(0);
        for (let r = 0; r < 8; r++) {
          const value = operand(random, kind);
          initial.setVsr(r, [value, 0n]);
          model.fpr[r] = value;
        }
        // Vectors of doubles, or of singles.
        const singles = random.chance(0.5);
        for (let r = 0; r < 8; r++) {
          const half = (): bigint => {
            if (!singles) return operand(random, kind);
            const [high, low] = [0, 1].map(() => narrow(operand(random, kind))) as [bigint, bigint];
            return (high << 32n) | low;
          };
          const value: [bigint, bigint] = [half(), half()];
          initial.setVsr(8 + r, value);
          model.vectors[r] = value;
        }
        for (let i = 0; i < times; i++) for (const { apply } of steps) apply(model);
        const one = { mnemonic: "float", address: origin, words, initial };
        machine.prepare([one]);
        const after = machine.run(one);
        const shown = `seed ${seed}, program ${n}, FPSCR ${fpscr.toString(16)}:\n${text}`;
        assert.equal(after.get(offsets.fpscr).toString(16), model.fpscr.toString(16), `FPSCR, ${shown}`);
        const cr = model.cr.reduce((all, field) => all * 16 + field, 0);
        assert.equal(after.get(offsets.cr).toString(16), cr.toString(16), `CR, ${shown}`);
        for (let r = 0; r < 8; r++) {
          const [high, low] = after.vsr(r);
          assert.equal(high.toString(16), (model.fpr[r] as bigint).toString(16), `f${r}, ${shown}`);
          assert.ok(low === 0n, `doubleword 1 of VSR ${r}, ${shown}`);
          assert.deepEqual(after.vsr(8 + r), model.vectors[r], `vs${8 + r}, ${shown}`);
        }
      }
    });
  }
}

function bitsOf(value: number): bigint {
  bytes.setFloat64(0, value);
  return bytes.getBigUint64(0);
}
