import assert from "node:assert/strict";
import { test } from "node:test";
import { ContradictionError, configure, formatConfig } from "./dotconfig.js";
import { KconfigError } from "./model.js";
import { type Kconfig, readKconfig } from "./parser.js";

const readAll = (files: Readonly<Record<string, string>>, variables = new Map<string, string>()): Kconfig =>
  readKconfig("Kconfig", {
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error("there is no such file");
      return text;
    },
    variables,
  });
const read = (text: string): Kconfig => readAll({ Kconfig: text });
/** CONFIG_ lines of what follows from `asked`. */
const values = (text: string, asked = ""): string[] =>
  formatConfig(configure(read(text), asked).evaluation)
    .split("\n")
    .filter((line) => /CONFIG_/.test(line));
const refuses = (text: string, asked: string, why: RegExp): void =>
  assert.throws(
    () => configure(read(text), asked),
    (error) => error instanceof ContradictionError && why.test(error.message),
  );
const malformed = (text: string, why: RegExp): void =>
  assert.throws(
    () => read(text),
    (error) => error instanceof KconfigError && why.test(error.message),
  );

const kvm = `
config MODULES
  bool "modules"
  modules
  default y
menuconfig VIRTUALIZATION
  bool "Virtualization"
  default y
  help
    Says nothing # of note
      and is indented.

    config NOT_AN_OPTION
if VIRTUALIZATION
config KVM
  tristate
  select HAVE_EVENTFD
config HAVE_EVENTFD
  bool
config KVM_BOOK3S
  tristate "POWER"
  depends on HOST \\
    && VIRTUALIZATION
  select KVM
endif
config HOST
  def_bool y
config NAME
  string "name"
  default "a \\"b\\""
config CPUS
  int "cpus"
  range 1 16
  default 4
`;

test("defaults, selection and strings", () => {
  assert.deepEqual(values(kvm, "CONFIG_KVM_BOOK3S=m\n"), [
    "CONFIG_MODULES=y",
    "CONFIG_VIRTUALIZATION=y",
    "CONFIG_KVM=m",
    "CONFIG_HAVE_EVENTFD=y",
    "CONFIG_KVM_BOOK3S=m",
    "CONFIG_HOST=y",
    'CONFIG_NAME="a \\"b\\""',
    "CONFIG_CPUS=4",
  ]);
  const help = read(kvm).symbols.get("VIRTUALIZATION")?.nodes[0]?.help;
  assert.equal(help, "Says nothing # of note\n  and is indented.\n\nconfig NOT_AN_OPTION");
});

test("what is asked for and cannot be is an error that names the options", () => {
  refuses(kvm, "CONFIG_KVM=y\n", /KVM=y cannot be: it has no prompt: others decide it/);
  refuses(
    kvm,
    "# CONFIG_VIRTUALIZATION is not set\nCONFIG_KVM_BOOK3S=y\n",
    /KVM_BOOK3S=y cannot be: it depends on VIRTUALIZATION \(VIRTUALIZATION is n\)/,
  );
  refuses(
    kvm,
    "CONFIG_KVM_BOOK3S=m\n# CONFIG_MODULES is not set\n",
    /KVM_BOOK3S=m cannot be: m needs MODULES, which is n/,
  );
  refuses(kvm, "CONFIG_KVM_BOOK3S=y\n# CONFIG_KVM is not set\n", /KVM=n cannot be: it is selected by KVM_BOOK3S/);
  refuses(kvm, "CONFIG_CPUS=17\n", /CPUS=17 cannot be: it must lie between 1 and 16/);
  const unmet = 'config A\n bool "a"\n select B\nconfig B\n bool "b"\n depends on C\nconfig C\n bool "c"\n';
  refuses(unmet, "CONFIG_A=y\n", /B is selected by A, but depends on C \(C is n\)/);
  const choice = 'choice\n prompt "one"\nconfig A\n bool "a"\nconfig B\n bool "b"\nendchoice\n';
  refuses(choice, "CONFIG_A=y\nCONFIG_B=y\n", /of the choice "one" only one can be y, and B is/);
  refuses(choice, "# CONFIG_A is not set\n# CONFIG_B is not set\n", /the choice "one" must have one value/);
});

test("a hex is written as it was given", () => {
  const text =
    'config P\n hex\n default 0\nconfig Q\n hex "q"\n default 0\nconfig R\n hex "r"\n range 10 0X14\n default 5\n';
  assert.deepEqual(values(text), ["CONFIG_P=0", "CONFIG_Q=0", "CONFIG_R=10"]);
  assert.deepEqual(values(text, "CONFIG_Q=ff\nCONFIG_R=12\n"), ["CONFIG_P=0", "CONFIG_Q=ff", "CONFIG_R=12"]);
  refuses(text, "CONFIG_R=15\n", /R=15 cannot be: it must lie between 16 and 20/);
});

test("an undefined name is compared by its text; either of a bool's values is no dependency", () => {
  const text = 'config A\n bool "a"\n depends on UNDEF != n\n default y\nconfig B\n def_bool UNDEF = "UNDEF"\n';
  assert.deepEqual(values(text), ["CONFIG_A=y", "CONFIG_B=y"]);
  const either = (dependency: string) =>
    `config A\n tristate "a"\n default y\n depends on ${dependency}\nconfig H\n bool "h"\n default y\n depends on A\n`;
  for (const dependency of ["H || !H", "H = y || H = n", "!(H && H = y) || H"]) {
    assert.deepEqual(values(either(dependency)), ["CONFIG_A=y", "CONFIG_H=y"], dependency);
  }
  malformed(either("H"), /recursive dependency: A -> H -> A/);
  malformed(either("H && !H"), /recursive dependency/);
});

test("m is at most what it depends on", () => {
  const text =
    'config MODULES\n def_bool y\n modules\nconfig A\n tristate "a"\nconfig B\n tristate "b"\n depends on A\n';
  assert.deepEqual(values(text, "CONFIG_A=m\nCONFIG_B=m\n").slice(1), ["CONFIG_A=m", "CONFIG_B=m"]);
  refuses(text, "CONFIG_A=m\nCONFIG_B=y\n", /B=y cannot be: it depends on A \(A is m\)/);
});

test("a .config's lines are checked, and unknown options told", () => {
  const { unknown } = configure(read(kvm), "# a remark\n\nCONFIG_ELSEWHERE=y\n# CONFIG_OTHER is not set\n");
  assert.deepEqual(unknown, [".config:3: CONFIG_ELSEWHERE"]);
  for (const [line, why] of [
    ["CONFIG_CPUS=four", /four is no int/],
    ["CONFIG_KVM_BOOK3S=maybe", /is tristate, y, m or n/],
    ["CONFIG_VIRTUALIZATION=m", /is bool and cannot be m/],
    ["CONFIG_NAME=bare", /between double quotes/],
    ["KVM=y", /neither CONFIG_NAME=value/],
    [`\x1b[2J\0${"x".repeat(100_000)}`, /^[^\p{Cc}]{0,30}: `\?\[2J\?x{55}…` is neither CONFIG_NAME=value/u],
    [`CONFIG_KVM=${"y".repeat(100_000)}`, /: CONFIG_KVM=y{56}…: /],
  ] as const) {
    assert.throws(
      () => configure(read(kvm), `\n${line}\n`),
      (error) => error instanceof KconfigError && why.test(error.message) && error.message.startsWith(".config:2:"),
    );
  }
});

test("files are sourced, variables put in", () => {
  const files = {
    Kconfig: 'ARCH := powerpc\nsource "arch/$(ARCH)/Kconfig"\n',
    "arch/powerpc/Kconfig": "config A\n def_bool y\n",
  };
  assert.equal(readAll(files).symbols.get("A")?.nodes[0]?.place.file, "arch/powerpc/Kconfig");
  assert.throws(() => readAll({ Kconfig: 'source "a"', a: 'source "Kconfig"' }), /Kconfig -> a -> Kconfig/);
  malformed('source "none"\n', /none cannot be read: there is no such file/);
  malformed("config A\n def_bool $(shell,echo y)\n", /\$\(shell,echo y\) would run a program of this host/);
});

test("what the language does not allow is told with its place", () => {
  malformed("config A\n bool\n depends on\n", /Kconfig:3: an option or a value was expected/);
  malformed("config A\n bool\n depends on (B\n", /`\)` was expected/);
  malformed('config A\n bool "a\n', /a string does not end/);
  malformed("config A\n flavour y\n", /`flavour` is no keyword here/);
  malformed('config A\n prompt "a"\n', /A has no type/);
  malformed("config A\n bool\n int\n", /A is int here and bool elsewhere/);
  malformed('menu "m"\n', /this menu has no endmenu/);
  malformed("endif\n", /endif without if/);
  malformed("config A\n int\n select B\nconfig B\n bool\n", /select is for bool and tristate/);
  malformed("config A\n bool\n select B\nconfig B\n int\n", /B, which is int/);
  malformed("config A\n bool\n range 1 2\n", /range is for int and hex/);
  malformed("config A\n def_bool B\nconfig B\n def_bool A\n", /recursive dependency: A -> B -> A/);
  malformed("config A\n bool\n depends on A\n", /recursive dependency: A -> A/);
  malformed("config A-B\n bool\n", /no name for an option/);
});
