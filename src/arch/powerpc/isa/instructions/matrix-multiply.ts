/**
 * Matrix-Multiply Assist: outer products added to accumulators of four rows, with and without a prefix that masks them; all
 * of v3.1. An accumulator lies in the four VSRs that it is associated with, which the architecture allows: while it is in
 * use their contents are undefined.
 * Source: Power ISA v3.1B, Book I "VSX Matrix-Multiply Assist Instructions".
 */
import { type InsnDefinition, insn } from "../insn.js";
import { since } from "../levels.js";
import type { I32, Machine, V128 } from "../machine.js";
import { OuterProduct } from "../outer-product.js";
import { mmirrPrefix } from "../prefixed-forms.js";
import { bits } from "../vector-forms.js";

const vsx = { facility: "vsx" } as const;
const rows = 4;

interface Operands {
  readonly at: I32;
  readonly xa: I32;
  readonly xb: I32;
  readonly pmsk?: I32;
  readonly xmsk?: I32;
  readonly ymsk?: I32;
}

/** What a kind's prefix masks: bits of PMSK (0: none) and YMSK. */
interface Kind {
  readonly kind: number;
  readonly products: number;
  readonly columns: number;
}

const rowNumber = (m: Machine, at: I32, row: number): I32 => m.i32.add(m.i32.shl(at, m.i32.const(2)), m.i32.const(row));

/** The bits of a mask at their place in what the run-time library is told; without a mask, all. */
function masks(m: Machine, { products, columns }: Kind, { pmsk, xmsk, ymsk }: Operands): I32 {
  const { i32 } = m;
  const at = (mask: I32 | undefined, width: number, shift: number) =>
    i32.shl(mask ?? i32.const(2 ** width - 1), i32.const(shift));
  return i32.or(i32.or(at(pmsk, products, 8), at(xmsk, rows, 4)), at(ymsk, columns, 0));
}

function outerProduct(m: Machine, operation: number, kind: Kind, o: Operands): void {
  const { i32 } = m;
  // A factor among the accumulator's own registers makes the form invalid.
  for (const factor of [o.xa, o.xb]) {
    m.if(i32.eq(i32.shrU(factor, i32.const(2)), o.at), () => m.raise("illegal"));
  }
  const chosen = masks(m, kind, o);
  const wide = kind.kind === OuterProduct.float64;
  const results: V128[] = [];
  for (let row = 0; row < rows; row++) {
    // Four doubles are a pair of registers.
    const a = m.vsr(wide && row >= 2 ? i32.add(o.xa, i32.const(1)) : o.xa);
    const before = operation & OuterProduct.accumulate ? m.vsr(rowNumber(m, o.at, row)) : m.v128.const(0n);
    results.push(
      m.call("outerProductRow", before, a, m.vsr(o.xb), i32.const(operation | kind.kind), i32.const(row), chosen),
    );
  }
  results.forEach((result, row) => m.setVsr(rowNumber(m, o.at, row), result));
  // Results are those of disabled exceptions; an enabled one interrupts behind them.
  m.if(m.get("floatOutcome"), () => {
    const outcome = m.call("floatTakeOutcome");
    m.if(i32.and(outcome, i32.const(2)), () => m.raise("floatEnabled"));
  });
}

/** Both forms of one operation. */
function ger(name: string, xo: number, kind: Kind, operation = 0): InsnDefinition[] {
  const wide = kind.kind === OuterProduct.float64;
  const suffix = `111011 at:3 - - ${wide ? "xa:4@1 0" : "xa:5"} xb:5 ${bits(xo, 8)} xa:1@5 xb:1@5 -`;
  const pmsk = kind.products > 0 ? `pmsk:${kind.products} ` : "";
  const unused = (count: number) => (count > 0 ? `-:${count}` : "");
  const prefix = [
    mmirrPrefix,
    "-:4",
    pmsk,
    unused(8 - kind.products),
    "xmsk:4",
    `ymsk:${kind.columns}`,
    unused(4 - kind.columns),
  ].join(" ");
  const body = (m: Machine, o: Operands) => outerProduct(m, operation, kind, o);
  const operands = `at, xa, xb, xmsk, ymsk${pmsk && ", pmsk"}`;
  type Plain = "at:3 xa:5 xb:5";
  return [
    insn(name, suffix as Plain, "at, xa, xb", vsx, body),
    insn(`pm${name}`, `${prefix.replace(/\s+/g, " ")} | ${suffix}` as Plain, operands, vsx, body),
  ];
}

const { accumulate, saturate, subtract, negate } = OuterProduct;

const int4 = { kind: OuterProduct.int4, products: 8, columns: 4 };
const int8 = { kind: OuterProduct.int8, products: 4, columns: 4 };
const int16 = { kind: OuterProduct.int16, products: 2, columns: 4 };
const float16 = { kind: OuterProduct.float16, products: 2, columns: 4 };
const bfloat16 = { kind: OuterProduct.bfloat16, products: 2, columns: 4 };
const float32 = { kind: OuterProduct.float32, products: 0, columns: 4 };
const float64 = { kind: OuterProduct.float64, products: 0, columns: 2 };

/** The product alone, and what is done with the accumulator: both positive, or one or both negative. */
const floats = (name: string, xo: number, kind: Kind): InsnDefinition[] => [
  ...ger(name, xo, kind),
  ...ger(`${name}pp`, xo - 1, kind, accumulate),
  ...ger(`${name}np`, xo + 63, kind, accumulate | subtract | negate),
  ...ger(`${name}pn`, xo + 127, kind, accumulate | subtract),
  ...ger(`${name}nn`, xo + 191, kind, accumulate | negate),
];

/** Accumulators always are in their VSRs: nothing is to be moved. */
const move = (name: string, xo: string, body: (m: Machine, at: I32) => void) =>
  insn(name, `011111 at:3 - - ${xo} -:5 0010110001 -` as "at:3", "at", vsx, (m, o) => body(m, o.at));

export const matrixMultiplyInstructions = since("3.1", [
  ...ger("xvi4ger8", 35, int4),
  ...ger("xvi4ger8pp", 34, int4, accumulate),
  ...ger("xvi8ger4", 3, int8),
  ...ger("xvi8ger4pp", 2, int8, accumulate),
  ...ger("xvi8ger4spp", 99, int8, accumulate | saturate),
  ...ger("xvi16ger2", 75, int16),
  ...ger("xvi16ger2pp", 107, int16, accumulate),
  ...ger("xvi16ger2s", 43, int16, saturate),
  ...ger("xvi16ger2spp", 42, int16, accumulate | saturate),
  ...floats("xvf16ger2", 19, float16),
  ...floats("xvbf16ger2", 51, bfloat16),
  ...floats("xvf32ger", 27, float32),
  ...floats("xvf64ger", 59, float64),
  move("xxmfacc", "00000", () => {}),
  move("xxmtacc", "00001", () => {}),
  move("xxsetaccz", "00011", (m, at) => {
    for (let row = 0; row < rows; row++) m.setVsr(rowNumber(m, at, row), m.v128.const(0n));
  }),
]);
