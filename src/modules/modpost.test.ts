import assert from "node:assert/strict";
import { test } from "node:test";
import { declareSymbol, defineModule, exportSymbol } from "./define-module.js";
import { formatDep, formatSymbols } from "./depfiles.js";
import { resolve } from "./graph.js";
import { ModuleLoader } from "./loader.js";
import { graphModule, modinfo } from "./modinfo.js";
import { type BuiltModule, formatSymvers, modpost } from "./modpost.js";
import { ModuleTree } from "./tree.js";

const sym = declareSymbol<string>("sym");
const path = (name: string) => `kernel/${name}.js`;
const built = (definition: BuiltModule["definition"], more = {}): BuiltModule => ({
  path: path(definition.name),
  definition,
  ...more,
});
const exporter = (name: string, terms = {}) =>
  defineModule({
    name,
    description: name,
    license: "MIT",
    inTree: true,
    exports: { it: exportSymbol(sym, terms) },
    init: () => ({ it: name }),
  });
const importer = (name: string, more = {}) =>
  defineModule({
    name,
    description: name,
    license: "MIT",
    inTree: true,
    ...more,
    imports: { it: sym },
    init: ({ imports }) => imports.it,
  });

test("a build that is sound leaves the kernel's files", () => {
  const kvm = importer("kvm", { aliases: ["kvm-hv", "kvm-pr"], softdeps: { pre: ["a", "b"], post: ["c"] } });
  const { errors, files } = modpost([built(kvm), built(exporter("vac", { gplOnly: true, namespace: "module:kvm" }))]);
  assert.deepEqual(errors, []);
  assert.deepEqual(Object.fromEntries(files), {
    "Module.symvers": "0x00000000\tsym\tkernel/vac\tEXPORT_SYMBOL_GPL\tmodule:kvm\n",
    "modules.order": "kernel/kvm.js\nkernel/vac.js\n",
    "modules.builtin": "",
    "modules.builtin.modinfo": "",
    "modules.dep": "kernel/kvm.js: kernel/vac.js\nkernel/vac.js:\n",
    "modules.alias": "# Aliases extracted from modules themselves.\nalias kvm-hv kvm\nalias kvm-pr kvm\n",
    "modules.symbols": "# Aliases for symbols, used by symbol_request().\nalias symbol:sym vac\n",
    "modules.softdep": "# Soft dependencies extracted from modules themselves.\nsoftdep kvm pre: a b post: c\n",
  });
});

test("what is built in says of itself what the kernel's build leaves there", () => {
  const params = { n: { type: "uint", default: 1, description: "How often" } } as const;
  const more = { version: "1.2", author: "A", aliases: ["kvm-hv"], softdeps: { pre: ["a"] }, params };
  const { files } = modpost([
    built(exporter("v-ac"), { builtIn: true }),
    built(importer("kvm", more), { builtIn: true }),
  ]);
  assert.deepEqual(files.get("modules.builtin.modinfo")?.split("\0"), [
    "v_ac.description=v-ac",
    "v_ac.file=kernel/v-ac",
    "v_ac.license=MIT",
    "kvm.version=1.2",
    "kvm.description=kvm",
    "kvm.author=A",
    "kvm.file=kernel/kvm",
    "kvm.license=MIT",
    "kvm.alias=kvm-hv",
    "kvm.softdep=pre: a",
    "kvm.parm=n:How often",
    "kvm.parmtype=n:uint",
    "",
  ]);
  // Read back as any kernel's.
  const tree = new ModuleTree("", { dep: "", builtinModinfo: files.get("modules.builtin.modinfo") ?? "" });
  assert.deepEqual(tree.builtinsWithAlias("kvm_hv"), ["kvm"]);
});

test("nothing depends on what is built in", () => {
  const { errors, files } = modpost([built(importer("kvm")), built(exporter("vac"), { builtIn: true })]);
  assert.deepEqual(errors, []);
  assert.equal(files.get("modules.dep"), "kernel/kvm.js:\n");
  assert.equal(files.get("modules.builtin"), "kernel/vac.js\n");
  assert.equal(files.get("modules.builtin.modinfo"), "vac.description=vac\0vac.file=kernel/vac\0vac.license=MIT\0");
  assert.equal(files.get("modules.order"), "kernel/kvm.js\n");
  assert.equal(files.get("Module.symvers"), "0x00000000\tsym\tvmlinux\tEXPORT_SYMBOL\t\n");
});

test("M9: a symbol that two modules export fails the build, naming both, and nothing is left", () => {
  const { errors, files } = modpost([built(exporter("foo")), built(importer("user")), built(exporter("bar"))]);
  assert.deepEqual(errors, ["modpost: bar: 'sym' exported twice. Previous export was in foo"]);
  assert.equal(files.size, 0);
});

test("M11: everything names the first exporter in modules.order", async () => {
  for (const [first, second] of [
    ["foo", "bar"],
    ["bar", "foo"],
  ] as const) {
    const definitions = [importer("user"), exporter(first), exporter(second)];
    const graph = resolve(definitions.map((definition) => graphModule(definition, path(definition.name))));
    // The build check names the owner, and so do the files that it would leave.
    const { errors } = modpost(definitions.map((definition) => built(definition)));
    assert.deepEqual(errors, [`modpost: ${second}: 'sym' exported twice. Previous export was in ${first}`]);
    assert.equal(formatSymvers(graph), `0x00000000\tsym\tkernel/${first}\tEXPORT_SYMBOL\t\n`);
    assert.match(formatDep(graph), new RegExp(`^kernel/user.js: kernel/${first}.js$`, "m"));
    assert.match(formatSymbols(graph), new RegExp(`^alias symbol:sym ${first}$`, "m"));
    // And what is loaded in the end.
    const loader = new ModuleLoader(definitions);
    assert.deepEqual(loader.showDepends("user"), [first, "user"]);
    await loader.modprobe("user");
    assert.equal(loader.offer("user"), first);
  }
});

test("M9, M11: alternatives may export the same; who imports gets the one with which it can be loaded", () => {
  const other = declareSymbol<string>("only_bar");
  const foo = { ...exporter("foo"), alternative: "foo-bar" };
  const bar = { ...exporter("bar"), alternative: "foo-bar" };
  const more = { ...bar, exports: { ...bar.exports, other: exportSymbol(other) } };
  const needs = (imports: BuiltModule["definition"]["imports"] & {}) => ({ ...importer("user"), imports });
  const user = needs({ it: sym, other });
  const { errors, warnings, files } = modpost([foo, more, user].map((definition) => built(definition)));
  assert.deepEqual([errors, warnings], [[], []]);
  assert.equal(files.get("modules.dep"), "kernel/foo.js:\nkernel/bar.js:\nkernel/user.js: kernel/bar.js\n");
  assert.deepEqual(new ModuleLoader([foo, more, user]).showDepends("user"), ["bar", "user"]);
  const mine = declareSymbol<string>("only_foo");
  const both = { ...foo, exports: { ...foo.exports, mine: exportSymbol(mine) } };
  const torn = modpost([both, more, needs({ mine, other })].map((definition) => built(definition)));
  assert.deepEqual(
    [torn.errors, torn.warnings],
    [[], ["modpost: user cannot be loaded: it needs foo and bar, which both export sym"]],
  );
  const stranger = { ...bar, alternative: "another" };
  assert.deepEqual(modpost([foo, stranger].map((definition) => built(definition))).errors, [
    "modpost: bar: 'sym' exported twice. Previous export was in foo",
  ]);
});

test("M15: an export limited to named modules is refused to others at build", () => {
  const vac = exporter("vac", { namespace: "module:kvm,kvm-*" });
  const check = (importing: BuiltModule["definition"]) => modpost([built(vac), built(importing)]).errors;
  for (const name of ["kvm", "kvm-hv", "kvm_pr"]) assert.deepEqual(check(importer(name)), []);
  for (const name of ["vfio", "kvmx", "xkvm"]) {
    assert.deepEqual(check(importer(name)), [
      `modpost: module ${name} uses symbol sym from namespace module:kvm,kvm-*, but does not import it.`,
    ]);
  }
  assert.deepEqual(check(importer("kvm", { importNamespaces: ["module:kvm,kvm-*"] })), [
    "modpost: module kvm tries to import module namespace: module:kvm,kvm-*",
  ]);
});

test("what nobody exports, a licence that does not fit, a name given twice and a loop are errors", () => {
  assert.deepEqual(modpost([built(importer("user"))]).errors, [`modpost: "sym" [user] undefined!`]);
  const gpl = built(exporter("foo", { gplOnly: true }));
  assert.deepEqual(modpost([gpl, built(importer("user", { license: "Proprietary" }))]).errors, [
    "modpost: GPL-incompatible module user uses GPL-only symbol 'sym'",
  ]);
  assert.deepEqual(modpost([gpl, built(importer("user", { license: "" }))]).errors, [
    "modpost: missing MODULE_LICENSE() in user",
    "modpost: GPL-incompatible module user uses GPL-only symbol 'sym'",
  ]);
  const twice = [built(exporter("kvm-hv")), built(importer("kvm_hv"))];
  assert.deepEqual(modpost(twice).errors, ["same module names found: kvm_hv (kernel/kvm_hv.js)"]);
  const back = declareSymbol<string>("back");
  const looped = { ...exporter("foo"), imports: { back } };
  const other = importer("user", { exports: { back: exportSymbol(back) } });
  assert.deepEqual(modpost([built(looped), built(other)]).errors, [
    "depmod: Cycle detected: foo -> user -> foo",
    "depmod: Found 2 modules in dependency cycles!",
  ]);
});

test("modinfo's fields are the kernel's", () => {
  const definition = importer("kvm-x", {
    version: "1.2",
    author: "A",
    aliases: ["x"],
    params: { n: { type: "uint", default: 1, description: "How many" } },
  });
  assert.deepEqual(modinfo(definition, ["vac"]), [
    ["version", "1.2"],
    ["description", "kvm-x"],
    ["author", "A"],
    ["license", "MIT"],
    ["alias", "x"],
    ["depends", "vac"],
    ["intree", "Y"],
    ["name", "kvm_x"],
    ["vermagic", "unikvm 0.1"],
    ["parm", "n:How many"],
    ["parmtype", "n:uint"],
  ]);
});
