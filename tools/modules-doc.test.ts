import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const doc = join(root, "docs", "modules.md");

/** Rows that no test can speak for yet. */
const open = new Set<string>();

interface Named {
  readonly file: string;
  readonly title: string;
}

/** The rows of the table: their numbers, and the tests that their last cells name. */
function rows(text: string): Map<string, readonly Named[]> {
  const found = new Map<string, readonly Named[]>();
  for (const [, number = "", cell = ""] of text.matchAll(/^\| (M\d+) \|.*\|([^|]*)\|$/gm)) {
    const named = [...cell.matchAll(/\[[^\]]*\]\(([^)]*)\)((?: "[^"]*",?)+)/g)].flatMap(([, link = "", titles = ""]) =>
      [...titles.matchAll(/"([^"]*)"/g)].map(([, title = ""]) => ({ file: join(dirname(doc), link), title })),
    );
    found.set(number, named);
  }
  return found;
}

/** The titles of a file's tests, with what is filled in shown as "…". */
function titles(file: string): Set<string> {
  const text = readFileSync(file, "utf8");
  return new Set(
    [...text.matchAll(/\btest\(\s*(?:"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g)].map(([, plain, template = ""]) =>
      plain !== undefined ? plain.replace(/\\(.)/g, "$1") : template.replace(/\$\{[^}]*\}/g, "…"),
    ),
  );
}

test("docs/how-to-write-a-module.md shows the example as it is", () => {
  const text = readFileSync(join(root, "docs", "how-to-write-a-module.md"), "utf8");
  for (const name of ["package.json", "hcalls.js", "module.js"]) {
    const file = readFileSync(join(root, "docs", "examples", "unikvm-checksum", name), "utf8");
    assert.ok(text.includes(`\n${file}\`\`\`\n`), name);
  }
});

test("every row of docs/modules.md but those still open names tests, and all of them exist", () => {
  const found = rows(readFileSync(doc, "utf8"));
  assert.deepEqual(
    [...found.keys()],
    Array.from({ length: 20 }, (_, i) => `M${i + 1}`),
  );
  for (const [number, named] of found) {
    assert.equal(named.length === 0, open.has(number), `${number} names ${named.length} tests`);
    for (const { file, title } of named)
      assert.ok(titles(file).has(title), `${number}: ${file} has no test "${title}"`);
  }
});
