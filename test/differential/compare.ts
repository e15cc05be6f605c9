/** Compares two states after a case, register by register. */
import type { InstructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { fieldValue, type Variant } from "../../src/arch/powerpc/isa/pattern.js";
import { type Exception, exceptions } from "./exceptions.js";
import { type Case, listing } from "./generate.js";
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

/** What is exempt for this case: mask of ignored bits by register name; all ones for whole registers. */
function ignored(one: Case, expected: State, set: InstructionSet, littleEndian: boolean): Map<string, bigint> | "all" {
  const masks = new Map<string, bigint>();
  for (const word of one.words) {
    const variant = set.decode(word)?.variant;
    if (!variant) continue;
    for (const exception of exceptions) {
      if (!applies(exception, variant, word, one, expected, littleEndian)) continue;
      if (exception.ignore === "all") return "all";
      for (const [register, mask] of exception.ignore((name) => operand(variant, name, word))) {
        masks.set(register, (masks.get(register) ?? 0n) | mask);
      }
    }
  }
  return masks;
}

function operand(variant: Variant, name: string, word: number): number {
  const field = variant.fields[name];
  if (!field) throw new Error(`exceptions.ts: ${variant.mnemonic} has no operand ${name}`);
  return fieldValue(field, word);
}

export function applies(
  exception: Exception,
  variant: Variant,
  word: number,
  one: Case,
  expected: State,
  littleEndian: boolean,
): boolean {
  if (!exception.mnemonics.test(variant.mnemonic)) return false;
  const get = (name: string) => operand(variant, name, word);
  return (
    exception.when?.({
      mnemonic: variant.mnemonic,
      word,
      operandNames: Object.keys(variant.fields),
      operand: get,
      initial: one.initial,
      expected,
      littleEndian,
    }) ?? true
  );
}

/** The registers and bytes that differ, exceptions applied. */
export function differences(
  one: Case,
  expected: State,
  actual: State,
  set: InstructionSet,
  littleEndian: boolean,
): Difference[] {
  const found: Difference[] = [];
  if (equal(expected, actual)) return found;
  const exempt = ignored(one, expected, set, littleEndian);
  if (exempt === "all") return found;
  const check = (register: string, offset: number, mask: bigint) => {
    const [a, b] = [expected.get(offset) & mask, actual.get(offset) & mask];
    const keep = ~(exempt.get(register) ?? 0n);
    if ((a & keep) !== (b & keep)) found.push({ register, expected: a, actual: b });
  };
  const all = (1n << 64n) - 1n;
  for (let n = 0; n < 32; n++) check(`r${n}`, offsets.gpr + 8 * n, all);
  for (let n = 0; n < 64; n++) {
    check(`vs${n}.0`, offsets.vsr + 16 * n, all);
    check(`vs${n}.1`, offsets.vsr + 16 * n + 8, all);
  }
  for (const [name, offset, mask] of special) check(name, offset, mask);
  for (let at = 0; at < windowSize; at += 8) check(`memory+${at}`, offsets.window + at, all);
  return found;
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
  for (const word of one.words.length > 3 ? [] : one.words) {
    const variant = set.decode(word)?.variant;
    for (const [name, field] of Object.entries(variant?.fields ?? {})) {
      const n = fieldValue(field, word);
      if (/^(rt|ra|rb|rc|rs)$/.test(name)) initial(`r${n}`, hex(one.initial.gpr(n)));
      const file = /^(fr|x|vr)[tabcs]$/.exec(name)?.[1];
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
