import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bundleExits, links } from "./exits-links.js";

test("M13: a guest that only exits runs with the calls linked in each way", async () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-exits-"));
  try {
    for (const link of links) {
      const program = await bundleExits(link, folder);
      for (const implementation of ["hv", "pr"]) {
        const { stdout, stderr } = spawnSync(process.execPath, [program, implementation, "500"], { encoding: "utf8" });
        assert.match(stdout, /^\{"user":[1-9][0-9.]*,"kernel":[1-9][0-9.]*\}$/m, `${link}: ${stderr}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
