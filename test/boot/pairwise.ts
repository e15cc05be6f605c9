/** Rows of a table of choices so that every two values of two axes meet in some row, as few as a greedy choice finds. */

export type Axes = Readonly<Record<string, readonly string[]>>;
/** One value of each axis. */
export type RowOf<A extends Axes> = { readonly [Name in keyof A]: A[Name][number] };

export interface Choosing<A extends Axes> {
  /** Another seed, other rows: which is taken of those that are equally good. */
  readonly seed: number;
  /** Whether there is such a row at all. Pairs that are in no row that there is are not asked for. */
  readonly allowed?: (row: RowOf<A>) => boolean;
  /** Rows that are wanted whatever they bring, before all others. */
  readonly first?: readonly RowOf<A>[];
}

/** Every row that there is. */
export function allRows<A extends Axes>(axes: A, allowed: (row: RowOf<A>) => boolean = () => true): RowOf<A>[] {
  const rows = Object.entries(axes).reduce<Record<string, string>[]>(
    (rows, [name, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  ) as RowOf<A>[];
  return rows.filter(allowed);
}

/** What two axes have in a row, as text: of every two of them. */
export function pairsOf(row: Readonly<Record<string, string>>): string[] {
  const values = Object.entries(row).map(([name, value]) => `${name}=${value}`);
  return values.flatMap((one, i) => values.slice(i + 1).map((other) => `${one} ${other}`));
}

/** The rows, those that bring most first. RangeError: one of `first` is not allowed. */
export function pairwise<A extends Axes>(axes: A, { seed, allowed, first = [] }: Choosing<A>): RowOf<A>[] {
  const rows = allRows(axes, allowed).map((row) => ({ row, pairs: pairsOf(row) }));
  shuffle(rows, seed);
  const open = new Set(rows.flatMap(({ pairs }) => pairs));
  const chosen: RowOf<A>[] = [];
  const take = (row: RowOf<A>): void => {
    chosen.push(row);
    for (const pair of pairsOf(row)) open.delete(pair);
  };
  for (const row of first) {
    const text = pairsOf(row).join();
    const known = rows.find(({ pairs }) => pairs.join() === text);
    if (!known) throw new RangeError(`there is no row ${JSON.stringify(row)}`);
    take(row);
  }
  const brings = ({ pairs }: { readonly pairs: readonly string[] }) => pairs.filter((pair) => open.has(pair)).length;
  while (open.size > 0) take(rows.reduce((best, one) => (brings(one) > brings(best) ? one : best)).row);
  return chosen;
}

/** In place: Fisher and Yates, by Marsaglia's xorshift. */
function shuffle(rows: unknown[], seed: number): void {
  let state = (seed | 0) ^ 0x9e3779b9 || 1;
  for (let i = rows.length - 1; i > 0; i--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const j = (state >>> 0) % (i + 1);
    [rows[i], rows[j]] = [rows[j], rows[i]];
  }
}
