/** The results as a picture for the README: a bar for each row, from the reference's time to the left if faster, else to the right. */
import { cellOf, meansOf, type Report, titleOf } from "./report.js";
import type { RowResult } from "./results.js";

const lineHeight = 17;
const labelWidth = 130;
const plotWidth = 560;
const margin = 10;
/** Times the reference's, on a logarithmic scale. */
const [lowest, highest] = [1 / 16, 4];

const place = (ratio: number): number => {
  const clipped = Math.min(highest, Math.max(lowest, ratio));
  return labelWidth + (plotWidth * Math.log(clipped / lowest)) / Math.log(highest / lowest);
};

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const style = `
text { font: 12px sans-serif; fill: #24292f }
.small { font-size: 10px; fill: #57606a }
.title { font-weight: bold }
.grid { stroke: #d0d7de }
.one { stroke: #57606a }
.faster { fill: #2da44e }
.slower { fill: #cf222e }
.first { fill: none; stroke: #0969da; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #9198a1 }
}`;

function bar(name: string, bold: boolean, first: number, steady: number | undefined, y: number): string {
  const shown = steady ?? first;
  const [from, to] = [Math.min(place(1), place(shown)), Math.max(place(1), place(shown))];
  const middle = y + lineHeight / 2;
  return [
    `<text x="${labelWidth - 8}" y="${middle + 4}" text-anchor="end"${bold ? ' class="title"' : ""}>${escaped(name)}</text>`,
    `<rect class="${shown <= 1 ? "faster" : "slower"}" x="${from.toFixed(1)}" y="${y + 3}" width="${(to - from).toFixed(1)}" height="${lineHeight - 6}"/>`,
    `<path class="first" d="M${place(first).toFixed(1)} ${y + 1}v${lineHeight - 2}"/>`,
    `<text class="small" x="${labelWidth + plotWidth + 8}" y="${middle + 4}">${shown.toFixed(2)}</text>`,
  ].join("\n");
}

/** `engine` against the reference: bars of the steady times, a mark at the first run's; figures are times the reference's. */
export function toSvg(report: Report, engine: string): string {
  const parts: string[] = [];
  const top = 40;
  let y = top;
  const add = (name: string, bold: boolean, first: number, steady: number | undefined): void => {
    parts.push(bar(name, bold, first, steady, y));
    y += lineHeight;
  };
  for (const { name, title } of report.sets) {
    const rows = report.rows.filter((row: RowResult) => row.set === name && cellOf(row, engine, report).ratios);
    const { first, steady } = meansOf(rows, engine, report);
    if (first === undefined) continue;
    parts.push(`<text class="title" x="${margin}" y="${y + 14}">${escaped(title)}</text>`);
    y += lineHeight + 4;
    for (const row of rows) {
      const { ratios } = cellOf(row, engine, report);
      if (ratios) add(row.row, false, ratios.first, ratios.steady);
    }
    add("geometric mean", true, first, steady);
    y += 8;
  }
  const grid = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4].map((value) => {
    const x = place(value).toFixed(1);
    return (
      `<path class="${value === 1 ? "one" : "grid"}" d="M${x} ${top}V${y}"/>` +
      `<text class="small" x="${x}" y="${top - 5}" text-anchor="middle">${value < 1 ? `1/${1 / value}` : value}</text>`
    );
  });
  const width = labelWidth + plotWidth + 50;
  const height = y + margin;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>${style}
</style>
<text x="${margin}" y="16">Time under ${escaped(engine)}, times ${escaped(titleOf(report.reference))}&#8217;s: green is faster. Bars: warm; blue: the first run</text>
${grid.join("\n")}
${parts.join("\n")}
</svg>
`;
}
