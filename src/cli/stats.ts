/** `--stats`: counters as a table. */
import type { RunStats } from "../vmm/core/run.js";

/** Lines of owner, counter, value, sorted by counter and aligned; what is 0 is left out. */
export function formatStats({ machine, cpus }: RunStats): string {
  const owners = [["vm", machine], ...cpus.map((cpu, i) => [`cpu${i}`, cpu] as const)] as const;
  const rows = owners.flatMap(([owner, counters]) =>
    Object.entries(counters)
      .filter(([, value]) => value !== 0)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [owner, name, String(Math.round(value))] as const),
  );
  const width = (column: 0 | 1 | 2) => rows.reduce((most, row) => Math.max(most, row[column].length), 0);
  const [ownerWidth, nameWidth, valueWidth] = [width(0), width(1), width(2)];
  return rows
    .map(
      ([owner, name, value]) =>
        `${owner.padEnd(ownerWidth)}  ${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)}\n`,
    )
    .join("");
}
