/** Jump tables as compilers make them for POWER. */

/** Entries of a jump table that are looked at, and distance between the places that it leads to, in instructions. */
const tableLimit = 512;
const tableSpread = 2048;

/**
 * Where the jump table at this offset leads to: words in the text behind the jump, each the distance of a place from the
 * table. Nothing depends on its being one, or on its staying as it is: what goes elsewhere leaves the region.
 */
export function jumpTable(
  start: number,
  wordAt: (offset: number) => number | undefined,
  isCode: (offset: number) => boolean,
): number[] {
  const found = new Set<number>();
  // The first place stands behind the table.
  let end = start + 4 * tableLimit;
  for (let at = start; at < end; at += 4) {
    const word = wordAt(at);
    if (word === undefined || word % 4 !== 0) break;
    const to = start + (word | 0);
    if (to > at && to < end) end = to;
    if (isCode(to)) found.add(to);
  }
  const places = [...found].sort((a, b) => a - b);
  return places.filter((to) => to - (places[0] as number) < 4 * tableSpread);
}
