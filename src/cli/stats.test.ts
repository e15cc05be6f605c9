import assert from "node:assert/strict";
import { test } from "node:test";
import { formatStats } from "./stats.js";

test("counters are sorted within their owner, aligned, and left out if 0", () => {
  const stats = { machine: { "hcall.H_CEDE": 12, "exits.mmio": 0 }, cpus: [{ tlbMisses: 3, "exits.intr": 100000 }] };
  assert.equal(
    formatStats(stats),
    ["vm    hcall.H_CEDE      12", "cpu0  exits.intr    100000", "cpu0  tlbMisses          3", ""].join("\n"),
  );
});

test("nothing counted is nothing said", () => assert.equal(formatStats({ machine: {}, cpus: [] }), ""));
