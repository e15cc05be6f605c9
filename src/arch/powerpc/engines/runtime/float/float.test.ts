import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { state, stateSize } from "../../layout.js";
import {
  Bit,
  binary32,
  binary64,
  type Exact,
  exactOf,
  type Format,
  product,
  quotient,
  round,
  squareRoot,
  sum,
} from "./reference.test-support.js";

type Helper = (s: number, ...operands: (bigint | number)[]) => bigint;

/** The run-time library as built, with a vCPU's state at `s`. */
function library() {
  const module = new WebAssembly.Module(readFileSync(new URL("../../runtime.wasm", import.meta.url)));
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 });
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = { env: { memory } };
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    if (kind === "function") (imports[from] as Record<string, WebAssembly.ImportValue>)[name] = () => 0;
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  const s = 0x80000;
  assert.ok(s + stateSize < memory.buffer.byteLength);
  const view = new DataView(memory.buffer);
  return {
    s,
    helper: (name: string) => exports[name] as Helper,
    get fpscr() {
      return view.getBigUint64(s + state.fpscr.offset, true);
    },
    set fpscr(value: bigint) {
      view.setBigUint64(s + state.fpscr.offset, value, true);
    },
    takeOutcome: () => (exports["floatTakeOutcome"] as (s: number) => number)(s),
    set msr(value: bigint) {
      view.setBigUint64(s + state.msr.offset, value, true);
    },
  };
}

/** xorshift64*: the same operands on every run. */
function randomBits(seed: bigint): () => bigint {
  let x = seed;
  return () => {
    x ^= x >> 12n;
    x ^= (x << 25n) & 0xffffffffffffffffn;
    x ^= x >> 27n;
    return (x * 0x2545f4914f6cdd1dn) & 0xffffffffffffffffn;
  };
}

const next = randomBits(88172645463325252n);
const pick = <T>(list: readonly T[]): T => list[Number(next() % BigInt(list.length))] as T;

/** A finite double: anything, or near 1, or at an edge, or a single, or with few bits (so that ties happen). */
function operand(): bigint {
  const sign = next() & (1n << 63n);
  const fraction = next() & 0xfffffffffffffn;
  const few = (next() & 0xffn) << pick([44n, 40n, 20n, 0n]);
  const at = (exponent: bigint, f: bigint) => sign | (exponent << 52n) | f;
  switch (Number(next() % 9n)) {
    case 0:
      return at(next() % 0x7ffn, fraction);
    case 1:
      return at(1023n - 30n + (next() % 60n), fraction);
    case 2:
      return at(1023n - 3n + (next() % 6n), few & 0xfffffffffffffn);
    case 3:
      return at(0n, pick([0n, 1n, fraction, few]));
    case 4:
      return at(pick([1n, 2n, 54n, 1022n, 1023n, 2045n, 2046n]), pick([0n, 1n, 0xfffffffffffffn, fraction]));
    case 5:
      return at(1023n - 140n + (next() % 280n), fraction & ~0x1fffffffn);
    case 6:
      return at(pick([1023n - 127n, 1023n - 126n, 1023n - 125n, 1023n + 127n]), pick([0n, fraction, 0xfffffff000000n]));
    case 7:
      return at(1023n - 60n + (next() % 120n), few & 0xfffffffffffffn);
    default:
      return at(1023n + (next() % 4n), fraction & ~((1n << (next() % 52n)) - 1n));
  }
}

/** FPSCR as compilers have it, or with other modes, enables and sticky bits. */
function control(): bigint {
  if (next() % 3n === 0n) return next() % 2n === 0n ? 0n : Bit.XX | Bit.FX;
  let f = next() % 4n;
  for (const bit of [Bit.OE, Bit.UE, Bit.XE, Bit.XX, Bit.FR, Bit.FI]) if (next() % 4n === 0n) f |= bit;
  return f | ((next() % 32n) << 12n);
}

const scratch = new DataView(new ArrayBuffer(8));
function bitsOf(value: number): bigint {
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}
function single(bits: bigint): bigint {
  scratch.setBigUint64(0, bits);
  return bitsOf(Math.fround(scratch.getFloat64(0)));
}

const hex = (n: bigint) => `0x${n.toString(16).padStart(16, "0")}`;

interface Operation {
  readonly name: string;
  readonly operands: number;
  readonly exact: (operands: readonly Exact[], mode: bigint) => Exact | undefined;
}
const [x, y, z] = [0, 1, 2] as const;
const operations: readonly Operation[] = [
  { name: "Add", operands: 2, exact: (o, mode) => sum(o[x] as Exact, o[y] as Exact, mode) },
  {
    name: "Sub",
    operands: 2,
    exact: (o, mode) => sum(o[x] as Exact, { ...(o[y] as Exact), negative: !(o[y] as Exact).negative }, mode),
  },
  { name: "Mul", operands: 2, exact: (o) => product(o[x] as Exact, o[y] as Exact) },
  { name: "Div", operands: 2, exact: (o) => ((o[y] as Exact).n ? quotient(o[x] as Exact, o[y] as Exact) : undefined) },
  {
    name: "Sqrt",
    operands: 1,
    exact: (o) => ((o[x] as Exact).negative || !(o[x] as Exact).n ? undefined : squareRoot(o[x] as Exact)),
  },
  {
    name: "MulAdd",
    operands: 3,
    exact: (o, mode) => sum(product(o[x] as Exact, o[y] as Exact), o[z] as Exact, mode),
  },
];

const formats: readonly [string, Format][] = [
  ["float64", binary64],
  ["float32", binary32],
];
for (const [prefix, format] of formats) {
  for (const { name, operands, exact } of operations) {
    test(`${prefix}${name} rounds as exact arithmetic does, with FR, FI, FPRF and the exceptions`, () => {
      const wasm = library();
      const helper = wasm.helper(prefix + name);
      for (let i = 0; i < 20000; i++) {
        const bits = Array.from({ length: operands }, operand);
        // Sums that cancel, and products that land near their addend.
        if (name !== "Sqrt" && next() % 8n === 0n)
          bits[operands - 1] = ((bits[0] as bigint) ^ (1n << 63n)) + (next() % 3n);
        const fpscr = control();
        // With adjusted exponents a result is only defined for operands that are singles.
        if (format === binary32 && fpscr & (Bit.OE | Bit.UE)) bits.forEach((b, k) => void (bits[k] = single(b)));
        if (bits.some((b) => (b & infinity) === infinity)) continue;
        const expectedExact = exact(bits.map(exactOf), fpscr & 3n);
        if (!expectedExact) continue;
        const expected = round(expectedExact, format, fpscr);
        wasm.fpscr = fpscr;
        const extra = name === "MulAdd" ? [0] : [];
        const actual = BigInt.asUintN(64, helper(wasm.s, ...bits, ...extra));
        wasm.takeOutcome();
        const where = `${prefix}${name}(${bits.map(hex)}) with FPSCR ${hex(fpscr)}, case ${i}`;
        assert.equal(hex(actual), hex(expected.bits), where);
        assert.equal(hex(wasm.fpscr), hex(expected.fpscr), `${where}: FPSCR`);
      }
    });
  }
}

test("a multiply-add may subtract and be negated after rounding", () => {
  const wasm = library();
  const helper = wasm.helper("float64MulAdd");
  for (let i = 0; i < 20000; i++) {
    const bits = [operand(), operand(), operand()] as [bigint, bigint, bigint];
    const fpscr = next() % 4n;
    const kind = Number(next() % 4n);
    wasm.fpscr = fpscr;
    const actual = BigInt.asUintN(64, helper(wasm.s, ...bits, kind));
    wasm.fpscr = fpscr;
    const addend = kind & 1 ? bits[2] ^ (1n << 63n) : bits[2];
    const plain = BigInt.asUintN(64, helper(wasm.s, bits[0], bits[1], addend, 0));
    assert.equal(hex(actual), hex(kind & 2 ? plain ^ (1n << 63n) : plain), `kind ${kind} of ${bits.map(hex)}`);
  }
});

const quiet = 0x7ff8000000000001n;
const signaling = 0x7ff0000000000002n;
const infinity = 0x7ffn << 52n;
const one = 0x3ff0000000000000n;
const minus = 1n << 63n;
const FX = Bit.FX;
const VX = 1n << 29n;

test("invalid operations and divisions by zero have their causes, NaNs are chosen in the manual's order", () => {
  const wasm = library();
  const cases: [string, bigint[], bigint, bigint][] = [
    ["float64Add", [quiet, signaling], quiet, FX | VX | (1n << 24n)],
    ["float64Add", [signaling, quiet], 0x7ff8000000000002n, FX | VX | (1n << 24n)],
    ["float64Add", [infinity, infinity | minus], 0x7ff8000000000000n, FX | VX | (1n << 23n)],
    ["float64Sub", [infinity, infinity], 0x7ff8000000000000n, FX | VX | (1n << 23n)],
    ["float64Sub", [one, quiet], quiet, 0n],
    ["float64Mul", [infinity, 0n], 0x7ff8000000000000n, FX | VX | (1n << 20n)],
    ["float64Div", [infinity, infinity], 0x7ff8000000000000n, FX | VX | (1n << 22n)],
    ["float64Div", [0n, minus], 0x7ff8000000000000n, FX | VX | (1n << 21n)],
    ["float64Div", [one, minus], infinity | minus, FX | (1n << 26n)],
    ["float64Sqrt", [one | minus], 0x7ff8000000000000n, FX | VX | (1n << 9n)],
    ["float64MulAdd", [infinity, 0n, quiet, 0n], quiet, FX | VX | (1n << 20n)],
    ["float64MulAdd", [one, quiet + 1n, quiet, 0n], quiet, 0n],
    ["float64MulAdd", [infinity, one, infinity | minus, 0n], 0x7ff8000000000000n, FX | VX | (1n << 23n)],
  ];
  for (const [name, operands, result, status] of cases) {
    wasm.fpscr = 0n;
    const last = name === "float64MulAdd" ? [...operands.slice(0, 3), 0] : operands;
    assert.equal(
      hex(BigInt.asUintN(64, wasm.helper(name)(wasm.s, ...last))),
      hex(result),
      `${name} ${operands.map(hex)}`,
    );
    assert.equal(hex(wasm.fpscr & ~Bit.FPRF), hex(status), `${name} ${operands.map(hex)}: FPSCR`);
    assert.equal(wasm.takeOutcome(), 0);
  }
});

test("an enabled invalid operation keeps target and FPRF, and interrupts if MSR[FE0 FE1] say so", () => {
  const wasm = library();
  for (const [msr, outcome] of [
    [0n, 1],
    [0x900n, 3],
    [0x100n, 3],
  ] as const) {
    wasm.msr = msr;
    wasm.fpscr = 0x80n | (0x05n << 12n) | Bit.FR;
    wasm.helper("float64Add")(wasm.s, infinity, infinity | minus);
    assert.equal(hex(wasm.fpscr), hex(0x80n | (0x05n << 12n) | FX | Bit.FEX | VX | (1n << 23n)));
    assert.equal(wasm.takeOutcome(), outcome);
    assert.equal(wasm.takeOutcome(), 0);
  }
  // An inexact result is delivered, and the interrupt follows it.
  wasm.msr = 0x900n;
  wasm.fpscr = Bit.XE;
  wasm.helper("float64Div")(wasm.s, one, 0x4008000000000000n);
  assert.equal(wasm.takeOutcome(), 2);
});

test("conversions to integers saturate and round as asked", () => {
  const wasm = library();
  const helper = wasm.helper("float64ToInteger");
  const cases: [number, number, bigint, boolean][] = [
    [2.5, 0, 2n, false],
    [-2.5, 4, -2n, false],
    [2 ** 31, 0, 0x7fffffffn, true],
    [-(2 ** 31) - 0.5, 4, -(2n ** 31n), false],
    [-(2 ** 31) - 1, 4, -(2n ** 31n), true],
    [2 ** 63, 6, 2n ** 63n - 1n, true],
    [2 ** 63, 7, -(2n ** 63n), false],
    [-0.75, 7, 0n, false],
    [-1, 7, 0n, true],
    [Number.NaN, 6, -(2n ** 63n), true],
    [Number.NaN, 7, 0n, true],
    [4294967295.5, 1, 4294967295n, true],
    [4294967295.5, 5, 4294967295n, false],
    [Number.POSITIVE_INFINITY, 5, 4294967295n, true],
  ];
  for (const [value, kind, result, invalid] of cases) {
    wasm.fpscr = 0n;
    assert.equal(helper(wasm.s, bitsOf(value), kind), result, `${value} as kind ${kind}`);
    assert.equal((wasm.fpscr & (1n << 8n)) !== 0n, invalid, `${value} as kind ${kind}: VXCVI`);
  }
});

test("FPSCR's writes keep FEX and VX true to the bits they summarise", () => {
  const wasm = library();
  const write = wasm.helper("fpscrWrite");
  wasm.msr = 0n;
  wasm.fpscr = 0n;
  write(wasm.s, -1n, 0xffffffffn);
  assert.equal(hex(wasm.fpscr), hex(0xfffff7ffn));
  write(wasm.s, 0n, 0x01f80700n);
  assert.equal(wasm.fpscr & VX, 0n);
  assert.equal(wasm.fpscr & Bit.FEX, Bit.FEX);
  wasm.fpscr = 0n;
  wasm.helper("fpscrSetBit")(wasm.s, 6);
  assert.equal(hex(wasm.fpscr), hex(FX | Bit.XX));
  wasm.helper("fpscrClearField")(wasm.s, 0);
  assert.equal(hex(wasm.fpscr), hex(Bit.XX));
});
