import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { missing } from "../../../test/oracles/oracles.js";
import { type BuiltModule, buildModule } from "../elf/elf-builder.test-support.js";
import { actionText, modulesFor, Probe } from "../probe.js";
import { type DepmodOptions, depmod } from "./depmod.js";
import { Messages } from "./messages.js";
import { xz, zstd } from "./packed.test-support.js";
import { readModprobeConfig } from "./read-modprobe-config.js";
import { openTree, readTree } from "./read-tree.js";

const root = mkdtempSync(join(tmpdir(), "unikvm-depmod-"));
after(() => rmSync(root, { recursive: true, force: true }));
const version = "6.1.2-test";
let trees = 0;

/** A tree with these files; a module's is named without `kernel/`. */
function makeTree(modules: Readonly<Record<string, BuiltModule | Uint8Array>>, order: readonly string[] | undefined) {
  const base = join(root, String(++trees));
  const folder = join(base, "lib/modules", version);
  for (const [path, module] of Object.entries(modules)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    const bytes = module instanceof Uint8Array ? module : buildModule(module);
    const pack = path.endsWith(".gz") ? gzipSync : path.endsWith(".xz") ? xz : path.endsWith(".zst") ? zstd : undefined;
    writeFileSync(file, pack && !(module instanceof Uint8Array) ? pack(bytes) : bytes);
  }
  mkdirSync(folder, { recursive: true });
  if (order) writeFileSync(join(folder, "modules.order"), order.map((path) => `${path}\n`).join(""));
  writeFileSync(join(folder, "modules.builtin"), "kernel/built-in.ko\n");
  writeFileSync(join(folder, "modules.builtin.modinfo"), "built_in.alias=fs-built\0built_in.license=GPL\0");
  return { base, folder };
}

async function run(folder: string, options: Partial<DepmodOptions> = {}) {
  const said: string[] = [];
  const printed: string[] = [];
  const messages = new Messages("depmod", (text) => said.push(text.trimEnd()));
  const status = await depmod({
    folder,
    version,
    messages,
    config: [join(root, "none")],
    print: (text) => printed.push(text),
    ...options,
  });
  return { status, said, printed: printed.join("") };
}

const chain: Record<string, BuiltModule> = {
  "kernel/a.ko": { info: ["alias=of:N*a", "softdep=pre: d"], exports: [{ name: "fa" }], imports: [{ name: "fb" }] },
  "kernel/sub/b-c.ko.xz": { exports: [{ name: "fb", gplOnly: true }], imports: [{ name: "fd" }], little: false },
  "kernel/d.ko.zst": { exports: [{ name: "fd" }], bits: 32, info: ["alias=char-major-10-200", "alias=devname:d"] },
  "kernel/e.ko.gz": { imports: [{ name: "fa" }, { name: "fd" }], bits: 32, little: false },
};
const chainOrder = ["kernel/e.ko", "kernel/d.ko", "kernel/sub/b-c.ko", "kernel/a.ko"];

test("a tree with modules of every class, order and compression", async () => {
  const { folder } = makeTree(chain, chainOrder);
  const { status, said, printed } = await run(folder);
  assert.deepEqual(said, []);
  assert.equal(status, 0);
  assert.equal(
    printed,
    `kernel/e.ko.gz: kernel/a.ko kernel/sub/b-c.ko.xz kernel/d.ko.zst
kernel/d.ko.zst:
kernel/sub/b-c.ko.xz: kernel/d.ko.zst
kernel/a.ko: kernel/sub/b-c.ko.xz kernel/d.ko.zst
# Aliases extracted from modules themselves.
alias char-major-10-200 d
alias devname:d d
alias of:N*a a
# Soft dependencies extracted from modules themselves.
softdep a pre: d
# Aliases for symbols, used by symbol_request().
alias symbol:fd d
alias symbol:fb b_c
alias symbol:fa a
# Device nodes to trigger on-demand module loading.
d d c10:200
`,
  );
});

test("files are written each whole, and nothing else is left", async () => {
  const { folder } = makeTree(chain, chainOrder);
  const before = readdirSync(folder);
  const { print: _, ...writing } = { print: undefined };
  const said: string[] = [];
  const messages = new Messages("depmod", (text) => said.push(text));
  assert.equal(await depmod({ folder, version, messages, config: [], ...writing }), 0);
  assert.deepEqual(said, []);
  const text = ["alias", "dep", "devname", "softdep", "symbols", "weakdep"];
  const index = ["alias", "builtin.alias", "builtin", "dep", "symbols"].map((name) => `${name}.bin`);
  const written = [...text, ...index].map((name) => `modules.${name}`);
  assert.deepEqual(readdirSync(folder).sort(), [...before, ...written].sort());
});

const noKmod = missing("kmod");

test("kmod prints the same of a tree of ours, and its modprobe reads what we write", { skip: noKmod }, async () => {
  const { "kernel/e.ko.gz": _, ...readable } = chain;
  // kmod may have been built without gzip.
  const { base, folder } = makeTree({ ...readable, "kernel/e.ko": chain["kernel/e.ko.gz"] ?? {} }, chainOrder);
  const { printed } = await run(folder);
  const theirs = execFileSync("depmod", ["-n", "-b", base, "-C", "/nonexistent", version], { encoding: "utf8" });
  const sorted = (text: string) =>
    text
      .split("\n")
      .filter((line) => !line.startsWith("# Weak"))
      .sort();
  assert.deepEqual(sorted(printed), sorted(theirs));
  const messages = new Messages("depmod", () => {});
  assert.equal(await depmod({ folder, version, messages, config: [] }), 0);
  const probe = new Probe(readTree(folder), readModprobeConfig([], folder, messages));
  for (const name of ["e", "a", "b-c", "d", "symbol:fb", "of:Nxa", "fs-built", "char-major-10-200", "devname:d"]) {
    const args = ["-n", "--show-depends", "-C", "/nonexistent", "-d", base, "-S", version, name];
    const theirs = execFileSync("modprobe", args, { encoding: "utf8" });
    const ours = probe.lookup(name).flatMap((target) => probe.plan(target).map(actionText));
    assert.equal(ours.map((line) => `${line}\n`).join(""), theirs, name);
    assert.match(theirs, /^(insmod|builtin) /);
  }
  assert.equal(spawnSync("modprobe", ["-n", "-D", "-d", base, "-S", version, "nosuch"]).status, 1);
  assert.deepEqual(probe.lookup("nosuch"), []);
});

test("kmod leaves the same files where the tree says nothing of what is built in", { skip: noKmod }, async () => {
  const filesOf = ({ folder }: { folder: string }) =>
    readdirSync(folder)
      .filter((name) => name.startsWith("modules.") && name !== "modules.weakdep")
      .map((name) => [name, readFileSync(join(folder, name), "latin1")]);
  for (const missing of [["modules.builtin.modinfo"], ["modules.builtin.modinfo", "modules.builtin"], []]) {
    const [theirs, ours] = [
      makeTree({ "kernel/a.ko": {} }, ["kernel/a.ko"]),
      makeTree({ "kernel/a.ko": {} }, ["kernel/a.ko"]),
    ];
    for (const { folder } of [theirs, ours]) for (const name of missing) rmSync(join(folder, name));
    spawnSync("depmod", ["-b", theirs.base, "-C", "/nonexistent", version]);
    const messages = new Messages("depmod", () => {});
    assert.equal(await depmod({ folder: ours.folder, version, messages, config: [] }), 0);
    assert.deepEqual(filesOf(ours), filesOf(theirs), missing.join());
  }
});

test("what modules.order does not list stands where kmod has it, loops begin where kmod's do", {
  skip: noKmod,
}, async () => {
  const names = Array.from({ length: 60 }, (_, index) => `m${(index * 37) % 61}${"xyz".slice(index % 4)}`);
  const many = Object.fromEntries(
    names.map((name, index): [string, BuiltModule] => [
      `kernel/${name}.ko`,
      { exports: [{ name }], imports: [{ name: names[index >> 1] ?? "" }].filter(() => index > 1) },
    ]),
  );
  const compare = async ({ base, folder }: { base: string; folder: string }) => {
    const { stdout, stderr } = spawnSync("depmod", ["-n", "-b", base, "-C", "/nonexistent", version], {
      encoding: "utf8",
    });
    const { printed, said } = await run(folder);
    assert.equal(printed.split("#")[0], stdout.split("#")[0]);
    const errors = (lines: readonly string[]) => lines.filter((line) => line.includes("ERROR"));
    assert.deepEqual(errors(said), errors(stderr.split("\n")));
  };
  await compare(makeTree(many, undefined));
  await compare(
    makeTree(
      many,
      names.slice(0, 20).map((name) => `kernel/${name}.ko`),
    ),
  );
  const needs = { a: "b", b: "c", c: "a", d: "e", e: "d", h: "i", i: "j", j: "hk", k: "h", f: "", g: "a" };
  const loops = Object.fromEntries(
    Object.entries(needs).map(([name, used]): [string, BuiltModule] => [
      `kernel/loop-${name}.ko`,
      { exports: [{ name }], imports: [...used].map((one) => ({ name: one })) },
    ]),
  );
  await compare(makeTree(loops, undefined));
});

test("M11: of two exporters the first in modules.order is everybody's", async () => {
  const two = {
    "kernel/z.ko": { exports: [{ name: "shared" }] },
    "kernel/y.ko": { exports: [{ name: "shared" }] },
    "kernel/user.ko": { imports: [{ name: "shared" }] },
  };
  const { folder } = makeTree(two, ["kernel/z.ko", "kernel/y.ko", "kernel/user.ko"]);
  const { printed } = await run(folder);
  assert.match(printed, /^kernel\/user\.ko: kernel\/z\.ko$/m);
  assert.match(printed, /^alias symbol:shared z$/m);
});

test("M11: each module gets the exporter with which it can be loaded, or it is said which two get in the way", async () => {
  const [shared, foo, bar] = ["shared_sym", "only_foo", "only_bar"].map((name) => ({ name }));
  assert.ok(shared && foo && bar);
  const modules: Record<string, BuiltModule> = {
    "foo.ko": { exports: [shared, { ...foo, gplOnly: true }] },
    "bar.ko": { exports: [shared, { ...bar, gplOnly: true, namespace: "BARNS" }] },
    "user.ko": { imports: [shared, bar], info: ["license=GPL", "import_ns=BARNS", "depends=bar"] },
    "user2.ko": { imports: [shared], info: ["license=Proprietary"] },
    "user3.ko": { imports: [shared], info: ["license=GPL", "depends=bar"] },
    "torn.ko": { imports: [foo, bar], info: ["license=GPL", "import_ns=BARNS"] },
  };
  const names = Object.keys(modules);
  for (const [order, first] of [
    [names, "foo"],
    [[...names].reverse(), "bar"],
  ] as const) {
    const { folder } = makeTree(modules, order);
    const { printed, said, status } = await run(folder);
    for (const line of ["user.ko: bar.ko", `user2.ko: ${first}.ko`, "user3.ko: bar.ko"]) {
      assert.ok(printed.split("\n").includes(line), `${line} in\n${printed}`);
    }
    assert.match(printed, new RegExp(`^alias symbol:shared_sym ${first}$`, "m"));
    assert.deepEqual(said, [
      `depmod: WARNING: ${folder}/torn.ko cannot be loaded: it needs foo and bar, which both export shared_sym`,
    ]);
    assert.equal(status, 0);
    // What depmod wrote, and what is found without it.
    const tree = await openTree(folder);
    assert.deepEqual(modulesFor(tree, ["user"]).paths, [`${folder}/bar.ko`, `${folder}/user.ko`]);
    assert.equal(await depmod({ folder, version, messages: new Messages("depmod", () => {}), config: [] }), 0);
    assert.deepEqual(modulesFor(readTree(folder), ["user"]).paths, [`${folder}/bar.ko`, `${folder}/user.ko`]);
  }
});

test("namespaces among the names of exports are answered as kmod answers: by the last module that has them", {
  skip: noKmod,
}, async () => {
  // As in Debian's kernels from 7.2 on: no checksums, so libkmod goes by the strings.
  const { base, folder } = makeTree(
    {
      "kernel/one.ko": {
        exports: [
          { name: "fa", namespace: "NS" },
          { name: "fb", gplOnly: true, flags: true },
        ],
      },
      "kernel/two.ko": { exports: [{ name: "fc", namespace: "NS", flags: true }] },
      "kernel/user.ko": { imports: [{ name: "fb" }, { name: "fc" }] },
    },
    ["kernel/two.ko", "kernel/one.ko", "kernel/user.ko"],
  );
  const { printed, said } = await run(folder);
  assert.match(printed, /^alias symbol:NS one$/m);
  assert.deepEqual(said, []);
  const theirs = execFileSync("depmod", ["-n", "-b", base, "-C", "/nonexistent", version], { encoding: "utf8" });
  assert.deepEqual(printed.split("\n").sort(), theirs.split("\n").sort());
});

test("broken files are reported in kmod's words and break nothing else", async () => {
  const good = buildModule({ exports: [{ name: "fa" }] });
  const { folder } = makeTree(
    {
      "kernel/a.ko": good,
      "kernel/cut.ko": good.subarray(0, good.length - 30),
      "kernel/empty.ko": new Uint8Array(),
      "kernel/noelf.ko": new TextEncoder().encode("this is no module at all"),
      "kernel/class.ko": good.with(4, 7),
      "kernel/packed.ko.xz": xz(good).subarray(0, 100),
      "kernel/user.ko": { imports: [{ name: "fa" }] },
    },
    undefined,
  );
  const { status, said, printed } = await run(folder);
  assert.equal(status, 0);
  const failed = (name: string, why: string) =>
    `depmod: ERROR: failed to load symbols from ${folder}/kernel/${name}: ${why}`;
  assert.deepEqual(said.sort(), [
    failed("class.ko", "Invalid argument"),
    failed("cut.ko", "Invalid argument"),
    failed("empty.ko", "Invalid argument"),
    failed("noelf.ko", "Exec format error"),
    failed("packed.ko.xz", "Invalid argument"),
    `depmod: WARNING: could not open modules.order at ${folder}: No such file or directory`,
  ]);
  assert.match(printed, /^kernel\/user\.ko: kernel\/a\.ko$/m);
  assert.match(printed, /^kernel\/cut\.ko:$/m);
});

test("a loop ends it with kmod's words, and nothing is written", async () => {
  const { folder } = makeTree(
    {
      "kernel/a.ko": { exports: [{ name: "fa" }], imports: [{ name: "fb" }] },
      "kernel/b.ko": { exports: [{ name: "fb" }], imports: [{ name: "fa" }] },
    },
    ["kernel/a.ko", "kernel/b.ko"],
  );
  const { status, said } = await run(folder, { print: () => assert.fail("something was printed") });
  assert.equal(status, 1);
  assert.deepEqual(said, [
    "depmod: ERROR: Cycle detected: a -> b -> a",
    "depmod: ERROR: Found 2 modules in dependency cycles!",
  ]);
});

test("the administrator's modules go before the kernel's; configuration can say otherwise", async () => {
  const { folder } = makeTree(
    { "kernel/a.ko": { exports: [] }, "updates/a.ko": {}, "extra/a.ko": {}, "kernel/b.ko": {}, "build/c.ko": {} },
    ["kernel/a.ko", "kernel/b.ko"],
  );
  const pathOf = async (text: string) => {
    const config = join(root, "depmod.conf");
    writeFileSync(config, text);
    const { printed, said } = await run(folder, { config: [config] });
    return [printed.split("\n").find((line) => line.includes("/a.ko")), ...said].join("\n");
  };
  assert.equal(await pathOf(""), "updates/a.ko:");
  assert.equal(await pathOf("search extra updates built-in\n"), "extra/a.ko:");
  assert.equal(await pathOf("# a comment\nsearch \\\n built-in extra\n"), "kernel/a.ko:");
  assert.equal(await pathOf("override a 6.1.* extra\n"), "extra/a.ko:");
  assert.equal(await pathOf("override a ^5 extra\n"), "updates/a.ko:");
  assert.equal(await pathOf("override a [ extra\n"), "updates/a.ko:", "no regular expression");
  assert.equal(
    await pathOf("override a\n"),
    `updates/a.ko:\ndepmod: ERROR: ${root}/depmod.conf:1: ignoring bad line starting with 'override'`,
  );
  assert.doesNotMatch((await run(folder)).printed, /build/, "what the build folder links to is none of the tree");
});

test("-e reports what neither a module nor the kernel exports", async () => {
  const modules = { "kernel/a.ko": { imports: [{ name: "known" }, { name: "lost" }, { name: "may", weak: true }] } };
  const { folder } = makeTree(modules, ["kernel/a.ko"]);
  const systemMap = join(root, "System.map");
  writeFileSync(systemMap, "c000000000000000 T _stext\nc000000000000010 r __ksymtab_known\n");
  const unknown = `depmod: WARNING: ${folder}/kernel/a.ko needs unknown symbol lost`;
  assert.deepEqual((await run(folder, { systemMap, reportSymbols: true })).said, [unknown]);
  const symvers = join(root, "Module.symvers");
  writeFileSync(symvers, "0x00000001\tknown\tvmlinux\tEXPORT_SYMBOL\t\n0x00000002\tlost\tother\tEXPORT_SYMBOL\t\n");
  assert.deepEqual((await run(folder, { symvers, reportSymbols: true })).said, [
    `depmod: WARNING: ${folder}/kernel/a.ko disagrees about version of symbol known`,
    unknown,
  ]);
  assert.deepEqual((await run(folder, { reportSymbols: true })).said, ["depmod: WARNING: -e needs -E or -F"]);
  const lost = await run(folder, { symvers: join(root, "none"), reportSymbols: true });
  assert.equal(lost.status, 1);
  assert.match(lost.said.join(), /FATAL: could not load .*: No such file or directory/);
});

test("-A does nothing if no module is newer than modules.dep", async () => {
  const { folder } = makeTree({ "kernel/a.ko": {} }, ["kernel/a.ko"]);
  const dep = join(folder, "modules.dep");
  const messages = new Messages("depmod", () => {});
  const again = () => depmod({ folder, version, messages, config: [], ifOutdated: true });
  await again();
  assert.ok(existsSync(dep));
  writeFileSync(dep, "stays");
  await again();
  assert.equal(readFileSync(dep, "utf8"), "stays");
  utimesSync(join(folder, "kernel/a.ko"), Date.now() / 1000 + 60, Date.now() / 1000 + 60);
  await again();
  assert.equal(readFileSync(dep, "utf8"), "kernel/a.ko:\n");
});

test("a folder that is not there, a link into itself, a path that is not absolute", async () => {
  const missing = await run(join(root, "nowhere"));
  assert.equal(missing.status, 1);
  assert.match(missing.said.at(-1) ?? "", /FATAL: could not search modules: No such file or directory/);
  const { folder } = makeTree({ "kernel/a.ko": {} }, ["kernel/a.ko"]);
  symlinkSync("..", join(folder, "kernel/loop"));
  assert.match((await run(folder)).printed, /^kernel\/a\.ko:$/m);
  const relative = await run(folder, { files: ["a.ko"] });
  assert.deepEqual([relative.status, relative.said], [1, ["depmod: FATAL: a.ko: not absolute path."]]);
  const one = await run(folder, { files: [join(folder, "kernel/a.ko")] });
  assert.equal(one.printed.split("\n")[0], "kernel/a.ko:");
});

test("a tree's FIFOs and devices are refused in words, and what is left is described", async () => {
  const { folder } = makeTree({ "kernel/a.ko": {} }, undefined);
  const fifo = (name: string) => {
    rmSync(join(folder, name), { force: true });
    execFileSync("mkfifo", [join(folder, name)]);
  };
  for (const name of ["kernel/b.ko", "modules.order", "modules.builtin", "modules.builtin.modinfo"]) fifo(name);
  symlinkSync("/dev/zero", join(folder, "kernel/c.ko"));
  const writing = async () => {
    const said: string[] = [];
    const messages = new Messages("depmod", (text) => said.push(text.trimEnd()));
    return { status: await depmod({ folder, version, messages, config: [] }), said };
  };
  const { status, said } = await writing();
  assert.equal(status, 0);
  const refused = (name: string) =>
    `depmod: WARNING: could not open ${name} at ${folder}: ${folder}/${name} is a FIFO, and only regular files are read`;
  const unsupported = (name: string, type: string) => `depmod: ERROR: unsupported file type ${folder}/${name}: ${type}`;
  for (const [name, type] of [
    ["kernel/b.ko", "10000"],
    ["kernel/c.ko", "20000"],
  ] as const) {
    assert.ok(said.includes(unsupported(name, type)), said.join("\n"));
  }
  for (const name of ["modules.order", "modules.builtin", "modules.builtin.modinfo"]) {
    assert.ok(said.includes(refused(name)), said.join("\n"));
  }
  assert.equal(readFileSync(join(folder, "modules.dep"), "utf8"), "kernel/a.ko:\n");
  for (const name of ["modules.dep", "modules.alias", "modules.softdep"]) fifo(name);
  const told: string[] = [];
  const messages = new Messages("modprobe", (text) => told.push(text.trimEnd()));
  assert.deepEqual(readTree(folder, messages).names, []);
  assert.equal(told.length, 5);
  readModprobeConfig(["/dev/zero", join(folder, "kernel/b.ko"), "/dev/null"], folder, messages);
  assert.match(
    told.slice(5).join("\n"),
    /^modprobe: ERROR: .*b\.ko is a FIFO.*\n.*softdep is a FIFO.*\n.*zero is a device/,
  );
});

test("folders that are linked into each other are searched in bounded time, and a link to one still counts", async () => {
  const { folder } = makeTree({ "kernel/a.ko": {}, "kernel/deep/b.ko": {} }, ["kernel/a.ko", "kernel/deep/b.ko"]);
  symlinkSync("kernel/deep", join(folder, "updates"));
  assert.match((await run(folder)).printed, /^updates\/b\.ko:$/m, "another path to a folder may be what counts");
  const names = Array.from({ length: 12 }, (_, index) => `f${index}`);
  for (const name of names) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, `m${name}.ko`), buildModule({}));
  }
  for (const from of names) for (const to of names) symlinkSync(`../${to}`, join(folder, from, `to-${to}`));
  const { printed, said } = await run(folder);
  for (const name of names) assert.match(printed, new RegExp(`/m${name}\\.ko:$`, "m"));
  const passed = said.filter((line) => line.includes("is one folder by more than 8 paths: passed over"));
  assert.ok(passed.length > 0);
});

test("an alias that an index cannot hold is fatal, one with half a bracket a warning", async () => {
  const write = async (alias: string) => {
    const { folder } = makeTree({ "kernel/a.ko": { info: [`alias=${alias}`] } }, ["kernel/a.ko"]);
    const said: string[] = [];
    const messages = new Messages("depmod", (text) => said.push(text.trimEnd()));
    const status = await depmod({ folder, version, messages, config: [] });
    return { status, said, left: readdirSync(folder).filter((name) => /\d$/.test(name)) };
  };
  assert.deepEqual(await write("half[a"), {
    status: 0,
    said: ["depmod: WARNING: Unmatched bracket in half[a"],
    left: [],
  });
  const fatal = await write("naïve");
  assert.equal(fatal.status, 1);
  assert.match(fatal.said.join(), /FATAL: Module index: bad character/);
  assert.deepEqual(fatal.left, []);
});
