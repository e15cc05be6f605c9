/** What is recorded of one word serves the other words of its form: whichever was first must make no difference. */
import assert from "node:assert/strict";
import { Linkage } from "./linkage.js";
import { RegionTranslator, regionTemplates } from "./region.js";
import type { TranslatorTarget } from "./target.js";
import type { Found } from "./template.js";

/** Makes a region of each, in this order and in the other. `describe` names one that differs. */
export function assertSameRegions<V>(
  target: TranslatorTarget<V>,
  mode: number,
  instructions: readonly Found<V>[],
  describe: (index: number) => string,
): void {
  const linkage = new Linkage(target, 0);
  const ordered = () => false;
  const bodies = (order: readonly Found<V>[]): Map<Found<V>, string> => {
    const templates = regionTemplates(target, linkage, mode, ordered);
    const body = (found: Found<V>): string => {
      const translator = new RegionTranslator(
        {
          ...{ span: 65536, missesCall: false, tailCalls: true, entry: 0 },
          decodedEntry: () => undefined,
          word: () => undefined,
          base: 0n,
          data: () => undefined,
          register: () => 0n,
          fetch: (offset) => (offset === 0 ? found : undefined),
        },
        { target, linkage, mode, templates, ordered },
      );
      return Buffer.from(translator.translate()?.finish() ?? []).toString("hex");
    };
    const made = new Map<Found<V>, string>();
    // Which operands decide is known after the first time.
    for (let time = 0; time < 2; time++) for (const found of order) made.set(found, body(found));
    return made;
  };
  const forwards = bodies(instructions);
  const backwards = bodies(instructions.toReversed());
  instructions.forEach((found, i) => {
    const [one, other] = [forwards.get(found), backwards.get(found)];
    if (one !== other) assert.equal(other, one, describe(i));
  });
}
