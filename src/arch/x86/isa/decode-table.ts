/**
 * Builds what the decoder is driven by, any engine's half as well. `nodes` begins with an entry for each opcode of each map
 * (`Form.map` * 256 + opcode), behind which are the nodes:
 *
 *   entry < 0   a node at -entry: the number of a property, then an entry for each of its values
 *   entry = 0   no instruction
 *   entry > 0   the number of a form, from 1 on
 *
 * `forms` has a word of bit fields (`FormBits`) of each form, so that reading an instruction's bytes needs nothing but these.
 */
import { type Fixed, type Form, SizeRule } from "./encoding.js";
import { vectorIndexKinds, vvvvKinds } from "./operand.js";

export const maps = 8;

export interface DecodeTable {
  readonly nodes: Int16Array;
  readonly forms: Int32Array;
}

/** What the decoder can ask of an instruction, in the order in which it does; each with how many values it has. */
export const properties = [
  { name: "mode", values: 2 },
  { name: "register", values: 2 },
  { name: "reg", values: 8 },
  { name: "rm", values: 8 },
  { name: "prefix", values: 4 },
  { name: "w", values: 2 },
  { name: "l", values: 2 },
  { name: "b", values: 2 },
] as const satisfies readonly { readonly name: keyof Fixed; readonly values: number }[];
export const Property = Object.fromEntries(properties.map(({ name }, i) => [name, i])) as Readonly<
  Record<(typeof properties)[number]["name"], number>
>;

/** Fields of a form's word: first bit and width. */
export const FormBits = {
  modrm: [0, 1],
  sizeRule: [1, 4],
  first: [5, 3],
  second: [8, 3],
  lock: [11, 1],
  /** VEX.vvvv is an operand; where it is none, it must be 1111. */
  vex: [12, 1],
  /** ModRM names a register, whatever mod says. */
  anyMod: [13, 1],
  /** ModRM.reg names a segment register: one that is read, or one that is written, which CS is never so. */
  segmentRead: [14, 1],
  segmentWritten: [15, 1],
  /** The index in memory is a vector register. */
  vectorIndex: [16, 1],
} as const;

export const bits = (word: number, [shift, width]: readonly [number, number]): number =>
  (word >>> shift) & ((1 << width) - 1);

function formWord({ modrm, sizeRule, immediates, definition, operands }: Form): number {
  const [first = 0, second = 0] = immediates;
  const parts: Readonly<Record<keyof typeof FormBits, number>> = {
    modrm: modrm ? 1 : 0,
    sizeRule,
    first,
    second,
    lock: definition.options.lock && ["rm", "m"].includes(operands[0]?.kind ?? "") ? 1 : 0,
    anyMod: operands.some(({ kind }) => kind === "rx") ? 1 : 0,
    segmentRead: operands[1]?.kind === "sreg" ? 1 : 0,
    segmentWritten: operands[0]?.kind === "sreg" ? 1 : 0,
    vex: operands.some(({ kind }) => vvvvKinds.includes(kind)) ? 1 : 0,
    vectorIndex: operands.some(({ kind }) => vectorIndexKinds.includes(kind)) ? 1 : 0,
  };
  return Object.entries(FormBits).reduce((word, [name, [shift]]) => word | (parts[name as "lock"] << shift), 0);
}

/** A mandatory prefix that is asked for, and nop among the exchanges with rAX, leave to others what is left. */
const rank = ({ fixed }: Form) => (fixed.prefix === undefined ? 0 : 2) + (fixed.b === undefined ? 0 : 1);

const described = ({ mnemonic, encoding }: Form) => `${mnemonic} "${encoding}"`;

class Builder {
  readonly entries: number[] = [];
  readonly #written = new Map<string, number>();

  constructor(forms: readonly Form[]) {
    const numbers = new Map(forms.map((form, i) => [form, i + 1]));
    this.entries.length = maps * 256;
    for (let map = 0; map < maps; map++) {
      const inMap = forms.filter((form) => form.map === map);
      for (let opcode = 0; opcode < 256; opcode++) {
        const found = inMap.filter((form) => (form.registerInOpcode ? opcode & ~7 : opcode) === form.opcode);
        this.entries[map * 256 + opcode] = this.#node(found, numbers, 0);
      }
    }
  }

  #node(candidates: readonly Form[], numbers: ReadonlyMap<Form, number>, from: number): number {
    if (candidates.length === 0) return 0;
    const number = properties.findIndex(
      ({ name }, i) => i >= from && candidates.some(({ fixed }) => fixed[name] !== undefined),
    );
    const property = properties[number];
    if (property === undefined) return numbers.get(this.#only(candidates)) as number;
    const { name, values } = property;
    const children = Array.from({ length: values }, (_, value) =>
      this.#node(
        candidates.filter(({ fixed }) => fixed[name] === undefined || fixed[name] === value),
        numbers,
        number + 1,
      ),
    );
    if (children.every((child) => child === children[0])) return children[0] as number;
    const node = [number, ...children];
    const key = node.join();
    let at = this.#written.get(key);
    if (at === undefined) {
      at = this.entries.length;
      this.entries.push(...node);
      this.#written.set(key, at);
    }
    return -at;
  }

  /** The form that bytes are of which all of these fit. Throws an Error that names two between which nothing decides. */
  #only(candidates: readonly Form[]): Form {
    const highest = Math.max(...candidates.map(rank));
    const [first, second] = candidates.filter((form) => rank(form) === highest);
    if (second) throw new Error(`instructions overlap: ${described(first as Form)} and ${described(second)}`);
    return first as Form;
  }
}

/** Throws an Error that names both if two encodings overlap, and neither is declared to leave the other what is its. */
export function buildDecodeTable(forms: readonly Form[]): DecodeTable {
  for (const form of forms) {
    if (form.immediates.length > 2) throw new Error(`${described(form)} has more than two immediates`);
    if (form.sizeRule > SizeRule.port) throw new Error(`${described(form)} has no rule for its size`);
  }
  const { entries } = new Builder(forms);
  if (entries.length > 0x8000) throw new Error("the decode table's nodes go too far for halfwords");
  return { nodes: Int16Array.from(entries), forms: Int32Array.from(forms, formWord) };
}
