/** The documents against the tree: what they name is there, and what is there they name. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const documents = [
  ...["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

test("the README's picture has every floor of the house, and no other", () => {
  const [, picture = ""] = /## The floors\n.*?```\n(.*?)```/s.exec(read("README.md")) ?? [];
  const drawn = picture.split("\n").flatMap((line) => line.slice(0, 22).match(/[a-z]+/g) ?? []);
  const built = readdirSync(join(root, "src"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  assert.deepEqual([...drawn].sort(), built.sort());
});

test("ARCHITECTURE.md's tree names every folder of an architecture and of the user side", () => {
  const text = read("ARCHITECTURE.md");
  for (const folder of ["src", "src/arch", "src/arch/powerpc", "src/vmm", "src/engine"]) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (!entry.isDirectory() || ["node", "browser"].includes(entry.name)) continue;
      assert.match(text, new RegExp(`\\b${entry.name}/`), `${folder}/${entry.name}`);
    }
  }
});

test("every document is in the index", () => {
  const index = read("docs/README.md");
  const listed = documents.filter((path) => /^docs\/[^/]+\.md$/.test(path) && path !== "docs/README.md");
  for (const path of listed) assert.ok(index.includes(`](${path.slice("docs/".length)})`), path);
});

test("every link of a document leads to a file", () => {
  for (const path of documents) {
    for (const [, target = ""] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?:|#)/.test(target)) continue;
      const file = join(dirname(path), target.replace(/#.*/, ""));
      assert.ok(existsSync(join(root, file)), `${path}: ${target}`);
    }
  }
});
