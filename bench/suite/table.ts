/** The results as a table for a terminal. */
import { type Cell, cellOf, meansOf, type Reading, type Report } from "./report.js";
import type { RowResult } from "./results.js";

const seconds = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(value < 1 ? 3 : 2));
const ratio = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(2));

function verdict({ right, failures, times }: Cell): string {
  if (failures.length > 0 && times === undefined) return "FAILED";
  if (right === false) return "WRONG";
  return failures.length > 0 ? "FAILED" : right ? "ok" : "?";
}

/** The columns of one engine. */
const columnsOf = (engine: string, { reference }: Reading): string[] =>
  engine === reference ? ["first", "steady"] : ["first", "x", "steady", "x", "1st s x", "output"];

function cellsOf(result: RowResult, engine: string, reading: Reading): string[] {
  const cell = cellOf(result, engine, reading);
  const { times, ratios } = cell;
  const failed = times === undefined && cell.failures.length > 0;
  if (engine === reading.reference) return [failed ? "FAILED" : seconds(times?.first), seconds(times?.steady)];
  return [
    ...[seconds(times?.first), ratio(ratios?.first), seconds(times?.steady), ratio(ratios?.steady)],
    ...[ratio(ratios?.firstSecond), verdict(cell)],
  ];
}

function meanCells(rows: readonly RowResult[], engine: string, reading: Reading): string[] {
  if (engine === reading.reference) return ["", ""];
  const { first, steady, firstSecond } = meansOf(rows, engine, reading);
  return ["", ratio(first), "", ratio(steady), ratio(firstSecond), ""];
}

/** Lines of cells, each column as wide as it must be; the first one is text, the others are numbers. */
export function alignedCells(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

/** A line of figures by engine, those left out that are not known; nothing if none is. */
function figures<T>(what: string, by: Readonly<Record<string, T>> | undefined, format: (value: T) => string): string[] {
  const known = Object.entries(by ?? {}).flatMap(([engine, value]) => format(value) && `${engine} ${format(value)}`);
  const said = known.filter((text) => text !== "");
  return said.length > 0 ? [`${what}: ${said.join(", ")}`] : [];
}
const megabytes = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(0)} MB` : "");
const milliseconds = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(1)} ms` : "");
const passes = (values: readonly number[]): string =>
  values.length > 1 && values.every(Number.isFinite) ? `${values.map((one) => one.toFixed(0)).join(" ")} MB` : "";

/** One table a set: seconds by the report's clock, and "x", times the reference's. */
export function toTable(report: Report): string {
  const engines = report.engines.map(({ name }) => name);
  const out: string[] = [];
  for (const { name, title, disks } of report.sets) {
    const rows = report.rows.filter(({ set }) => set === name);
    if (rows.length === 0) continue;
    const heads = engines.flatMap((engine) =>
      columnsOf(engine, report).map((column, index) => (index === 0 ? `${engine}: ${column}` : column)),
    );
    const lines = [
      [title, ...heads],
      ...rows.map((result) => [result.row, ...engines.flatMap((engine) => cellsOf(result, engine, report))]),
      ["geometric mean", ...engines.flatMap((engine) => meanCells(rows, engine, report))],
    ];
    out.push(...alignedCells(lines));
    for (const disk of disks) {
      const where = disks.length > 1 ? `${disk}: ` : "";
      out.push(
        ...figures(`${where}beside the guest's memory`, report.besideMemory[disk], megabytes),
        ...figures(`${where}the same after each pass`, report.afterPasses[disk], passes),
        ...figures(`${where}longest stop for translation`, report.longestStop[disk], milliseconds),
      );
    }
    out.push("");
  }
  return out.join("\n");
}
