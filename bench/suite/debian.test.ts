import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { entriesOf } from "./debian.js";

test("a disk has the packages' files but for what is left out, parents first, a second name as a link", () => {
  const root = mkdtempSync(join(tmpdir(), "unikvm-debian-"));
  try {
    for (const folder of ["usr/bin", "usr/share/icons", "usr/lib64", "lib"]) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    writeFileSync(join(root, "usr/bin/program"), "code", { mode: 0o755 });
    linkSync(join(root, "usr/bin/program"), join(root, "usr/bin/program5.4"));
    symlinkSync("program", join(root, "usr/bin/alias"));
    writeFileSync(join(root, "usr/share/icons/one"), "");
    writeFileSync(join(root, "usr/shared"), "");
    const entries = entriesOf(root, ["usr/share", "usr/bin/nothing"]);
    assert.deepEqual(
      entries.map((entry) => `${entry.path} ${entry.type}${entry.type === "link" ? ` ${entry.target}` : ""}`),
      [
        "lib directory",
        "usr directory",
        "usr/bin directory",
        "usr/bin/alias link program",
        "usr/bin/program file",
        "usr/bin/program5.4 link /usr/bin/program",
        "usr/lib64 directory",
        "usr/shared file",
        // A merged /usr: the loader is still found.
        "lib64 link usr/lib64",
      ],
    );
    assert.ok(entries.some((entry) => entry.path === "usr/bin/program" && "mode" in entry && entry.mode === 0o755));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
