import assert from "node:assert/strict";
import { test } from "node:test";
import { unusedImports } from "./unused-imports.js";

const unused = (text: string, path = "src/a/b.as.ts"): readonly string[] =>
  unusedImports({ path, text }).map(({ file, message }) => `${file} ${message}`);
const of = (...names: readonly string[]): readonly string[] =>
  names.map((name) => `src/a/b.as.ts imports ${name} and does not use it`);

test("what is imported and not used is found, renamed or on lines of its own", () => {
  assert.deepEqual(unused('import { a, b } from "./c.as";\nexport const d = a;'), of("b"));
  assert.deepEqual(
    unused('import {\n  a,\n  b as c,\n} from "./d.as";\nimport { e } from "./e.as";\nb();'),
    of("a", "c", "e"),
  );
  assert.deepEqual(unused('import { a, ab } from "./c.as";\nab();'), of("a"));
});

test("comments, strings and members are no use of it; types, re-exports and calls are", () => {
  assert.deepEqual(unused('import { a, b, c } from "./d.as";\n// a\n/* b */ "c"; `c`; x.a;'), of("a", "b", "c"));
  assert.deepEqual(
    unused('import { a, B, c, d } from "./e.as";\na();\nlet x: B = load<B>(0);\nexport { c };\n@d\nlet y = 1;'),
    [],
  );
});

test("other files are the linter's", () => {
  assert.deepEqual(unused('import { a } from "./b.js";', "src/a/b.ts"), []);
});
