/**
 * From what a decoder found to the interpreter's handler, for the run-time library: the nodes of isa/decode-table.ts, and
 * behind them what else is asked of a form. Most forms are like others in that, so that they are told apart by kind. The whole
 * begins with the byte offsets (`TablePart`) of
 *
 *   kinds   three words each: the form's word of isa/decode-table.ts, `FormFacts`, and in its halves where the lists of the kind
 *           begin, in 64-bit code and in all other
 *   kindOf  a halfword for each form: the number of its kind
 *   long    for each form what the numbers of its handlers are counted from, in 64-bit code, a halfword; `other`: in all other
 *   lists   numbers of handlers, less that: halfwords, 0 for none, in the order
 *
 *   ((log2 of the operand size - 3) * ways + way) * repetitions + repetition
 *
 * `ways` is 4 where the form has an operand in memory or looks at the size of addresses, else 1: no memory or addresses of 64
 * bits, of 32 in all other code; a plain address; another one; another one of half as many bits.
 * `repetitions` is 3 (none, F2, F3) where it repeats, else 1.
 */
import { bits } from "../isa/decode-table.js";
import type { Form } from "../isa/encoding.js";
import { instructionSet } from "../isa/instruction-set.js";
import { immediateKinds, type OperandType } from "../isa/operand.js";
import type { Size } from "../isa/registers.js";
import { features } from "./features.js";
import { counts, handlerKey, hasPlain, implied, inMemory, smaller } from "./handlers.js";

/** Fields of a form's word: first bit and width. */
export const FormFacts = {
  /** It has an operand in memory by ModRM; at a place that it names itself; it looks at the size of addresses. */
  inMemory: [0, 1],
  implied: [1, 1],
  counts: [2, 1],
  repeats: [3, 1],
  /** Its registers are bytes: never, always, if its operands are. */
  byteReg: [4, 2],
  byteRm: [6, 2],
  /** The register is in the opcode, and no ModRM. */
  inOpcode: [8, 1],
  /** What its immediates are cut to: `Cut`. */
  first: [9, 3],
  second: [12, 3],
  /** 1 + the number of the feature without which it is no instruction. */
  feature: [15, 6],
  /** Without it, the prefix that it asks for does nothing. */
  elsePlain: [21, 1],
} as const;

/** What an immediate is cut to: nothing, or so many bits, or the operand size. */
export const Cut = { whole: 0, byte: 1, word: 2, doubleword: 3, operand: 4 } as const;

/** Where the byte offset of each part is, from the table's beginning, and behind them the nodes. */
export const TablePart = { kinds: 0, kindOf: 4, long: 8, other: 12, lists: 16 } as const;
export const nodesAt = 20;
/** Byte offsets in a kind. */
export const KindPart = { form: 0, facts: 4, longList: 8, otherList: 10, size: 4 * 3 } as const;

const kindWords = KindPart.size / 4;

const sizes: readonly Size[] = [8, 16, 32, 64];

function cutOf(form: Form, { kind, size }: OperandType): number {
  if (kind === "rel" || kind === "moffs") return Cut.whole;
  if (kind === "xi") return Cut.byte;
  const bytes = form.operands.some((other) => other.size === 8 && other.kind !== "i" && other.kind !== "u");
  const cut = kind === "u" ? size : bytes ? 8 : undefined;
  return cut === undefined ? Cut.operand : cut === 8 ? Cut.byte : cut === 16 ? Cut.word : Cut.doubleword;
}

function bytesOf(form: Form, kinds: readonly string[]): number {
  const type = form.operands.find(({ kind }) => kinds.includes(kind));
  return !type ? 0 : type.size === 8 ? 1 : type.size === undefined ? 2 : 0;
}

function factsOf(form: Form): number {
  const [first, second] = form.operands.filter(({ kind }) => immediateKinds.includes(kind));
  const { feature } = form;
  const facts: Readonly<Record<keyof typeof FormFacts, number>> = {
    inMemory: inMemory(form) ? 1 : 0,
    implied: implied(form) ? 1 : 0,
    counts: counts(form) ? 1 : 0,
    repeats: form.definition.options.repeat ? 1 : 0,
    byteReg: bytesOf(form, ["r"]),
    byteRm: bytesOf(form, form.registerInOpcode ? ["o"] : ["rm", "rr", "rx"]),
    inOpcode: form.registerInOpcode ? 1 : 0,
    first: first ? cutOf(form, first) : 0,
    second: second ? cutOf(form, second) : 0,
    feature: feature ? 1 + features.indexOf(feature) : 0,
    elsePlain: form.definition.options.elsePlain ? 1 : 0,
  };
  return Object.entries(FormFacts).reduce((word, [name, [shift]]) => word | (facts[name as "counts"] << shift), 0);
}

/** The numbers of a form's handlers in code of this size, as the head of this file says. */
function numbersOf(form: Form, codeSize: 32 | 64, numbers: ReadonlyMap<string, number>): number[] {
  const ways =
    inMemory(form) || implied(form) || counts(form)
      ? ([
          ["none", codeSize],
          [hasPlain(form) ? "plain" : "other", codeSize],
          ["other", codeSize],
          [counts(form) ? "none" : "other", smaller(codeSize)],
        ] as const)
      : ([["none", codeSize]] as const);
  const repetitions = form.definition.options.repeat ? [0, 0xf2, 0xf3] : [0];
  return sizes.flatMap((size) =>
    ways.flatMap(([addressing, addressSize]) =>
      repetitions.map((repeat) => numbers.get(handlerKey(form, size, addressSize, addressing, repeat)) ?? 0),
    ),
  );
}

/** What the run-time library decodes by, from the numbers of 64-bit code's handlers by name, and those of other code's. */
export function dispatchTable(numbers: readonly ReadonlyMap<string, number>[]): Uint8Array {
  const { table, forms } = instructionSet();
  const lists: number[] = [];
  const listOf = placesOf((list) => {
    lists.push(...list);
    return lists.length - list.length;
  });
  const kinds: number[] = [];
  const kindOf = placesOf((kind) => {
    kinds.push(...kind);
    return kinds.length / kindWords - 1;
  });
  const found = forms.map((form, i) => {
    const all = ([64, 32] as const).map((size, j) => numbersOf(form, size, numbers[j] ?? new Map()));
    const [long = 0, other = 0] = all.map((list) => Math.min(...list.filter((number) => number !== 0), 0xffff) - 1);
    const [longList = 0, otherList = 0] = all.map((list, j) =>
      listOf(list.map((number) => number && number - (j === 0 ? long : other))),
    );
    return { kind: kindOf([table.forms[i] as number, factsOf(form), longList | (otherList << 16)]), long, other };
  });
  const parts: Readonly<Record<keyof typeof TablePart, Int32Array | Uint16Array>> = {
    kinds: Int32Array.from(kinds),
    kindOf: Uint16Array.from(found, ({ kind }) => kind),
    long: Uint16Array.from(found, ({ long }) => long),
    other: Uint16Array.from(found, ({ other }) => other),
    lists: Uint16Array.from(lists),
  };
  const names = Object.keys(TablePart) as (keyof typeof TablePart)[];
  let end = nodesAt + table.nodes.byteLength;
  const places = names.map((name) => {
    const at = (end + 3) & ~3;
    end = at + parts[name].byteLength;
    return at;
  });
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  const put = (at: number, values: Int16Array | Int32Array | Uint16Array): void => {
    values.forEach((value, i) => {
      if (values instanceof Int32Array) view.setInt32(at + 4 * i, value, true);
      else view.setInt16(at + 2 * i, value, true);
    });
  };
  put(0, Int32Array.from(places));
  put(nodesAt, table.nodes);
  for (const [i, name] of names.entries()) put(places[i] as number, parts[name]);
  return bytes;
}

/** What is alike is put somewhere once: gives where. */
function placesOf(put: (values: readonly number[]) => number): (values: readonly number[]) => number {
  const known = new Map<string, number>();
  return (values) => {
    const key = values.join();
    const at = known.get(key) ?? put(values);
    known.set(key, at);
    return at;
  };
}

/** The fields of a form's words as the run-time library has them: shift and mask of each. */
export const fieldsOf = (fields: Readonly<Record<string, readonly [number, number]>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, field]) => [
      [`${name}Shift`, field[0]],
      [`${name}Mask`, bits(-1, [0, field[1]])],
    ]),
  );
