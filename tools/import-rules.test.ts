import assert from "node:assert/strict";
import { test } from "node:test";
import { checkImports, importsOf, type Source } from "./import-rules.js";

const messages = (...sources: Source[]) => checkImports(sources).map(({ file, message }) => `${file} ${message}`);
const source = (path: string, ...imports: string[]): Source => ({
  path,
  text: imports.map((name) => `import { a } from "${name}";\n`).join(""),
});

test("imports of every form are found, those in comments and strings are not", () => {
  const text = [
    'import a from "./a.js";',
    'import type { B } from "./b.js";',
    'import {\n  c,\n} from "./c.js";',
    'export * from "./d.js";',
    'export { e } from "./e.js";',
    'import "./f.js";',
    'const g = await import("./g.js");',
    '// import h from "./h.js";',
    '/* import i from "./i.js"; */',
    'const text = `import j from "./j.js";`;',
    'const from = "x"; export const k = 1;',
  ].join("\n");
  assert.deepEqual(importsOf(text), ["./a.js", "./b.js", "./c.js", "./d.js", "./e.js", "./f.js", "./g.js"]);
});

test("what the table allows passes", () => {
  assert.deepEqual(
    messages(
      source("src/base/bits.ts"),
      source("src/kvm/vm.ts", "../base/bits.js", "./vcpu.js"),
      source("src/kvm/vcpu.ts"),
      source(
        "src/arch/powerpc/engines/region-recorder.ts",
        "./layout.js",
        "../isa/insn.js",
        "../../../wasm/encoder.js",
      ),
      source("src/vmm/machines/pseries.ts", "../../arch/powerpc/uapi.js", "../../kvm/uapi.js"),
      source("src/cli/run.ts", "../kernel.js", "node:fs", "../../guests/index.js"),
      source("src/kernel/module-list.ts", "../arch/powerpc/module.js", "../vac/module.js"),
      source("src/kvm/node/worker.ts", "node:worker_threads"),
    ),
    [],
  );
});

test("a violation of each kind is found", () => {
  const cases: [Source, RegExp][] = [
    [source("src/base/bits.ts", "../kvm/vm.js"), /may not import src\/kvm\/vm/],
    [source("src/kvm/vm.ts", "../arch/powerpc/arch.js"), /may not import src\/arch/],
    [source("src/arch/powerpc/isa/insn.ts", "../../../wasm/encoder.js"), /may not import src\/wasm/],
    [source("src/engine/interpret/a.ts", "../translate/b.js"), /may not import .*\/translate\/b/],
    [source("src/engine/runtime/a.as.ts", "../../arch/powerpc/mmu/b.as"), /may not import src\/arch/],
    [source("src/arch/powerpc/mmu/a.as.ts", "../../../engine/runtime/b.as", "../../../engine/c.js"), /import .*\/c/],
    [source("src/arch/powerpc/papr/rtas.ts", "../engines/a.js"), /may not import .*\/engines\/a/],
    [source("src/arch/powerpc/mmu/radix.ts", "../../x86/isa/registers.js"), /may not import src\/arch\/x86/],
    [source("src/arch/powerpc/mmu/radix.as.ts", "../engines/region"), /may not import .*\/engines\/region/],
    [source("src/vmm/core/vm.ts", "../../kvm/vm.js"), /may not import src\/kvm\/vm/],
    [source("src/cli/run.ts", "../engine/translate/index.js"), /may not import/],
    // kernel.ts is the one door to kvm.
    ...["cli/run.ts", "node/worker.ts", "web/worker.ts", "vmm/run.ts"].map((file): [Source, RegExp] => [
      source(`src/${file}`, "../arch/powerpc/module.js"),
      /may not import src\/arch/,
    ]),
    // The table of machines is all that anyone above knows of them.
    ...["cli/run.ts", "node/platform.ts", "web/vcpu-worker.ts"].map((file): [Source, RegExp] => [
      source(`src/${file}`, "../vmm/machines/pseries/vcpu-side.js"),
      /may not import src\/vmm\/machines\/pseries/,
    ]),
    [source("src/kernel.ts", "./arch/powerpc/module/init.js"), /may not import/],
    [source("src/kernel/attach.ts", "../kvm/vm.js"), /may not import src\/kvm/],
    [source("src/vmm/core/vm.ts", "node:fs"), /may not import node:fs/],
    [{ path: "src/vmm/core/vm.ts", text: "process.exit(1);" }, /may not use process\.exit/],
    [{ path: "src/vmm/core/vm.ts", text: "document.body" }, /may not use document/],
    [source("elsewhere/a.ts", "../src/kvm/vm.js"), /may not import/],
  ];
  for (const [one, expected] of cases) {
    const found = messages(one);
    assert.equal(found.length, 1, `${one.path}: ${found.join("; ")}`);
    assert.match(found[0] ?? "", expected);
  }
});

test("a cycle is found and named", () => {
  const found = messages(
    source("src/base/a.ts", "./b.js"),
    source("src/base/b.ts", "./c.js"),
    source("src/base/c.ts", "./a.js"),
  );
  assert.deepEqual(found, [
    "src/base/a.ts is in an import cycle: src/base/a.ts -> src/base/b.ts -> src/base/c.ts -> src/base/a.ts",
  ]);
});

test("a cycle of any kind is found: of values, of types, of AssemblyScript", () => {
  const back = source("src/base/b.ts", "./a.js");
  const cases: [string, Source[]][] = [
    ["a file that imports itself", [{ path: "src/base/a.ts", text: 'import { a } from "./a.js";' }]],
    ["values", [{ path: "src/base/a.ts", text: 'import { b } from "./b.js";' }, back]],
    ["a value by await", [{ path: "src/base/a.ts", text: 'const b = await import("./b.js");' }, back]],
    ["a re-export", [{ path: "src/base/a.ts", text: 'export * from "./b.js";' }, back]],
    ["types", [{ path: "src/base/a.ts", text: 'import type { B } from "./b.js";' }, back]],
    ["a type among values", [{ path: "src/base/a.ts", text: 'import { b, type B } from "./b.js";' }, back]],
    ["types re-exported", [{ path: "src/base/a.ts", text: 'export type { B } from "./b.js";' }, back]],
    ["a type where it is used", [{ path: "src/base/a.ts", text: 'let b: import("./b.js").B;' }, back]],
    ["AssemblyScript", [source("src/base/a.as.ts", "./b.as"), source("src/base/b.as.ts", "./a.as")]],
    ["AssemblyScript and TypeScript", [source("src/base/a.as.ts", "./b"), source("src/base/b.ts", "./a.as.js")]],
    ["tests", [source("src/base/a.test-support.ts", "./b.js"), source("src/base/b.ts", "./a.test-support.js")]],
  ];
  for (const [kind, sources] of cases) {
    const found = messages(...sources);
    assert.ok(
      found.some((message) => message.includes("is in an import cycle")),
      `${kind}: ${found.join("; ")}`,
    );
  }
});

test("what stands for an architecture's own file leads to each of them", () => {
  const found = messages(
    source("src/engine/runtime/a.as.ts", "./arch.target", "./layout.target"),
    source("src/arch/powerpc/engines/runtime/target.as.ts", "../../mmu/b.as"),
    source("src/arch/powerpc/mmu/b.as.ts", "../../../engine/runtime/a.as"),
    source("test/engines/tiny/runtime/target.as.ts"),
  );
  assert.equal(found.length, 1);
  assert.match(
    found[0] ?? "",
    /is in an import cycle: .*runtime\/a\.as\.ts -> .*powerpc.*target\.as\.ts -> .*b\.as\.ts/,
  );
});

test("imports of types are held to the table", () => {
  const types = (path: string, name: string) => ({ path, text: `import type { A } from "${name}";` });
  assert.match(messages(types("src/base/a.ts", "../kvm/b.js")).join(), /may not import/);
});

test("a test beside its file may import anything", () => {
  assert.deepEqual(messages(source("src/base/bits.test.ts", "../arch/powerpc/isa/insn.js", "node:test")), []);
});
