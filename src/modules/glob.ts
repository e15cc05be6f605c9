/** Shell patterns as modules.alias has them. Source: fnmatch(3), without flags. */

/** Whether the pattern fits the whole text. Takes at most the product of the lengths, whatever the pattern. */
export function globMatches(pattern: string, text: string): boolean {
  let [at, from] = [0, 0];
  // Where to go on if what follows the last star does not fit: the star takes one character more.
  let retry: { at: number; from: number } | undefined;
  while (from < text.length || at < pattern.length) {
    if (pattern[at] === "*") {
      retry = { at: at + 1, from };
      at++;
      continue;
    }
    const next = from < text.length ? step(pattern, at, text[from] ?? "") : undefined;
    if (next !== undefined) {
      at = next;
      from++;
    } else if (retry && retry.from < text.length) {
      retry = { at: retry.at, from: retry.from + 1 };
      ({ at, from } = retry);
    } else {
      return false;
    }
  }
  return true;
}

/** Where the pattern goes on after the element at `at` took the character; undefined if it does not. */
function step(pattern: string, at: number, char: string): number | undefined {
  const element = pattern[at];
  if (element === undefined) return undefined;
  if (element === "?") return at + 1;
  if (element === "[") {
    const set = parseSet(pattern, at);
    if (set) return set.has(char) ? set.end : undefined;
  }
  if (element === "\\" && at + 1 < pattern.length) return pattern[at + 1] === char ? at + 2 : undefined;
  return element === char ? at + 1 : undefined;
}

/** A set between brackets; undefined if it has no end, and then the bracket stands for itself. */
function parseSet(pattern: string, at: number): { has: (char: string) => boolean; end: number } | undefined {
  let index = at + 1;
  const negated = pattern[index] === "!" || pattern[index] === "^";
  if (negated) index++;
  const ranges: [string, string][] = [];
  for (let first = true; index < pattern.length; first = false) {
    const char = pattern[index] ?? "";
    if (char === "]" && !first) {
      const has = (one: string) => ranges.some(([low, high]) => low <= one && one <= high) !== negated;
      return { has, end: index + 1 };
    }
    if (pattern[index + 1] === "-" && index + 2 < pattern.length && pattern[index + 2] !== "]") {
      ranges.push([char, pattern[index + 2] ?? ""]);
      index += 3;
    } else {
      ranges.push([char, char]);
      index++;
    }
  }
  return undefined;
}
