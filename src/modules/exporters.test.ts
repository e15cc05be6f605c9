import assert from "node:assert/strict";
import { test } from "node:test";
import { conflictMessages, formatDep, formatSymbols } from "./depfiles.js";
import { type Graph, type GraphExport, type GraphModule, resolve } from "./graph.js";

type Rough = Partial<Omit<GraphModule, "exports">> & { readonly exports?: readonly (string | GraphExport)[] };

const module = (name: string, { exports = [], ...rough }: Rough = {}): GraphModule => ({
  path: `${name}.ko`,
  imports: [],
  aliases: [],
  softdeps: [],
  ...rough,
  name,
  exports: exports.map((one) => (typeof one === "string" ? { name: one, gplOnly: false } : one)),
});
const said = (graph: Graph) => conflictMessages(graph, ({ name }) => name);
const lines = (...modules: GraphModule[]) => formatDep(resolve(modules)).split("\n");
const depsOf = (graph: Graph, user: GraphModule) => graph.dependencies(user).map(({ name }) => name);

const foo = module("foo", { exports: ["shared_sym", "only_foo"] });
const bar = module("bar", { exports: ["shared_sym", "only_bar"] });
const user = module("user", { imports: ["shared_sym", "only_bar"] });

test("M11: the exporter that is needed anyway provides, in whatever order", () => {
  for (const order of [
    [foo, bar, user],
    [bar, foo, user],
    [user, foo, bar],
  ]) {
    const graph = resolve(order);
    assert.deepEqual(depsOf(graph, user), ["bar"]);
    assert.deepEqual(graph.direct(user), [bar]);
    assert.equal(graph.provider(user, "shared_sym"), bar);
    assert.deepEqual(graph.conflicts, []);
    // Who asks for the symbol alone gets the first.
    assert.match(
      formatSymbols(graph),
      new RegExp(`^alias symbol:shared_sym ${order.find((one) => one !== user)?.name}$`, "m"),
    );
  }
  const below = module("below", { exports: ["below"], imports: ["only_bar"] });
  const above = module("above", { imports: ["shared_sym", "below"] });
  assert.equal(lines(foo, bar, below, above)[3], "above.ko: below.ko bar.ko", "also for what it needs itself");
  const served = module("served", { exports: ["served"], imports: ["shared_sym"] });
  const both = module("both", { imports: ["served", "only_bar"] });
  assert.deepEqual(
    lines(foo, bar, served, both).slice(2, 4),
    ["served.ko: foo.ko", "both.ko: served.ko bar.ko"],
    "what is needed gets the exporter that is there for another",
  );
});

test("M11: what depends= names provides, unless that could not be loaded", () => {
  const needs = (imports: string[], ...depends: string[]) => module("needs", { imports, depends });
  assert.equal(lines(foo, bar, needs(["shared_sym"]))[2], "needs.ko: foo.ko");
  assert.equal(lines(foo, bar, needs(["shared_sym"], "other", "bar"))[2], "needs.ko: bar.ko");
  const dashed = module("b_r", { exports: ["shared_sym"] });
  assert.equal(lines(foo, dashed, needs(["shared_sym"], "b-r"))[2], "needs.ko: b_r.ko");
  assert.equal(lines(foo, bar, needs(["shared_sym", "only_bar"], "foo"))[2], "needs.ko: bar.ko");
});

test("M11: an exporter that would not be given to the importer is none", () => {
  const gpl = module("gpl", { exports: [{ name: "s", gplOnly: true }] });
  const spaced = module("spaced", { exports: [{ name: "s", gplOnly: false, namespace: "NS" }] });
  const named = module("named", { exports: [{ name: "s", gplOnly: false, namespace: "module:friend" }] });
  const other = module("other", { exports: [{ name: "s", gplOnly: false, crc: 2 }] });
  const free = module("free", { exports: [{ name: "s", gplOnly: false, crc: 1 }] });
  const of = (more: Rough, ...exporters: GraphModule[]) =>
    lines(...exporters, module("user", { imports: ["s"], ...more })).at(-2);
  assert.equal(of({ license: "Proprietary" }, gpl, free), "user.ko: free.ko");
  assert.equal(of({ license: "GPL" }, gpl, free), "user.ko: gpl.ko");
  assert.equal(of({ importNamespaces: [] }, spaced, named, free), "user.ko: free.ko");
  assert.equal(of({ importNamespaces: ["NS"] }, spaced, free), "user.ko: spaced.ko");
  assert.equal(of({ importCrcs: new Map([["s", 1]]) }, other, free), "user.ko: free.ko");
  assert.equal(of({ license: "Proprietary" }, gpl), "user.ko: gpl.ko", "without another the loader says so");
});

test("M11: where no choice can be loaded, the symbol and both exporters are named, once", () => {
  const torn = module("torn", { imports: ["only_foo", "only_bar", "shared_sym"], exports: ["torn"] });
  const above = module("above", { imports: ["torn"] });
  const graph = resolve([foo, bar, torn, above]);
  assert.deepEqual(said(graph), ["torn cannot be loaded: it needs foo and bar, which both export shared_sym"]);
  assert.deepEqual(depsOf(graph, torn).sort(), ["bar", "foo"]);
  const rival = module("rival", { exports: ["shared_sym"], imports: ["only_foo"] });
  assert.deepEqual(said(resolve([foo, rival])), ["rival cannot be loaded: it needs foo, and both export shared_sym"]);
});

test("M11: a choice that leads nowhere is taken back", () => {
  const all = [
    module("a", { exports: ["one"], imports: ["below_a"] }),
    module("b", { exports: ["one"] }),
    module("below_a", { exports: ["below_a", "three"] }),
    module("c", { exports: ["two", "three"] }),
    module("d", { exports: ["two", "three"] }),
  ];
  const user = module("user", { imports: ["one", "two"] });
  const graph = resolve([...all, user]);
  assert.deepEqual(depsOf(graph, user).sort(), ["b", "c"]);
  assert.deepEqual(said(graph), []);
});

test("M11: what is loaded provides before the list, and keeps out who exports the same", () => {
  const graph = resolve([foo, bar, user]);
  const only = module("x", { imports: ["shared_sym"] });
  const more = resolve([foo, bar, only]);
  const loaded = (...modules: GraphModule[]) => ({
    has: (one: GraphModule) => modules.includes(one),
    exports: (symbol: string) => modules.some(({ exports }) => exports.some(({ name }) => name === symbol)),
  });
  assert.deepEqual(more.missing(only, loaded()), [foo]);
  assert.deepEqual(more.missing(only, loaded(bar)), []);
  assert.deepEqual(graph.missing(user, loaded(bar)), []);
  const pick = module("pick", { imports: ["s"] });
  const [first, second] = [module("first", { exports: ["s", "shared_sym"] }), module("second", { exports: ["s"] })];
  assert.deepEqual(resolve([foo, first, second, pick]).missing(pick, loaded(foo)), [second]);
});

test("a namespace among the names of exports is no duplicate; the last that has it answers for it, as depmod's", () => {
  const text = (name: string): GraphExport => ({ name, gplOnly: false, textOnly: true });
  const one = module("one", { exports: ["f", text("NS")] });
  const two = module("two", { exports: ["g", text("NS"), text("f")] });
  const graph = resolve([one, two, module("user", { imports: ["f", "g"] })]);
  assert.deepEqual([graph.duplicates, graph.conflicts], [[], []]);
  assert.equal(graph.symbols.get("NS"), two);
  assert.equal(graph.symbols.get("f"), one, "an export goes before a text");
});

test("modules that all export and need the same are told in bounded time", () => {
  const names = Array.from({ length: 1500 }, (_, index) => `m${index}`);
  const graph = resolve(names.map((name) => module(name, { exports: ["s", name], imports: ["s", "m0", "m1"] })));
  assert.equal(graph.duplicates.length, names.length - 1);
});

/** Numbers from a seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Whether the kernel would load these one after the other. */
function loads(order: readonly GraphModule[], known: ReadonlySet<string>): boolean {
  const exported = new Set<string>();
  for (const { imports, exports } of order) {
    if (imports.some((symbol) => known.has(symbol) && !exported.has(symbol))) return false;
    if (exports.some(({ name }) => exported.has(name))) return false;
    for (const { name } of exports) exported.add(name);
  }
  return true;
}

/** Whether some of the modules can be loaded, in some order, with the root at last. */
function loadable(modules: readonly GraphModule[], root: GraphModule, known: ReadonlySet<string>): boolean {
  const tried = new Set<string>();
  const go = (loaded: readonly GraphModule[]): boolean => {
    const key = loaded
      .map(({ name }) => name)
      .sort()
      .join();
    if (tried.has(key)) return false;
    tried.add(key);
    if (loads([...loaded, root], known)) return true;
    return modules.some(
      (one) => one !== root && !loaded.includes(one) && loads([...loaded, one], known) && go([...loaded, one]),
    );
  };
  return go([]);
}

test("M11: on random trees a set that can be loaded is found if there is one, and loads in the order given", (t) => {
  let [solved, torn] = [0, 0];
  for (let seed = 1; seed <= 400; seed++) {
    const random = randomFrom(seed);
    const count = 5 + random(3);
    const modules = Array.from({ length: count }, (_, index) =>
      module(`m${index}`, {
        exports: [...new Set(Array.from({ length: 1 + random(2) }, () => `s${random(6)}`))],
        // Of those that lie higher, so that most have no loops.
        imports: [...new Set(Array.from({ length: random(3) }, () => `s${random(6)}`))],
      }),
    ).map((one) => ({ ...one, imports: one.imports.filter((s) => !one.exports.some(({ name }) => name === s)) }));
    const known = new Set(modules.flatMap(({ exports }) => exports.map(({ name }) => name)));
    const graph = resolve(modules);
    for (const root of modules) {
      const order = graph.missing(root, { has: () => false, exports: () => false });
      const works = order !== undefined && loads([...order, root], known);
      assert.equal(
        works,
        loadable(modules, root, known),
        `seed ${seed}, ${root.name}: ${order?.map((one) => one.name)}`,
      );
      if (works) solved++;
      else torn++;
      if (graph.cyclic === 0) assert.equal(loads([...graph.dependencies(root)].reverse().concat(root), known), works);
    }
  }
  t.diagnostic(`${solved} could be loaded, ${torn} could not`);
  assert.ok(solved > 100 && torn > 100);
});
