import { test } from "node:test";
import { assertSameRegions } from "../../../engine/translate/region-forms.test-support.js";
import type { Found } from "../../../engine/translate/template.js";
import { lengthOf, type Variant } from "../isa/pattern.js";
import { handlerSpecs } from "./handlers.js";
import { translatorTarget } from "./translator-target.js";

const mode = 3;

/** A generator of numbers below `count` from a seed. */
function numbers(seed: number): (count: number) => number {
  let state = seed >>> 0;
  return (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

/** Words of an instruction, many of whose operands are 0 or the same. */
function draw(variant: Variant, below: (count: number) => number): Found<Variant> {
  let word = variant.value;
  let prefix = variant.prefix?.value ?? 0;
  for (const field of Object.values(variant.fields)) {
    const few = [0, 3, 4, 5][below(4)] as number;
    const raw = field.width >= 3 && below(4) > 0 ? few : below(2 ** field.width);
    for (const { shift, width, at } of field.pieces) {
      const part = Math.floor(raw / 2 ** at) & (2 ** width - 1);
      if (shift < 32) word |= part << shift;
      else prefix |= part << (shift - 32);
    }
  }
  // As the translator has it: the prefix is a part of the variant.
  const whole = variant.prefix ? { ...variant, prefix: { mask: 0xffff_ffff, value: prefix >>> 0 } } : variant;
  return { variant: whole, word: word >>> 0, length: lengthOf(variant) };
}

test("a region is the same whichever word of a form was recorded first", () => {
  const seed = Number(process.env.UNIKVM_SEED ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (UNIKVM_SEED repeats it)`);
  const below = numbers(seed);
  const variants = [...new Set(handlerSpecs().specs.map(({ variant }) => variant))].filter(
    ({ definition }) => !definition.options.interpreted,
  );
  const words = variants.flatMap((variant) => Array.from({ length: 5 }, () => draw(variant, below)));
  assertSameRegions(translatorTarget, mode, words, (i) => {
    const { variant, word } = words[i] as Found<Variant>;
    return `seed ${seed}, ${variant.mnemonic} ${word.toString(16)}`;
  });
});
