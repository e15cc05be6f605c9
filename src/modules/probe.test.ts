import assert from "node:assert/strict";
import { test } from "node:test";
import { ModprobeConfig } from "./modprobe-config.js";
import {
  actionText,
  type Host,
  modulesFor,
  type PlanOptions,
  Probe,
  type RemovalOptions,
  removalText,
} from "./probe.js";
import { ModuleTree, type TreeTexts } from "./tree.js";

const texts: TreeTexts = {
  dep: `k/base.ko:
k/bus.ko: k/base.ko
k/card-a.ko.xz: k/bus.ko k/base.ko
k/fs.ko:
k/crc.ko:
/elsewhere/out.ko:
`,
  alias: `# Aliases extracted from modules themselves.
alias pci:v*d0001* card_a
alias pci:v1af4d* bus
alias fs-ext[0-9] fs
alias net-pf-16-proto-9 fs
alias half[ base
`,
  symbols: "alias symbol:base_add base\n",
  softdep: "softdep fs pre: crc post: bus\n",
  builtin: "k/rtc-core.ko\n",
  builtinModinfo: "rtc_core.alias=rtc:*\0rtc_core.license=GPL\0other.license=MIT\0",
};
const tree = new ModuleTree("/t", texts);

function configOf(...lines: string[]): ModprobeConfig {
  const config = new ModprobeConfig();
  for (const line of [...(texts.softdep ?? "").split("\n"), ...lines]) assert.ok(config.add(line), line);
  return config;
}

const show = (name: string, config = configOf(), options: PlanOptions = {}) => {
  const probe = new Probe(tree, config);
  return probe.lookup(name).flatMap((target) => probe.plan(target, options).map(actionText));
};

test("what would be removed: later soft dependencies, the module, what only it used, earlier soft dependencies", () => {
  const config = configOf("remove bus echo $CMDLINE_OPTS gone", "weakdep bus card-a fs", "softdep crc pre: fs");
  assert.deepEqual(config.lines().at(-1), "weakdep bus card-a fs");
  const remove = (name: string, options: RemovalOptions = {}) => {
    const said: string[] = [];
    const probe = new Probe(tree, config);
    const steps = probe.lookup(name).map((one) => probe.removal(one, { refuse: (why) => said.push(why), ...options }));
    return [...steps.flatMap((some) => some?.map(removalText) ?? ["refused"]), ...said];
  };
  // fs and crc name each other; modprobe itself would not end.
  assert.deepEqual(remove("fs"), ["remove echo  gone", "rmmod fs", "rmmod crc"]);
  assert.deepEqual(remove("fs", { ignoreCommands: true }), ["rmmod fs"]);
  const hostWith = (live: Record<string, number>): Host => ({
    state: ({ name, builtin }) => (builtin ? "builtin" : name in live ? "live" : undefined),
    references: ({ name }) => live[name],
  });
  assert.deepEqual(remove("card-a", { host: hostWith({ card_a: 0, bus: 0, base: 1 }) }), ["rmmod card_a", "rmmod bus"]);
  assert.deepEqual(remove("card-a", { host: hostWith({ card_a: 1 }) }), ["refused", "Module card_a is in use."]);
  assert.deepEqual(remove("card-a", { host: hostWith({}) }), []);
  assert.deepEqual(remove("card-a", { host: hostWith({}), firstTime: true }), [
    "refused",
    "Module card_a is not in kernel.",
  ]);
  assert.deepEqual(remove("rtc-core", { host: hostWith({}) }), ["refused", "Module rtc_core is builtin."]);
  assert.deepEqual(remove("bus", { host: hostWith({}) }), ["remove echo  gone"], "a command may know better");
});

test("soft dependencies of soft dependencies end somewhere", () => {
  const config = new ModprobeConfig();
  const names = Array.from({ length: 1500 }, (_, index) => `m${index}`);
  for (const [index, name] of names.entries()) config.add(`softdep ${name} pre: m${index + 1}`);
  const failed: string[] = [];
  const long = new Probe(new ModuleTree("/t", { dep: names.map((name) => `${name}.ko:\n`).join("") }), config, (name) =>
    failed.push(name),
  );
  const [first] = long.lookup("m0");
  assert.ok(first);
  assert.equal(long.plan(first).length, 1002);
  assert.deepEqual(failed, ["m1002"]);
  assert.equal(long.removal(first)?.length, 1001);
});

test("a module comes after all it needs", () => {
  assert.deepEqual(show("card-a"), ["insmod /t/k/base.ko ", "insmod /t/k/bus.ko ", "insmod /t/k/card-a.ko.xz "]);
  assert.deepEqual(show("out"), ["insmod /elsewhere/out.ko "]);
  assert.deepEqual(show("base", configOf(), { options: "a=1" }), ["insmod /t/k/base.ko a=1"]);
});

test("aliases, symbols and built-in modules are found, in the tree's order", () => {
  const names = (alias: string) => new Probe(tree).lookup(alias).map(({ name }) => name);
  assert.deepEqual(names("pci:v1af4d0001sv"), ["card_a", "bus"]);
  assert.deepEqual(names("fs-ext4"), ["fs"]);
  assert.deepEqual(names("net-pf-16-proto-9"), ["fs"]);
  assert.deepEqual(names("symbol:base_add"), ["base"]);
  assert.deepEqual(names("rtc:x"), ["rtc_core"]);
  assert.deepEqual(names("half["), [], "half a bracket");
  assert.deepEqual(names("nosuch"), []);
  assert.deepEqual(show("rtc-core"), ["builtin rtc_core"]);
  assert.equal(new Probe(tree).lookupName("fs-ext4"), undefined, "an alias is no name");
  assert.deepEqual(tree.builtinInfo("rtc_core"), [
    ["alias", "rtc:*"],
    ["license", "GPL"],
  ]);
});

test("soft dependencies surround the module, unless commands are ignored", () => {
  const all = ["insmod /t/k/crc.ko ", "insmod /t/k/fs.ko ", "insmod /t/k/base.ko ", "insmod /t/k/bus.ko "];
  assert.deepEqual(show("fs"), all);
  assert.deepEqual(show("fs", configOf(), { ignoreCommands: true }), ["insmod /t/k/fs.ko "]);
});

test("soft dependencies in a circle end", () => {
  const circle = configOf("softdep base pre: crc", "softdep crc pre: base");
  assert.deepEqual(show("base", circle), ["insmod /t/k/crc.ko ", "insmod /t/k/base.ko "]);
});

test("configuration: aliases, options by name and alias, install commands, the blacklist", () => {
  const config = configOf(
    "# a comment",
    "alias my-card card-a",
    "options card-a  x=1",
    "options my_card y=2",
    "options\tbase\tz=3",
    "install crc /bin/true $CMDLINE_OPTS",
    "remove crc /bin/false",
    "blacklist card_a",
  );
  assert.equal(show("my-card", config).at(-1), "insmod /t/k/card-a.ko.xz  x=1 y=2 ");
  assert.equal(show("my-card", config)[0], "insmod /t/k/base.ko z=3 ");
  assert.deepEqual(show("crc", config), ["install /bin/true $CMDLINE_OPTS "]);
  assert.deepEqual(show("crc", config, { ignoreCommands: true }), ["insmod /t/k/crc.ko "]);
  const probe = new Probe(tree, config);
  assert.deepEqual(
    probe.lookup("my_card").map((target) => probe.isBlacklisted(target)),
    [true],
  );
  assert.deepEqual(show("base", config, { isLoaded: () => true }), []);
  assert.ok(config.lines().includes("remove crc /bin/false"));
});

test("lines that say nothing whole are refused", () => {
  const bad = ["alias", "alias a", "alias a[ b", "options x", "install x", "softdep x", "blacklist", "nonsense a b"];
  for (const line of bad) assert.equal(new ModprobeConfig().add(line), false, line);
});

test("the kernel's command line gives options and the blacklist", () => {
  const config = new ModprobeConfig();
  config.addKernelCommandLine('quiet root=/dev/x.y a-b.c=1 d.e f.g="1 2" "h.i=3 4" modprobe.blacklist=k,l\n');
  assert.deepEqual(config.lines(), [
    "blacklist k",
    "blacklist l",
    "options a_b c=1",
    "options d e",
    'options f g="1 2"',
    'options h i="3 4"',
  ]);
});

test("modulesFor: each file once, in an order that works, and what nobody knows", () => {
  assert.deepEqual(modulesFor(tree, ["card_a", "fs", "rtc-core", "symbol:base_add", "lost"]), {
    paths: ["/t/k/base.ko", "/t/k/bus.ko", "/t/k/card-a.ko.xz", "/t/k/crc.ko", "/t/k/fs.ko"],
    unknown: ["lost"],
  });
  assert.deepEqual(modulesFor(tree, []), { paths: [], unknown: [] });
});
