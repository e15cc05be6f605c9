/** The interpreter's handlers: which there are, their numbers, and the decode table that leads to them. */
import type { HandlerSpec } from "../../../engine/interpret/target.js";
import { buildDecodeTable } from "../isa/decoder.js";
import { instructions } from "../isa/instructions.js";
import { has } from "../isa/levels.js";
import { encodeField, expand, lengthOf, type Variant } from "../isa/pattern.js";
import { frequent, hot, specialised } from "./hot.js";
import { decodeRoots, Handler } from "./layout.js";

/** A variant, with some operands perhaps fixed to make a handler of its own for a frequent case. */
export interface PowerHandler extends HandlerSpec {
  readonly variant: Variant;
  readonly mask: number;
  readonly value: number;
  readonly fixed: readonly string[];
}

/** Every handler, hot ones first, in the order of their numbers from `Handler.first`. */
export function handlerSpecs(): { specs: PowerHandler[]; hotCount: number } {
  const rank = new Map(hot.map((name, i) => [name, i]));
  const hotSpecs: PowerHandler[] = [];
  const rare: PowerHandler[] = [];
  for (const variant of instructions.flatMap(expand)) {
    const isHot = rank.has(variant.mnemonic);
    for (const fixed of specialised[variant.mnemonic] ?? []) {
      let { mask, value } = variant;
      for (const [name, v] of Object.entries(fixed)) {
        const field = variant.fields[name];
        if (!field) throw new Error(`hot.ts fixes operand ${name} of ${variant.mnemonic}, which has none`);
        mask |= encodeField(field, field.signed ? -field.scale : (2 ** field.width - 1) * field.scale);
        value |= encodeField(field, v);
      }
      const operands = Object.entries(fixed).map(([k, v]) => `${k}=${v}`);
      const name = `${variant.mnemonic}[${operands}]`;
      const spec: PowerHandler = {
        name,
        length: 4,
        weight: frequent[name] ?? 0,
        variant,
        mask: mask >>> 0,
        value: value >>> 0,
        fixed: Object.keys(fixed),
      };
      (isHot ? hotSpecs : rare).push(spec);
    }
    const { mnemonic, mask, value } = variant;
    const weight = frequent[mnemonic] ?? 0;
    const plain: PowerHandler = { name: mnemonic, length: lengthOf(variant), weight, variant, mask, value, fixed: [] };
    (isHot ? hotSpecs : rare).push(plain);
  }
  const there = new Set(hotSpecs.flatMap(({ name, variant }) => [name, variant.mnemonic]));
  const unknown = [...hot, ...Object.keys(frequent)].filter((name) => !there.has(name));
  if (unknown.length > 0) throw new Error(`hot.ts names what is no handler of the core: ${unknown.join("; ")}`);
  // The frequent ones first: their numbers are next to each other.
  const order = (s: PowerHandler) => (rank.get(s.variant.mnemonic) ?? 0) - (s.weight > 0 ? hot.length : 0);
  hotSpecs.sort((a, b) => order(a) - order(b));
  return { specs: [...hotSpecs, ...rare], hotCount: hotSpecs.length };
}

/** The decode table of these handlers (isa/decoder.ts tells its form). */
export function decodeTable(specs: readonly PowerHandler[]): Int32Array {
  const entries = specs.map((s, i) => ({
    mask: s.mask,
    value: s.value,
    prefix: s.variant.prefix,
    id: Handler.first + i,
    name: s.name,
    priority: s.fixed.length,
    definition: s.variant.definition,
    ...(s.variant.definition.options.fallback ? { fallback: true } : {}),
  }));
  return buildDecodeTable(...decodeRoots.map((level) => entries.filter(({ definition }) => has(level, definition))));
}
