import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cycleMessages,
  formatAlias,
  formatDep,
  formatDevname,
  formatSoftdep,
  formatSymbols,
  formatWeakdep,
  problemMessages,
} from "./depfiles.js";
import { type GraphModule, resolve } from "./graph.js";

type Rough = Partial<Omit<GraphModule, "exports">> & { readonly exports?: readonly string[] };

const module = (name: string, rough: Rough = {}): GraphModule => ({
  path: `kernel/${name}.ko`,
  imports: [],
  aliases: [],
  softdeps: [],
  ...rough,
  name,
  exports: (rough.exports ?? []).map((symbol) => ({ name: symbol, gplOnly: false })),
});

test("modules.dep lists all that a module needs, users before the used", () => {
  const graph = resolve([
    module("bus", { exports: ["bus_register"] }),
    module("card", { imports: ["ring_add", "bus_register"] }),
    module("ring", { exports: ["ring_add"], imports: ["bus_register"] }),
  ]);
  assert.equal(
    formatDep(graph),
    "kernel/bus.ko:\nkernel/card.ko: kernel/ring.ko kernel/bus.ko\nkernel/ring.ko: kernel/bus.ko\n",
  );
});

test("the first exporter in modules.order provides a symbol, for whoever asks", () => {
  const first = module("first", { exports: ["shared"] });
  const second = module("second", { exports: ["shared"] });
  const user = module("user", { imports: ["shared"] });
  const graph = resolve([first, second, user]);
  assert.deepEqual(graph.duplicates, [{ symbol: "shared", owner: first, other: second }]);
  assert.equal(graph.symbols.get("shared"), first);
  assert.deepEqual(graph.direct(user), [first]);
  assert.equal(formatDep(graph).split("\n")[2], "kernel/user.ko: kernel/first.ko");
  assert.match(formatSymbols(graph), /^alias symbol:shared first$/m);
});

test("a module that exports one symbol twice shares it with nobody", () => {
  assert.deepEqual(resolve([module("one", { exports: ["x", "x"] })]).duplicates, []);
});

test("a module may use what it exports itself", () => {
  const graph = resolve([module("self", { exports: ["x"], imports: ["x"] })]);
  assert.deepEqual(cycleMessages(graph), ["Cycle detected: self -> self", "Found 1 modules in dependency cycles!"]);
});

test("loops are reported and their graph has no order", () => {
  const a = module("a", { exports: ["fa"], imports: ["fb"] });
  const b = module("b", { exports: ["fb"], imports: ["fc"] });
  const c = module("c", { exports: ["fc"], imports: ["fa", "leaf"] });
  const leaf = module("leaf", { exports: ["leaf"] });
  const graph = resolve([a, b, c, leaf]);
  assert.deepEqual(cycleMessages(graph), ["Cycle detected: a -> b -> c -> a", "Found 3 modules in dependency cycles!"]);
  assert.throws(() => graph.dependencies(a), /cycles/);
});

test("a loop that does not come back to where the search began ends", () => {
  const top = module("top", { exports: ["top"], imports: ["x"] });
  const x = module("x", { exports: ["x"], imports: ["y", "top"] });
  const y = module("y", { exports: ["y"], imports: ["z"] });
  const z = module("z", { exports: ["z"], imports: ["y"] });
  assert.deepEqual(cycleMessages(resolve([top, x, y, z])), [
    "Cycle detected: top -> x -> top",
    "Cycle detected: y -> z -> y",
    "Found 4 modules in dependency cycles!",
  ]);
});

test("many modules that all need one another are told in bounded time", () => {
  const names = Array.from({ length: 400 }, (_, index) => `m${index}`);
  const graph = resolve(names.map((name) => module(name, { exports: [name], imports: names })));
  assert.equal(graph.cyclic, names.length);
});

test("two modules of one name are refused", () => {
  assert.throws(() => resolve([module("twin"), module("twin")]), /two modules are named twin/);
});

test("-e reports what nobody exports, and versions that differ, but no weak symbol", () => {
  const provider = module("provider", { exports: [] });
  const versioned: GraphModule = { ...provider, exports: [{ name: "versioned", gplOnly: true, crc: 1 }] };
  const user = module("user", {
    imports: ["versioned", ".known", "absent", "maybe", "__this_module", ".TOC."],
    weakImports: new Set(["maybe"]),
    importCrcs: new Map([["versioned", 2]]),
  });
  const kernelSymbols = new Map([["known", undefined]]);
  const graph = resolve([versioned, user], { kernelSymbols });
  assert.deepEqual(
    problemMessages(graph, ({ path }) => `/tree/${path}`),
    [
      "/tree/kernel/user.ko disagrees about version of symbol versioned",
      "/tree/kernel/user.ko needs unknown symbol absent",
    ],
  );
  assert.deepEqual(resolve([versioned, user]).problems, [], "without the kernel's symbols nothing is known to miss");
});

test("a module replaces the kernel's symbol of the same name, and an ABI's prefix is not part of a name", () => {
  const provider = module("provider", { exports: ["_f"] });
  const user = module("user", { imports: ["._f", "_g"] });
  const graph = resolve([provider, user], { kernelSymbols: new Map([["f", 1]]), symbolPrefix: "_" });
  assert.deepEqual(graph.direct(user), [provider]);
  assert.deepEqual(graph.problems, [{ module: user, symbol: "_g", kind: "unknown" }]);
});

test("aliases, soft and weak dependencies keep the modules' own order", () => {
  const graph = resolve([
    module("zeta", { aliases: ["pci:v*", "char-major-10-200", "devname:net/tun"], softdeps: ["pre: a"] }),
    module("alpha", { aliases: ["of:N*"], weakdeps: ["zeta"] }),
  ]);
  assert.equal(
    formatAlias(graph),
    "# Aliases extracted from modules themselves.\nalias pci:v* zeta\nalias char-major-10-200 zeta\nalias devname:net/tun zeta\nalias of:N* alpha\n",
  );
  assert.equal(formatSoftdep(graph), "# Soft dependencies extracted from modules themselves.\nsoftdep zeta pre: a\n");
  assert.equal(formatWeakdep(graph), "# Weak dependencies extracted from modules themselves.\nweakdep alpha zeta\n");
  assert.equal(formatDevname(graph), "# Device nodes to trigger on-demand module loading.\nzeta net/tun c10:200\n");
});

test("a device name without a number is left out and told", () => {
  const told: string[] = [];
  const graph = resolve([
    module("odd", { aliases: ["devname:odd"] }),
    module("disk", { aliases: ["block-major-7-1x"] }),
  ]);
  assert.equal(
    formatDevname(graph, (...what) => told.push(what.join(" "))),
    "",
  );
  assert.deepEqual(told, ["odd odd"]);
});
