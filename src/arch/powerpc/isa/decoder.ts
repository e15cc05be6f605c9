/**
 * Builds the decoder: from (mask, value, id) entries to a trie in one Int32Array, which the engines copy into memory. It has
 * one or more roots, for processors that do not have the same instructions; below them, what is the same is there once.
 *
 *   Root node n is at offset n * rootSize. Node: [shift, indexMask, child 0 .. child indexMask];
 *   the child is at index (word >>> shift) & indexMask.
 *   child < 0   another node at offset -child
 *   child = 0   no instruction
 *   child > 0   a leaf at that offset: runs of (mask, value, id), the first with (word & mask) = value is the answer;
 *               mask 0 ends the leaf, and the number after it is the answer for everything else (0: no instruction)
 *
 * An answer of `suffixRoots` and more says that the word is a prefix: the answer less that is the offset of the root from
 * which the word behind it is decoded. These roots stand behind the others.
 */
import type { WordPattern } from "./pattern.js";

/** Greater than any id, and than any offset in the table that could be taken for one. */
export const suffixRoots = 0x10000;

export interface DecodeEntry extends WordPattern {
  /** What the word in front of it is, if it is a prefixed instruction. */
  readonly prefix?: WordPattern | undefined;
  /** What `decode` gives, greater than 0. */
  readonly id: number;
  /** For messages. */
  readonly name: string;
  /** The higher wins where two entries overlap. Default 0; engines give their specialised handlers more. */
  readonly priority?: number;
  /** Loses to every entry without it, whatever the priorities (`InsnOptions.fallback`). */
  readonly fallback?: boolean;
}

const bitCount = (n: number): number => {
  let count = 0;
  for (let rest = n | 0; rest !== 0; rest &= rest - 1) count++;
  return count;
};
const overlap = (a: DecodeEntry, b: DecodeEntry): boolean => ((a.value ^ b.value) & a.mask & b.mask) === 0;
/** Every word of `a` is one of `b`, and not the other way round. */
const moreSpecific = (a: DecodeEntry, b: DecodeEntry): boolean =>
  overlap(a, b) && (a.mask & b.mask) === (b.mask | 0) && a.mask !== b.mask;

/** Which of two overlapping entries wins: negative for `a`; 0 if nothing decides. */
function precedence(a: DecodeEntry, b: DecodeEntry): number {
  if (Boolean(a.fallback) !== Boolean(b.fallback)) return a.fallback ? 1 : -1;
  const byPriority = (b.priority ?? 0) - (a.priority ?? 0);
  if (byPriority !== 0) return byPriority;
  if (a.fallback) {
    if (moreSpecific(a, b)) return -1;
    if (moreSpecific(b, a)) return 1;
  }
  return 0;
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16).padStart(8, "0")}`;

/** Throws an Error that names both entries if some word matches two and neither is declared to lose. */
export function checkOverlaps(entries: readonly DecodeEntry[]): void {
  for (const [i, a] of entries.entries()) {
    if (a.id <= 0) throw new Error(`decode entry ${a.name} has id ${a.id}; ids start at 1`);
    if (((a.value & ~a.mask) | 0) !== 0) throw new Error(`decode entry ${a.name} has value bits outside its mask`);
    for (let j = i + 1; j < entries.length; j++) {
      const b = entries[j] as DecodeEntry;
      if (!overlap(a, b) || precedence(a, b) !== 0) continue;
      throw new Error(
        `instructions ${a.name} and ${b.name} overlap: ${hex(a.value | b.value)} matches both ` +
          `(${a.name} ${hex(a.value)}/${hex(a.mask)}, ${b.name} ${hex(b.value)}/${hex(b.mask)})`,
      );
    }
  }
}

/** The window of bits that tells the candidates apart best, and what each of its values leaves. */
interface Split {
  readonly shift: number;
  readonly width: number;
  readonly children: (readonly DecodeEntry[])[];
}

/** Primary opcode first: a fixed root keeps the roots' offsets fixed, whatever the entries are. */
const root = { shift: 26, width: 6 } as const;
/** Words of a root node. */
export const rootSize = 2 + 2 ** root.width;

/** Leaves up to this long are not divided further. */
const shortLeaf = 2;

class Builder {
  readonly words: number[] = [];
  /** Nodes and leaves already written, by content. */
  readonly #written = new Map<string, number>();

  build(sets: readonly (readonly DecodeEntry[])[]): Int32Array {
    const splits = sets.map((entries) => this.#divide(entries, root.shift, root.width));
    for (const split of splits) this.#reserve(split);
    splits.forEach((split, i) => {
      this.#fill(i * rootSize, split, 0);
    });
    return Int32Array.from(this.words);
  }

  #divide(entries: readonly DecodeEntry[], shift: number, width: number): Split {
    const window = 2 ** width - 1;
    const children: DecodeEntry[][] = Array.from({ length: window + 1 }, () => []);
    for (const entry of entries) {
      const fixed = (entry.mask >>> shift) & window;
      const bits = (entry.value >>> shift) & window;
      const free = window & ~fixed;
      // Every value of the bits that the entry leaves open.
      let open = 0;
      do {
        children[bits | open]?.push(entry);
        open = (open - free) & free;
      } while (open !== 0);
    }
    return { shift, width, children };
  }

  /** Estimated words of the whole below this split, and a price for words compared at run time. */
  #cost(split: Split): number {
    let cost = 2 + 2 ** split.width;
    const seen = new Set<string>();
    for (const child of split.children) {
      if (child.length === 0) continue;
      const key = child.map((e) => e.id).join();
      if (seen.has(key)) continue;
      seen.add(key);
      cost += child.length === 1 ? 5 : child.length * (6 + 4 * Math.log2(child.length));
    }
    return cost;
  }

  #best(entries: readonly DecodeEntry[], known: number): Split | undefined {
    let best: Split | undefined;
    let bestCost = entries.length * (6 + 4 * Math.log2(entries.length));
    const useful = entries.reduce((bits, e) => bits | e.mask, 0) & ~known;
    for (let width = 1; width <= 11; width++) {
      for (let shift = 0; shift + width <= 26; shift++) {
        // A window that starts or ends with bits nobody looks at is worse than a narrower one.
        if (((useful >>> shift) & 1) === 0 || ((useful >>> (shift + width - 1)) & 1) === 0) continue;
        const split = this.#divide(entries, shift, width);
        if (split.children.every((c) => c.length === entries.length)) continue;
        const cost = this.#cost(split);
        if (cost < bestCost) {
          best = split;
          bestCost = cost;
        }
      }
    }
    return best;
  }

  #writeNode(split: Split, known: number): number {
    const at = this.#reserve(split);
    this.#fill(at, split, known);
    return at;
  }

  /** A node without children. */
  #reserve(split: Split): number {
    const at = this.words.length;
    this.words.push(split.shift, 2 ** split.width - 1, ...split.children.map(() => 0));
    return at;
  }

  #fill(at: number, split: Split, known: number): void {
    const window = 2 ** split.width - 1;
    const nowKnown = known | (window << split.shift);
    split.children.forEach((child, i) => {
      this.words[at + 2 + i] = this.#write(child, nowKnown);
    });
  }

  /** The child word for these candidates, the bits of `known` having been looked at. */
  #write(entries: readonly DecodeEntry[], known: number): number {
    if (entries.length === 0) return 0;
    const ordered = [...entries].sort((a, b) => precedence(a, b) || bitCount(b.mask) - bitCount(a.mask) || a.id - b.id);
    // What stands behind an entry that matches everything here is never reached.
    const certain = ordered.findIndex((e) => (e.mask & ~known) === 0);
    const live = certain < 0 ? ordered : ordered.slice(0, certain + 1);
    const key = live.map((e) => `${e.id}:${e.mask & ~known}:${e.value & ~known}`).join();
    const before = this.#written.get(key);
    if (before !== undefined) return before;
    const split = live.length > shortLeaf ? this.#best(live, known) : undefined;
    const child = split ? -this.#writeNode(split, known) : this.#writeLeaf(live, known);
    this.#written.set(key, child);
    return child;
  }

  #writeLeaf(entries: readonly DecodeEntry[], known: number): number {
    const at = this.words.length;
    let rest = 0;
    for (const { mask, value, id } of entries) {
      if ((mask & ~known) === 0) rest = id;
      else this.words.push(mask & ~known, value & ~known, id);
    }
    this.words.push(0, rest);
    return at;
  }
}

/**
 * The decode table of these sets of entries, a root for each, in the format at the head of this file.
 * Throws an Error that names both entries if two of a set overlap and neither is declared to lose.
 */
export function buildDecodeTable(...sets: readonly (readonly DecodeEntry[])[]): Int32Array {
  const suffixes: DecodeEntry[][] = [];
  const first = sets.map((entries) => {
    const words = entries.filter(({ prefix }) => !prefix);
    const forms = new Map<string, DecodeEntry[]>();
    for (const entry of entries) {
      const { prefix, name } = entry;
      if (!prefix) continue;
      const key = `${prefix.mask},${prefix.value}`;
      const behind = forms.get(key);
      if (behind) {
        behind.push(entry);
        continue;
      }
      words.push({ ...prefix, id: suffixRoots + (sets.length + suffixes.length) * rootSize, name: `${name}'s prefix` });
      const form = [entry];
      forms.set(key, form);
      suffixes.push(form);
    }
    return words;
  });
  const all = [...first, ...suffixes];
  for (const entries of all) checkOverlaps(entries);
  return new Builder().build(all);
}

/** What `decode` answers of a word alone: an id, `suffixRoots` and more, or 0. */
function look(table: Int32Array, word: number, from: number): number {
  let node = from;
  for (;;) {
    const child = table[node + 2 + ((word >>> (table[node] as number)) & (table[node + 1] as number))] as number;
    if (child === 0) return 0;
    if (child < 0) {
      node = -child;
      continue;
    }
    for (let at = child; ; at += 3) {
      const mask = table[at] as number;
      if (mask === 0) return table[at + 1] as number;
      if ((word & mask) === table[at + 1]) return table[at + 2] as number;
    }
  }
}

/**
 * The id of the entry that the word is an instruction of, or 0; `from` is the root's offset. `suffix` is the word behind it,
 * looked at if the first is a prefix.
 */
export function decode(table: Int32Array, word: number, from = 0, suffix?: number): number {
  const found = look(table, word, from);
  if (found < suffixRoots) return found;
  return suffix === undefined ? 0 : look(table, suffix, found - suffixRoots);
}
