import assert from "node:assert/strict";
import { test } from "node:test";
import { residentOf } from "./process.js";
import { type Report, toJson, troubles } from "./report.js";
import { firstSecond, geometricMean, outputsRight, type RowResult, ratiosOf } from "./results.js";
import type { Run } from "./session.js";
import { toSvg } from "./svg.js";
import { toTable } from "./table.js";

const output = { bytes: 3, hash: "00000000000000aa" };
const run = (guest: number, more: Partial<Run> = {}): Run => ({
  guest,
  host: guest + 0.01,
  cpu: guest / 2,
  output,
  steps: [],
  ...more,
});
const measured = (...rounds: readonly (readonly Run[])[]) => ({ rounds, failures: [] });

const rows: readonly RowResult[] = [
  {
    row: "fast",
    set: "small",
    expected: output,
    engines: {
      qemu: measured([run(2), run(1.5)], [run(2.5), run(1)]),
      hv: measured([run(1), run(0.5)], [run(0.8), run(0.25)]),
    },
  },
  {
    row: "slow",
    set: "small",
    engines: { qemu: measured([run(1), run(1)]), hv: measured([run(4), run(4)]) },
  },
];
const report: Report = {
  format: 1,
  date: "2026-01-02T03:04:05.000Z",
  architecture: "some",
  host: { processor: "a processor", processors: 2, load: 0.5 },
  clock: "guest",
  append: "console=hvc0",
  engines: [
    { name: "qemu", version: "7" },
    { name: "hv", version: "v20" },
  ],
  reference: "qemu",
  besideMemory: { small: { qemu: 99.4, hv: Number.NaN } },
  afterPasses: { small: { qemu: [98, 99.4], hv: [Number.NaN, 70] } },
  longestStop: { small: { qemu: Number.NaN, hv: 7.26 } },
  sets: [{ name: "small", title: "Small <programs>", disks: ["small"] }],
  rows,
};

test("the first run is the best of all rounds' first ones, the steady one the best of the others", () => {
  const { qemu, hv } = rows[0]!.engines;
  assert.deepEqual(ratiosOf(hv, qemu, "guest"), { first: 0.4, steady: 0.25, firstSecond: 0.4 });
  assert.equal(ratiosOf(hv, qemu, "host")?.first, 0.81 / 2.01);
  assert.equal(ratiosOf(hv, measured(), "guest"), undefined);
  assert.equal(ratiosOf(undefined, qemu, "guest"), undefined);
  assert.deepEqual(ratiosOf(measured([run(1)]), measured([run(2)]), "guest")?.steady, undefined);
});

test("the first second: the time for what the reference does in it, a step's part included", () => {
  const reference = run(4, { steps: [0.5, 1.5, 2.5, 4] });
  // 1.5 steps: one whole, and half of the way from 3 to 4.
  assert.equal(firstSecond(run(6, { steps: [3, 4, 5, 6] }), reference, "guest"), 3.5);
  assert.equal(firstSecond(reference, reference, "guest"), 1);
  // A whole number of steps needs none behind it.
  assert.equal(firstSecond(run(6, { steps: [3, 6] }), run(2, { steps: [1, 2] }), "guest"), 3);
  // Nothing to compare by: the runs as a whole.
  assert.equal(firstSecond(run(6), reference, "guest"), 1.5);
  assert.equal(firstSecond(run(6, { steps: [6] }), run(0.5, { steps: [0.5] }), "guest"), 12);
});

test("the geometric mean", () => {
  assert.ok(Math.abs(geometricMean([0.5, 2, 4, 0.25])! - 1) < 1e-12);
  assert.equal(geometricMean([]), undefined);
});

test("outputs are held to the host's, else to the reference's", () => {
  const other = { output: { bytes: 3, hash: "00000000000000bb" } };
  const wrong = { ...rows[0]!, engines: { qemu: measured([run(1)]), hv: measured([run(1), run(1, other)]) } };
  assert.equal(outputsRight(wrong, "hv", "qemu"), false);
  assert.equal(outputsRight(wrong, "qemu", "qemu"), true);
  const unlike = { ...rows[1]!, engines: { qemu: measured([run(1, other)]), hv: measured([run(1)]) } };
  assert.equal(outputsRight(unlike, "hv", "qemu"), false);
  assert.equal(outputsRight({ ...unlike, engines: { hv: measured([run(1)]) } }, "hv", "qemu"), undefined);
  assert.deepEqual(troubles({ ...report, rows: [wrong, unlike] }), [
    "fast under hv: its output is not the host's",
    "slow under hv: its output is not QEMU's",
  ]);
  assert.deepEqual(troubles(report), []);
});

test("the table has seconds, ratios and their mean", () => {
  assert.equal(
    toTable(report),
    [
      "Small <programs>  qemu: first  steady  hv: first     x  steady     x  1st s x  output",
      "fast                     2.00    1.00      0.800  0.40   0.250  0.25     0.40      ok",
      "slow                     1.00    1.00       4.00  4.00    4.00  4.00     4.00      ok",
      "geometric mean                                    1.26          1.00     1.26",
      "beside the guest's memory: qemu 99 MB",
      "the same after each pass: qemu 98 99 MB",
      "longest stop for translation: hv 7.3 ms",
      "",
    ].join("\n"),
  );
});

test("a row that failed says so, and counts in no mean", () => {
  const failed = { ...rows[1]!, engines: { ...rows[1]!.engines, hv: { rounds: [[]], failures: ["it crashed"] } } };
  const table = toTable({ ...report, rows: [rows[0]!, failed] });
  assert.match(table, /^slow .* FAILED$/m);
  assert.match(table, /^geometric mean +0\.40 +0\.25 +0\.40$/m);
  assert.deepEqual(troubles({ ...report, rows: [failed] }), ["slow under hv: it crashed"]);
});

test("JSON has every run, and the figures of the table", () => {
  const json = JSON.parse(toJson(report));
  assert.deepEqual(json.rows[0].engines.hv.rounds[1][0].guest, 0.8);
  assert.deepEqual(json.summary.rows[1].hv.ratios, { first: 4, steady: 4, firstSecond: 4 });
  assert.equal(json.summary.means.small.hv.steady, 1);
});

test("the picture has a bar for each row, clipped to its scale, and escapes what it shows", () => {
  const far = { ...rows[1]!, row: "far", engines: { qemu: measured([run(1)]), hv: measured([run(1000)]) } };
  const svg = toSvg({ ...report, rows: [...rows, far] }, "hv");
  assert.equal(svg.match(/<rect class="faster"/g)?.length, 2); // One of them the mean, of width 0.
  assert.match(svg, /Small &lt;programs&gt;/);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  const widths = [...svg.matchAll(/<rect[^>]* x="([\d.]+)"[^>]* width="([\d.]+)"/g)];
  assert.equal(widths.length, 4);
  for (const [, x, width] of widths) assert.ok(Number(x) >= 130 && Number(x) + Number(width) <= 690.1, `${x} ${width}`);
});

test("what is resident beside the guest's memory leaves out the mapping that is it", () => {
  const smaps = `10000-20000 rw-p 00000000 00:00 0
Size:              10240 kB
KernelPageSize:        4 kB
Rss:                2048 kB
20000-30000 rw-p 00000000 00:00 0
Size:             524288 kB
Rss:              400000 kB
30000-40000 r-xp 00000000 00:00 0 /usr/bin/node
Size:               4096 kB
Rss:                1024 kB
`;
  assert.equal(residentOf(smaps, 512), 3);
  assert.ok(Number.isNaN(residentOf("", 512)));
});
