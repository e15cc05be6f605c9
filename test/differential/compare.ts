/** Compares two states after a case, register by register. */
import type { InstructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { fieldValue, type Variant } from "../../src/arch/powerpc/isa/pattern.js";
import { type Correction, type Exception, type ExceptionContext, estimates, type Masks } from "./exception.js";
import { corrected, exceptionsFor } from "./exceptions.js";
import { type Case, decoded, listing } from "./generate.js";
import { offsets, type State, windowSize } from "./record.js";

export interface Difference {
  readonly register: string;
  readonly expected: bigint;
  readonly actual: bigint;
}

const special = [
  ["cr", offsets.cr, 0xffff_ffffn],
  // SO, OV, CA, OV32, CA32 and the string count; the other bits are reserved.
  ["xer", offsets.xer, 0xe00c_007fn],
  ["lr", offsets.lr, (1n << 64n) - 1n],
  ["ctr", offsets.ctr, (1n << 64n) - 1n],
  ["fpscr", offsets.fpscr, 0xff_ffff_ffffn],
  ["vscr", offsets.vscr + 8, 0x1_0001n],
  ["signal", offsets.signal, 0xffn],
  ["trap at", offsets.trapAddress, (1n << 64n) - 1n],
] as const;

/** An exception as it is for one case: what it ignores, or what it puts in place of QEMU's answer. */
interface Applied {
  readonly exception: Exception;
  /** Ignored bits by register name; -1 for a whole register; "all": the whole case. */
  readonly masks: "all" | Masks;
  readonly corrections: readonly Correction[];
}

/** What is exempt for this case. */
function applied(one: Case, expected: State, set: InstructionSet): Applied[] {
  const list: Applied[] = [];
  for (const { variant, at, word, prefix } of decoded(one, set)) {
    for (const exception of exceptionsFor(variant)) {
      const { ignore } = exception;
      const context = contextOf(variant, at, [word, prefix], one, expected);
      const sequence = one.mnemonic === "sequence";
      const holds = exception.when && (!sequence || exception.enabledOnly) ? exception.when(context) : true;
      if (!holds) continue;
      let masks: Applied["masks"] = [];
      let corrections: readonly Correction[] = [];
      if (ignore === "all") masks = "all";
      else if (typeof ignore === "function") masks = ignore(context);
      else if ("fpscr" in ignore) masks = [["fpscr", ignore.fpscr]];
      else corrections = ignore.correct(context);
      list.push({ exception, masks, corrections });
    }
  }
  return list;
}

function contextOf(
  variant: Variant,
  at: bigint,
  words: readonly [word: number, prefix: number | undefined],
  one: Case,
  expected: State,
): ExceptionContext {
  return {
    mnemonic: variant.mnemonic,
    at,
    operandNames: Object.keys(variant.fields),
    initial: one.initial,
    expected,
    operand: (name) => {
      const field = variant.fields[name];
      if (!field) throw new Error(`exceptions.ts: ${variant.mnemonic} has no operand ${name}`);
      return fieldValue(field, ...words);
    },
  };
}

/** What came of a comparison. */
export interface Comparison {
  readonly found: readonly Difference[];
  /** Why QEMU was not the judge of what differs from its answer, or of the whole case. */
  readonly setAside: ReadonlySet<string>;
  /** Whether it was the judge of nothing. */
  readonly whole: boolean;
}

const none: Comparison = { found: [], setAside: new Set(), whole: false };

/**
 * The registers and bytes that differ, exceptions applied. `happened`: the instruction was completed; of one that was not,
 * there is no answer to correct.
 */
export function compare(one: Case, expected: State, actual: State, set: InstructionSet, happened = true): Comparison {
  if (equal(expected, actual) && !corrected(one.mnemonic)) return none;
  const rules = applied(one, expected, set).map((rule) => (happened ? rule : { ...rule, corrections: [] }));
  const whole = rules.filter(({ masks }) => masks === "all");
  if (whole.length > 0)
    return { found: [], setAside: new Set(whole.map(({ exception }) => exception.why)), whole: true };
  const found: Difference[] = [];
  const setAside = new Set<string>();
  const check = (register: string, offset: number, mask: bigint) => {
    let a = expected.get(offset) & mask;
    const b = actual.get(offset) & mask;
    for (const { exception, corrections } of rules) {
      const correction = corrections.find((c) => c.register === register && c.wrong === a && c.right !== a);
      if (!correction) continue;
      a = correction.right;
      setAside.add(exception.why);
    }
    let differing = a ^ b;
    // Linux gives a signal handler a cleared FPSCR.
    if (register === "fpscr" && expected.get(offsets.signal) !== 0n) differing = 0n;
    if (differing === 0n) return;
    let left = differing;
    for (const { exception, masks } of rules) {
      for (const [name, bits] of masks as Masks) {
        if (name !== register || (differing & bits) === 0n) continue;
        left &= ~bits;
        setAside.add(exception.why);
      }
    }
    if (left !== 0n) found.push({ register, expected: a, actual: b });
  };
  const all = (1n << 64n) - 1n;
  for (let n = 0; n < 32; n++) check(`r${n}`, offsets.gpr + 8 * n, all);
  const single = set.decode(one.words[0] as number)?.variant.mnemonic ?? "";
  const laneBits = one.words.length === 1 && estimates.test(single) ? (/^(v|xv.*sp)/.test(single) ? 32 : 64) : 0;
  for (let n = 0; n < 64; n++) {
    if (laneBits > 0 && closeEnough(expected.vsr(n), actual.vsr(n), laneBits)) continue;
    check(`vs${n}.0`, offsets.vsr + 16 * n, all);
    check(`vs${n}.1`, offsets.vsr + 16 * n + 8, all);
  }
  for (const [name, offset, mask] of special) check(name, offset, mask);
  for (let at = 0; at < windowSize; at += 8) check(`memory+${at}`, offsets.window + at, all);
  return { found, setAside, whole: false };
}

/** Whether every lane is the same, or both are numbers that an estimate may give: 1 part in 4096 apart. */
function closeEnough(a: readonly [bigint, bigint], b: readonly [bigint, bigint], bits: number): boolean {
  const view = new DataView(new ArrayBuffer(32));
  a.forEach((doubleword, i) => void view.setBigUint64(8 * i, doubleword));
  b.forEach((doubleword, i) => void view.setBigUint64(16 + 8 * i, doubleword));
  for (let at = 0; at < 16; at += bits / 8) {
    const [x, y] =
      bits === 64 ? [view.getFloat64(at), view.getFloat64(at + 16)] : [view.getFloat32(at), view.getFloat32(at + 16)];
    const same =
      bits === 64
        ? view.getBigUint64(at) === view.getBigUint64(at + 16)
        : view.getUint32(at) === view.getUint32(at + 16);
    if (!same && !(Math.abs(x - y) <= Math.abs(x) / 4096)) return false;
  }
  return true;
}

/** Whether everything compared is the same, reserved bits included: the quick answer for most cases. */
function equal(a: State, b: State): boolean {
  for (let at = 0; at < a.bytes.length; at += 8) {
    if (at === offsets.next) continue;
    if (a.view.getUint32(at, true) !== b.view.getUint32(at, true)) return false;
    if (a.view.getUint32(at + 4, true) !== b.view.getUint32(at + 4, true)) return false;
  }
  return true;
}

const hex = (n: bigint): string => `0x${n.toString(16).padStart(16, "0")}`;

/** Everything needed to understand a failure. */
export function report(one: Case, found: readonly Difference[], set: InstructionSet): string {
  const lines = [listing(one)];
  const shown = new Set<string>();
  const initial = (register: string, value: string) => {
    if (shown.has(register)) return;
    shown.add(register);
    lines.push(`    before: ${register} = ${value}`);
  };
  for (const { variant, word, prefix } of one.words.length > 3 ? [] : decoded(one, set)) {
    for (const [name, field] of Object.entries(variant.fields)) {
      const n = fieldValue(field, word, prefix);
      if (/^(rt|ra|rb|rc|rs)$/.test(name)) initial(`r${n}`, hex(one.initial.gpr(n)));
      const file = /^(fr|x|vr)[tabcs]p?$/.exec(name)?.[1];
      if (file) {
        const m = file === "vr" ? n + 32 : n;
        const [high, low] = one.initial.vsr(m);
        initial(`vs${m}`, `${hex(high)} ${hex(low)}`);
      }
    }
  }
  for (const [name, offset] of special.slice(0, 6)) initial(name, hex(one.initial.get(offset)));
  for (const { register, expected, actual } of found.slice(0, 12)) {
    lines.push(`    ${register}: expected ${hex(expected)}, got ${hex(actual)}`);
  }
  if (found.length > 12) lines.push(`    and ${found.length - 12} more`);
  return lines.join("\n");
}
