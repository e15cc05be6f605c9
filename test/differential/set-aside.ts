/** Counts the cases in which an oracle was not the judge, by the reason. */
export class SetAside {
  readonly #reasons = new Map<string, Set<string>>();
  readonly #cases = new Set<string>();

  /** `one`: the case's name in the run; a case counts once, on however many engines it runs. */
  add(one: string, reasons: Iterable<string>): void {
    for (const why of reasons) {
      this.#cases.add(one);
      let cases = this.#reasons.get(why);
      if (!cases) this.#reasons.set(why, (cases = new Set()));
      cases.add(one);
    }
  }

  /** Cases, each once. */
  get cases(): number {
    return this.#cases.size;
  }

  /** Cases by the reason, most first. */
  reasons(): [why: string, cases: number][] {
    return [...this.#reasons].map(([why, { size }]): [string, number] => [why, size]).sort(([, a], [, b]) => b - a);
  }
}

/** One phrase: how many cases, and of how many QEMU was not the whole judge. */
export function summary({ cases, setAside }: { readonly cases: number; readonly setAside: SetAside }): string {
  return `${cases} cases, ${setAside.cases} set aside`;
}
