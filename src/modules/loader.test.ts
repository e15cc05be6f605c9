import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { KvmError } from "../base/errors.js";
import { declareSymbol, defineModule, exportSymbol, type ModuleContext } from "./define-module.js";
import { ModuleLoader } from "./loader.js";

const simple = (name: string, more: object = {}) =>
  defineModule({ name, description: name, license: "MIT", inTree: true, init: () => name, ...more });
const names = (loader: ModuleLoader) => loader.lsmod().map(({ name }) => name);

/** A loader whose log is kept. */
function logging(...definitions: ConstructorParameters<typeof ModuleLoader>[0]) {
  const lines: string[] = [];
  return { lines, loader: new ModuleLoader(definitions, { log: (_, line) => lines.push(line) }) };
}

const bar = declareSymbol<(n: number) => number>("bar");
const exporter = (name: string, terms = {}, add = 1) =>
  defineModule({
    name,
    description: name,
    license: "MIT",
    inTree: true,
    exports: { bar: exportSymbol(bar, terms) },
    init: () => ({ bar: (n: number) => n + add }),
  });
const importer = (name: string, license = "MIT", more: { importNamespaces?: string[] } = {}) =>
  defineModule({
    name,
    description: name,
    license,
    inTree: true,
    imports: { bar },
    ...more,
    init: ({ imports }) => imports.bar(1),
  });

/** What makes a module need another: a symbol that only that one exports. */
const provides = (symbol: string) => ({
  exports: { it: exportSymbol(declareSymbol<number>(symbol)) },
  init: () => ({ it: 1 }),
});
const needs = (symbol: string) => ({ imports: { it: declareSymbol<number>(symbol) } });

test("dependencies come first and hold what they need", async () => {
  const order: string[] = [];
  const loader = new ModuleLoader([
    simple("a", { ...needs("b_it"), init: () => order.push("a") }),
    simple("b", {
      ...provides("b_it"),
      init: () => {
        order.push("b");
        return { it: 1 };
      },
    }),
  ]);
  await loader.modprobe("a");
  assert.deepEqual(order, ["b", "a"]);
  assert.throws(() => loader.rmmod("b"), /EBUSY.*in use by: a/);
  assert.throws(() => loader.rmmod("b", { force: true }), errno("EBUSY"));
  loader.rmmod("a");
  loader.rmmod("b");
  assert.deepEqual(loader.lsmod(), []);
});

test("an import is bound to its provider, which stays while it is used", async () => {
  const { loader, lines } = logging(importer("foo"), exporter("baz"));
  await loader.modprobe("foo");
  assert.equal(loader.offer("foo"), 2);
  assert.deepEqual(loader.lsmod(), [
    { name: "foo", state: "live", references: 0, users: [], taints: "" },
    { name: "baz", state: "live", references: 1, users: ["foo"], taints: "" },
  ]);
  assert.throws(() => loader.rmmod("baz"), errno("EBUSY"));
  loader.rmmod("foo");
  loader.rmmod("baz");
  assert.deepEqual(lines, []);
});

test("an import without a provider is named as the kernel names it", async () => {
  const { loader, lines } = logging(importer("foo"));
  await assert.rejects(loader.modprobe("foo"), errno("ENOENT"));
  await assert.rejects(loader.insmod(importer("foo")), errno("ENOENT"));
  assert.equal(lines[0], "foo: Unknown symbol bar (err -2)");
  assert.deepEqual(names(loader), []);
});

test("insmod loads no dependency, and takes what is not in the list", async () => {
  const { loader } = logging(exporter("baz"));
  await assert.rejects(loader.insmod(importer("foo")), errno("ENOENT"));
  await loader.modprobe("baz");
  await loader.insmod(importer("foo"));
  assert.deepEqual(names(loader), ["foo", "baz"]);
  await assert.rejects(loader.insmod(importer("foo")), errno("EEXIST"));
  await loader.modprobe("foo");
  loader.rmmod("foo");
  await assert.rejects(loader.modprobe("foo"), errno("ENOENT"));
});

test("M10: a second exporter of a symbol is refused, and loads when the first has gone", async () => {
  const second = exporter("second", {}, 100);
  const held: string[] = [];
  const lines: string[] = [];
  const loader = new ModuleLoader([exporter("first"), importer("foo")], {
    log: (_, line) => lines.push(line),
    onHeld: (_, step, isHeld) => held.push(`${step} ${isHeld}`),
  });
  await loader.modprobe("foo");
  await assert.rejects(loader.insmod(second), errno("ENOEXEC"));
  assert.deepEqual(lines, ["second: exports duplicate symbol bar (owned by first)"]);
  assert.deepEqual(names(loader), ["foo", "first"]);
  assert.deepEqual(held, [], "its init must not have begun");
  // Who used the first still does.
  assert.equal(loader.offer<{ bar(n: number): number }>("first").bar(1), 2);
  assert.throws(() => loader.rmmod("first"), errno("EBUSY"));
  loader.rmmod("foo");
  loader.rmmod("first");
  await loader.insmod(second);
  await loader.modprobe("foo");
  assert.equal(loader.offer("foo"), 101, "bound to the one that is loaded");
});

test("what is exported to GPL-compatible modules only is unknown to others", async () => {
  const { loader, lines } = logging(exporter("baz", { gplOnly: true }), importer("closed", "Proprietary"));
  await assert.rejects(loader.modprobe("closed"), /ENOENT.*Unknown symbol bar.*GPL-compatible modules only/);
  assert.deepEqual(lines, [
    "closed: module license 'Proprietary' taints kernel.",
    "closed: Unknown symbol bar (err -2)",
  ]);
  for (const license of ["GPL", "Dual BSD/GPL", "MIT", "(Apache-2.0 OR GPL-2.0-or-later)"]) {
    await loader.insmod(importer("open", license));
    loader.rmmod("open");
  }
  for (const license of ["gpl", "Apache-2.0", "UNLICENSED", ""]) {
    await assert.rejects(loader.insmod(importer("open", license)), errno("ENOENT"), license);
  }
});

test("M15: an export limited to named modules is refused to others at load", async () => {
  const namespace = "module:kvm,kvm-*";
  const { loader, lines } = logging(exporter("baz", { namespace }));
  await loader.modprobe("baz");
  for (const name of ["kvm", "kvm-hv", "kvm_pr", "kvm-"]) {
    await loader.insmod(importer(name));
    loader.rmmod(name);
  }
  for (const name of ["kvmx", "kv", "vfio", "notkvm"]) {
    lines.length = 0;
    await assert.rejects(
      loader.insmod(importer(name)),
      (error: Error) => errno("EINVAL")(error) && error.message.includes("bar") && error.message.includes(namespace),
    );
    assert.deepEqual(lines, [
      `${name}: module uses symbol (bar) from namespace ${namespace}, but does not import it.`,
      `${name}: Unknown symbol bar (err -22)`,
    ]);
  }
  // Declaring it opens nothing: such a namespace belongs to the exporter.
  await assert.rejects(loader.insmod(importer("vfio", "MIT", { importNamespaces: [namespace] })), errno("ENOEXEC"));
  assert.equal(lines.at(-1), `vfio: tries to import module namespace: ${namespace}`);
  assert.deepEqual(names(loader), ["baz"]);
});

test("a named namespace must be declared by the importer", async () => {
  const { loader } = logging(exporter("baz", { namespace: "BAZ" }));
  await loader.modprobe("baz");
  await assert.rejects(loader.insmod(importer("foo")), errno("EINVAL"));
  await loader.insmod(importer("foo", "MIT", { importNamespaces: ["BAZ"] }));
});

test("aliases, with dashes or underscores, name the module", async () => {
  const loader = new ModuleLoader([simple("kvm", { aliases: ["kvm-hv"] })]);
  await loader.modprobe("kvm_hv");
  assert.equal(loader.offer("kvm-hv"), "kvm");
  await assert.rejects(loader.modprobe("kvm-pr"), errno("ENOENT"));
  assert.throws(() => loader.add(simple("kvm")), errno("EEXIST"));
});

test("a failing init gives back what it acquired, in reverse, and what it depended on", async () => {
  const steps = ["one", "two", "three"];
  for (const failing of steps) {
    const undone: string[] = [];
    const init = async (context: ModuleContext) => {
      for (const step of steps)
        await context.step(
          step,
          () => step,
          (value) => undone.push(value),
        );
    };
    const loader = new ModuleLoader([simple("a", { ...needs("b_it"), init }), simple("b", provides("b_it"))], {
      onStep: (_, step) => {
        if (step === failing) throw new KvmError("ENOMEM", "injected for the test");
      },
    });
    await assert.rejects(loader.modprobe("a"), errno("ENOMEM"));
    assert.deepEqual(undone, steps.slice(0, steps.indexOf(failing)).reverse());
    assert.deepEqual(
      loader.lsmod().map(({ name, users }) => [name, users]),
      [["b", []]],
    );
  }
});

test("exit comes first, and what it throws keeps nothing from being given back", async () => {
  const order: string[] = [];
  const { loader, lines } = logging(
    simple("a", {
      init: (context: ModuleContext) =>
        context.step(
          "one",
          () => {},
          () => order.push("undo"),
        ),
      exit: () => {
        order.push("exit");
        throw new Error("no");
      },
    }),
  );
  await loader.modprobe("a");
  loader.rmmod("a");
  assert.deepEqual(order, ["exit", "undo"]);
  assert.deepEqual(lines, ["a: while leaving: no"]);
  assert.deepEqual(loader.lsmod(), []);
});

test("nothing is offered before init has ended, and references keep a module", async () => {
  let context: ModuleContext | undefined;
  let proceed = (): void => {};
  const gate = new Promise<void>((resolve) => {
    proceed = resolve;
  });
  const init = async (given: ModuleContext) => {
    context = given;
    await gate;
    return "ready";
  };
  const loader = new ModuleLoader([simple("a", { init })]);
  const loading = loader.modprobe("a");
  const second = loader.modprobe("a");
  const third = loader.insmod(simple("a"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.throws(() => loader.offer("a"), errno("ENOENT"));
  assert.equal(context?.tryGet(), false);
  assert.throws(() => loader.rmmod("a"), errno("EBUSY"));
  proceed();
  await Promise.all([loading, second, assert.rejects(third, errno("EEXIST"))]);
  assert.equal(loader.offer("a"), "ready");
  assert.equal(context?.tryGet(), true);
  assert.throws(() => loader.rmmod("a"), errno("EBUSY"));
  context?.put();
  loader.rmmod("a");
  assert.equal(context?.live(), false);
  assert.throws(() => loader.rmmod("a"), errno("ENOENT"));
});

test("what init throws is what modprobe throws, EEXIST too: only a live module of that name is 'loaded already'", async () => {
  for (const code of ["EEXIST", "ENOENT", "EBUSY", "ENOEXEC"] as const) {
    const failing = simple("a", {
      ...provides("a_it"),
      init: async () => {
        await Promise.resolve();
        throw new KvmError(code, "init says so");
      },
    });
    const { loader, lines } = logging(failing, simple("b", needs("a_it")), simple("c", { softdeps: { pre: ["a"] } }));
    const actions: string[] = [];
    const onAction = ({ kind, name }: { kind: string; name: string }) => void actions.push(`${kind} ${name}`);
    const said = { code, message: /init says so/ };
    await assert.rejects(loader.modprobe("a", {}, { onAction }), said);
    // Both of two that are at it at the same time, and who needs it.
    const both = [loader.modprobe("a"), loader.modprobe("a")];
    for (const each of both) await assert.rejects(each, said);
    await assert.rejects(loader.modprobe("b", {}, { onAction }), said);
    assert.deepEqual([names(loader), actions], [[], []]);
    await loader.modprobe("c");
    assert.deepEqual(names(loader), ["c"]);
    assert.match(lines.at(-1) ?? "", /soft dependency of c not loaded: .*init says so/);
  }
});

test("of two that load one module at once each has it, though only one can", async () => {
  const { loader } = logging(simple("a", needs("b_it")), simple("b", provides("b_it")));
  // Both find it absent, and wait for b.
  await Promise.all([loader.modprobe("a"), loader.modprobe("a")]);
  assert.deepEqual(names(loader), ["a", "b"]);
});

test("parameters are typed, and read as the kernel reads them", async () => {
  const seen: unknown[] = [];
  const a = defineModule({
    name: "a",
    description: "",
    license: "MIT",
    inTree: true,
    params: {
      halt_poll: { type: "uint", default: 5, description: "", writable: true },
      nested: { type: "bool", default: false, description: "" },
      offset: { type: "int", default: -1, description: "" },
      mode: { type: "charp", default: "auto", description: "" },
    },
    init: ({ parameters }) => {
      const { halt_poll, nested, offset, mode } = parameters;
      seen.push(halt_poll satisfies number, nested satisfies boolean, offset satisfies number, mode satisfies string);
      return () => parameters.halt_poll;
    },
  });
  const load = async (given: Readonly<Record<string, string | number | boolean>>) => {
    seen.length = 0;
    const { loader, lines } = logging(a);
    await loader.modprobe("a", given);
    return { loader, lines };
  };
  const { loader } = await load({ nested: "Y" });
  assert.deepEqual(seen, [5, true, -1, "auto"]);
  await load({ "halt-poll": "0x10", nested: "on", offset: "-010", mode: "x y" });
  assert.deepEqual(seen, [16, true, -8, "x y"]);
  await load({ nested: "" });
  assert.equal(seen[1], true);
  const { lines } = await load({ other: 1 });
  assert.deepEqual(lines, ["a: unknown parameter 'other' ignored"]);
  const malformed = [
    ["halt_poll", "-1"],
    ["halt_poll", "4294967296"],
    ["halt_poll", "5 "],
    ["nested", "maybe"],
  ] as const;
  for (const [name, value] of malformed) {
    const refused = logging(a);
    await assert.rejects(refused.loader.modprobe("a", { [name]: value }), errno("EINVAL"), value);
    assert.deepEqual(refused.lines, [`a: \`${value}' invalid for parameter \`${name}'`]);
    assert.deepEqual(names(refused.loader), []);
  }
  loader.setParameter("a", "halt-poll", "7");
  assert.equal(loader.offer<() => number>("a")(), 7);
  assert.deepEqual(loader.parameters("a"), { halt_poll: 7, nested: true, offset: -1, mode: "auto" });
  assert.throws(() => loader.setParameter("a", "nested", "N"), errno("EACCES"));
  assert.throws(() => loader.setParameter("a", "none", "N"), errno("ENOENT"));
  assert.throws(() => loader.setParameter("a", "halt_poll", "x"), errno("EINVAL"));
});

test("what defineModule would not take is refused in words", async () => {
  const { loader } = logging();
  const sound = simple("sound");
  const wrong: readonly [object, RegExp][] = [
    [{ name: undefined }, /a module: a module's name/],
    [{ name: "a b" }, /a module's name/],
    [{ license: undefined }, /no license/],
    [{ description: 5 }, /description is no text/],
    [{ vermagic: undefined }, /not made by defineModule/],
    [{ init: undefined }, /no init/],
    [{ exit: 5 }, /exit is no function/],
    [{ aliases: [5] }, /alias is no string/],
    [
      { params: { n: { type: "uint", default: -1, description: "" } } },
      /default of its parameter n is none of type uint/,
    ],
    [{ imports: { bar: "bar" } }, /undefined is no symbol that declareSymbol made/],
    [{ exports: { bar: {} } }, /undefined is no symbol that declareSymbol made/],
    [{ exports: { a: exportSymbol(bar), b: exportSymbol(bar) } }, /exports duplicate symbol bar \(owned by sound\)/],
  ];
  for (const [what, sentence] of wrong) {
    const broken = { ...sound, ...what };
    await assert.rejects(
      loader.insmod(broken),
      (error: Error) => errno("ENOEXEC")(error) && sentence.test(error.message),
    );
    assert.throws(() => loader.add(broken), errno("ENOEXEC"));
  }
  await loader.insmod(sound);
});

test("M11: modprobe loads the exporter with which the module can be loaded, and no second one beside a loaded one", async () => {
  const it = declareSymbol<number>("shared_sym");
  const other = declareSymbol<number>("only_bar");
  const loader = new ModuleLoader([
    simple("foo", provides("shared_sym")),
    simple("bar", { exports: { it: exportSymbol(it), other: exportSymbol(other) }, init: () => ({ it: 3, other: 4 }) }),
    simple("user", { imports: { it, other } }),
    simple("user2", needs("shared_sym")),
  ]);
  assert.deepEqual(loader.showDepends("user2"), ["foo", "user2"]);
  assert.deepEqual(loader.showDepends("user2", ["bar"]), ["user2"]);
  await loader.modprobe("user");
  await loader.modprobe("user2");
  assert.deepEqual(names(loader).sort(), ["bar", "user", "user2"]);
});

test("modules that depend on each other are refused", async () => {
  const loader = new ModuleLoader([
    simple("a", { ...provides("a_it"), ...needs("b_it") }),
    simple("b", { ...provides("b_it"), ...needs("a_it") }),
  ]);
  await assert.rejects(loader.modprobe("a"), errno("EINVAL"));
  assert.deepEqual(loader.lsmod(), []);
});

test("soft dependencies come before and after, and their lack or failure is no matter", async () => {
  const order: string[] = [];
  const say = (name: string, more = {}) => simple(name, { init: () => void order.push(name), ...more });
  const failing = simple("failing", {
    init: () => {
      throw new KvmError("ENODEV", "there is none");
    },
  });
  const { loader, lines } = logging(
    say("a", { softdeps: { pre: ["before", "missing", "failing"], post: ["after"] } }),
    say("before"),
    say("after", { softdeps: { pre: ["a"] } }),
    failing,
  );
  await loader.modprobe("a");
  assert.deepEqual(order, ["before", "a", "after"]);
  assert.match(lines.join("\n"), /^failing: soft dependency of a not loaded: .*ENODEV/);
});

test("modprobe -r takes with it what nobody else needs, and nothing that is used", async () => {
  const done: string[] = [];
  const onAction = ({ kind, name }: { kind: string; name: string }) => done.push(`${kind} ${name}`);
  const softly = simple("soft", { softdeps: { pre: ["before"], post: ["after"] }, ...needs("b_it") });
  const { loader } = logging(
    simple("a", needs("b_it")),
    simple("b", { ...provides("b_it"), ...needs("c_it") }),
    simple("c", provides("c_it")),
    softly,
    simple("before"),
    simple("after"),
  );
  await loader.modprobe("a", {}, { onAction });
  await loader.modprobe("soft", {}, { onAction });
  assert.deepEqual(
    done.splice(0),
    ["c", "b", "a", "before", "soft", "after"].map((name) => `insmod ${name}`),
  );
  assert.throws(() => loader.remove("b"), errno("EBUSY"));
  loader.remove("a", { onAction });
  assert.deepEqual(done.splice(0), ["rmmod a"], "soft needs the others");
  loader.remove("soft", { onAction });
  assert.deepEqual(
    done.splice(0),
    ["after", "soft", "b", "c", "before"].map((name) => `rmmod ${name}`),
  );
  loader.remove("a", { onAction });
  assert.deepEqual(done, []);
  assert.throws(() => loader.remove("nobody"), errno("ENOENT"));
});

test("taints are the kernel's, said once", async () => {
  const { loader, lines } = logging();
  assert.deepEqual(loader.tainted(), { text: "Not tainted", mask: 0 });
  await loader.insmod(simple("a", { inTree: false }));
  assert.match(loader.tainted().text, /^Tainted: G {11}O {6}/);
  await loader.insmod(simple("b", { inTree: false, license: "Proprietary" }));
  assert.match(loader.tainted().text, /^Tainted: P {11}O {6}/);
  const stale = simple("c", { vermagic: "unikvm 0.0" });
  await assert.rejects(loader.insmod(stale), errno("ENOEXEC"));
  await loader.insmod(stale, {}, { force: true });
  const busy = simple("d", { init: (context: ModuleContext) => context });
  await loader.insmod(busy);
  loader.offer<ModuleContext>("d").tryGet();
  assert.throws(() => loader.rmmod("d"), errno("EBUSY"));
  loader.rmmod("d", { force: true });
  assert.equal(loader.tainted().mask, 1 | 2 | 8 | 4096);
  assert.deepEqual(
    loader.lsmod().map(({ name, taints }) => name + taints),
    ["c(F)", "b(PO)", "a(O)"],
  );
  assert.deepEqual(lines, [
    "a: loading out-of-tree module taints kernel.",
    "b: module license 'Proprietary' taints kernel.",
    "c: version magic 'unikvm 0.0' should be 'unikvm 0.1'",
    "c: bad vermagic: kernel tainted.",
    "d: forced out with 1 reference: kernel tainted.",
  ]);
});

test("an init that does not give what the module exports is refused", async () => {
  const { loader } = logging();
  const lacking = simple("a", { exports: { bar: exportSymbol(bar) }, init: () => ({}) });
  await assert.rejects(loader.insmod(lacking), errno("ENOEXEC"));
  assert.deepEqual(loader.lsmod(), []);
});
