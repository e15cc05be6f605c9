/** Our evaluation beside the kernel's own `conf`, on random Kconfig files and random .config files. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { kernelConf, missing } from "../../test/oracles/oracles.js";
import { configure, formatConfig, readConfig } from "./dotconfig.js";
import { Evaluation } from "./evaluate.js";
import { KconfigError } from "./model.js";
import { readKconfig } from "./parser.js";

const conf = kernelConf();
const skip = missing("conf");
const rounds = Number(process.env["UNIKVM_KCONFIG_ROUNDS"] ?? 60);
const firstSeed = Number(process.env["UNIKVM_KCONFIG_SEED"] ?? 1);

/** Numbers from a seed, so that a failure can be run again (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A Kconfig file whose options depend on earlier ones only and select later ones, so that there is no recursion. */
function randomKconfig(random: (below: number) => number): { text: string; names: { name: string; type: string }[] } {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const chance = (percent: number): boolean => random(100) < percent;
  const count = 12 + random(14);
  const types = ["bool", "bool", "tristate", "tristate", "tristate", "int", "hex", "string"] as const;
  const names = Array.from({ length: count }, (_, i) => ({ name: `O${i}`, type: pick(types) as string }));
  const lines = ['mainmenu "Random"', "config MODULES", '  bool "modules"', "  modules"];
  if (chance(60)) lines.push("  default y");
  const expression = (upTo: number, depth = 0): string => {
    const earlier = names.slice(0, upTo);
    const logical = earlier.filter(({ type }) => type === "bool" || type === "tristate");
    if (logical.length === 0) return pick(["y", "m", "n", "MODULES"]);
    if (depth < 2 && chance(25)) return `(${expression(upTo, depth + 1)} || ${expression(upTo, depth + 1)})`;
    if (depth < 2 && chance(25)) return `${expression(upTo, depth + 1)} && ${expression(upTo, depth + 1)}`;
    if (chance(20)) return `!${pick(logical).name}`;
    if (chance(8)) {
      const one = pick(logical).name;
      return pick([
        `${one} || !${one}`,
        `${one} != n || ${one} = n`,
        `!(${one} && ${one} != m)`,
        `${one} && ${one} != n`,
      ]);
    }
    if (chance(8))
      return `${pick(["UNDEFINED", pick(earlier).name])} ${pick(["=", "!="])} ${pick(["n", "UNDEFINED", '"a"'])}`;
    if (chance(25)) {
      const { name, type } = pick(earlier);
      const relation = pick(["=", "!=", "<", "<=", ">", ">="]);
      if (type === "int") return `${name} ${relation} ${random(12)}`;
      if (type === "hex") return `${name} ${relation} 0x${random(32).toString(16)}`;
      if (type === "string") return `${name} ${relation} "${pick(["", "a", "b"])}"`;
      return `${name} ${pick(["=", "!="])} ${pick(["y", "m", "n"])}`;
    }
    return pick(logical).name;
  };
  const condition = (upTo: number): string => (chance(40) ? ` if ${expression(upTo)}` : "");
  const valueOf = (type: string): string =>
    type === "int"
      ? String(random(12))
      : type === "hex"
        ? `${pick(["0x", ""])}${random(64).toString(16)}`
        : type === "string"
          ? `"${pick(["", "a", "b c", 'q\\"'])}"`
          : pick(["y", "m", "n"]);
  const body = (i: number, prompt: boolean): void => {
    const { type } = names[i] as { type: string };
    lines.push(`  ${type}${prompt ? ` "option ${i}"${condition(i)}` : ""}`);
    if (chance(35)) lines.push(`  depends on ${expression(i)}`);
    if ((type === "int" || type === "hex") && chance(50)) {
      const low = random(8);
      const prefix = pick(["0x", "0X", ""]);
      const write = (n: number) => (type === "hex" ? `${prefix}${n.toString(16)}` : String(n));
      lines.push(`  range ${write(low)} ${write(low + random(20))}${condition(i)}`);
    }
    for (let k = random(3); k > 0; k--) {
      const logical = type === "bool" || type === "tristate";
      lines.push(`  default ${logical && chance(40) ? expression(i) : valueOf(type)}${condition(i)}`);
    }
    const later = names.slice(i + 1).filter((other) => other.type === "bool" || other.type === "tristate");
    if ((type === "bool" || type === "tristate") && later.length > 0) {
      if (chance(20)) lines.push(`  select ${pick(later).name}${condition(i)}`);
      if (chance(20)) lines.push(`  imply ${pick(later).name}${condition(i)}`);
    }
  };
  let menus = 0;
  for (let i = 0; i < count; i++) {
    if (chance(12)) {
      lines.push(`menu "menu ${i}"`);
      if (chance(50)) lines.push(`  depends on ${expression(i)}`);
      if (chance(30)) lines.push(`  visible if ${expression(i)}`);
      menus++;
    } else if (menus > 0 && chance(15)) {
      lines.push("endmenu");
      menus--;
    }
    if (chance(8)) lines.push(`comment "remark ${i}"`, `  depends on ${expression(i)}`);
    const size = 2 + random(3);
    if (chance(10) && i + size < count) {
      lines.push("choice", `  prompt "choice ${i}"${condition(i)}`);
      if (chance(50)) lines.push(`  default O${i + random(size)}${condition(i)}`);
      for (let k = 0; k < size; k++) {
        const at = i + k;
        (names[at] as { type: string }).type = "bool";
        lines.push(`config O${at}`, `  bool "value ${at}"`);
        if (chance(25)) lines.push(`  depends on ${expression(i)}`);
      }
      lines.push("endchoice");
      i += size - 1;
      continue;
    }
    const guarded = chance(12);
    if (guarded) lines.push(`if ${expression(i)}`);
    lines.push(`${chance(10) ? "menuconfig" : "config"} O${i}`);
    body(i, chance(75));
    if (guarded) lines.push("endif");
  }
  for (; menus > 0; menus--) lines.push("endmenu");
  return { text: `${lines.join("\n")}\n`, names };
}

function randomConfig(random: (below: number) => number, names: readonly { name: string; type: string }[]): string {
  const lines: string[] = [];
  for (const { name, type } of [{ name: "MODULES", type: "bool" }, ...names]) {
    const roll = random(4);
    if (roll === 0) continue;
    if (type === "int") lines.push(`CONFIG_${name}=${random(30)}`);
    else if (type === "hex") lines.push(`CONFIG_${name}=${random(2) === 0 ? "0x" : ""}${random(64).toString(16)}`);
    else if (type === "string") lines.push(`CONFIG_${name}="${["", "x", "a b"][random(3)]}"`);
    else if (roll === 1) lines.push(`# CONFIG_${name} is not set`);
    else lines.push(`CONFIG_${name}=${type === "tristate" && roll === 2 ? "m" : "y"}`);
  }
  return `${lines.join("\n")}\n`;
}

/** After the lines that name the program. */
const body = (text: string): string => text.split("\n").slice(4).join("\n");

function runConf(folder: string, mode: string, seed = 0): string {
  const environment = { ...process.env, KCONFIG_CONFIG: join(folder, ".config"), KCONFIG_SEED: String(seed) };
  const { status, stderr } = spawnSync(conf ?? "", [mode, "Kconfig"], {
    cwd: folder,
    env: environment,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return readFileSync(join(folder, ".config"), "utf8");
}

function inFolder(act: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-kconfig-"));
  try {
    act(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("random configurations have the values that the kernel's conf gives them", { skip }, (t) => {
  inFolder((folder) => {
    let compared = 0;
    for (let seed = firstSeed; seed < firstSeed + rounds; seed++) {
      const random = randomFrom(seed);
      const { text, names } = randomKconfig(random);
      const asked = randomConfig(random, names);
      writeFileSync(join(folder, "Kconfig"), text);
      writeFileSync(join(folder, ".config"), asked);
      const theirs = runConf(folder, "--olddefconfig");
      const kconfig = readKconfig("Kconfig", { readFile: () => text });
      const read = readConfig(kconfig, asked).asked;
      const evaluation = new Evaluation(kconfig, read);
      // conf drops a number out of range after it has computed others from it, and does not compute these again.
      if ([...read].some(([symbol, value]) => typeof value === "string" && !evaluation.withinRange(symbol, value))) {
        continue;
      }
      assert.equal(body(formatConfig(evaluation)), body(theirs), `seed ${seed}\n${text}\n--- asked:\n${asked}`);
      compared++;
    }
    t.diagnostic(`${compared} of ${rounds} random configurations compared`);
    assert.ok(compared > rounds / 4);
  });
});

test("what conf writes is read without a contradiction, and written the same", { skip }, () => {
  inFolder((folder) => {
    let compared = 0;
    for (let seed = firstSeed; seed < firstSeed + rounds; seed++) {
      const { text } = randomKconfig(randomFrom(seed));
      writeFileSync(join(folder, "Kconfig"), text);
      const theirs = runConf(folder, "--randconfig", seed);
      const kconfig = readKconfig("Kconfig", { readFile: () => text });
      const ours = new Evaluation(kconfig, readConfig(kconfig, theirs).asked);
      assert.equal(body(formatConfig(ours)), body(theirs), `seed ${seed}\n${text}`);
      // Where an option is selected against what it depends on, conf only warns.
      try {
        configure(kconfig, theirs);
        compared++;
      } catch (error) {
        assert.match(String(error), /is selected by .* but depends on/, `seed ${seed}\n${text}\n${theirs}`);
      }
    }
    assert.ok(compared > rounds / 4, `only ${compared} of ${rounds} were free of unmet dependencies`);
  });
});

/** Each a Kconfig file; what `$(info,…)` says and the configuration are compared, or that both refuse it. */
const macroCases = {
  "variables of both flavours, appended to": `
SIMPLE := one $(LATER)
RECURSIVE = two $(LATER)
LATER = late
SIMPLE += more $(LATER)
RECURSIVE += $(LATER)
NEW += fresh $(LATER)
LATER := later
$(info,[$(SIMPLE)] [$(RECURSIVE)] [$(NEW)] [$(NOBODY)])
config A
	string
	default "$(SIMPLE)-$(NEW)"
config $(LATER)_B
	def_bool y
`,
  "blanks, comments and quotes in values": `
A =   some  text # no comment  
B := "quoted $(A)" 'too'
C:=x
D+=y
E = a = b := c
$(info,[$(A)][$(B)][$(C)][$(D)][$(E)])
config X
	string
	default "$(B)"
config Y
	string
	default '$(A)'
`,
  "functions of one's own, with arguments and nothing for those that lack": `
greet = $(1), my name is $(2).$(3)
first = $(1)
swap = $(first,$(2)) $(first,$(1))
nest = $(greet,$(swap,$(1),b),(c,d))
$(info,$(greet,hello,$(first,John)))
$(info,$(swap,a,b,c))
$(info,$(nest,x))
$(info,[$(first, with blanks )] [$(first)] [$(greet)])
name = first
$(info,$($(name),by name))
`,
  "the functions that are there": `
$(info,$(filename):$(lineno))
$(warning-if,n,not said)
$(warning-if,y,said)
$(error-if,n,not an error)
say = $(info,$(1))$(1)
config A
	def_bool $(say,y)
config B
	string "b"
	default "$(filename) $(lineno)"
`,
  "a dollar and brackets that are none of the language's": `
A = a$b $$ $( ) $$(A2)
A2 = x
$(info,[$(A)])
config X
	string
	default "$5 \\$(A2) $A2 )("
`,
  "loops that functions make with conditions": `
count = $(count$(1))
count1 = $(info,one)$(count,2)
count2 = $(info,two)
$(info,$(count,1))
if-y = $(yes-$(1))
yes-y = taken
yes-n =
$(info,[$(if-y,y)] [$(if-y,n)] [$(if-y,)])
`,
  "an error": "$(error-if,y,because)\n",
  "a variable that needs itself": "A = $(B)\nB = $(A)\n$(info,$(A))\n",
  "a reference without an end": "$(info,abc\n",
  "too few arguments": "$(warning-if,y)\n",
  "too many arguments": "$(lineno,a)\n",
  "a keyword from a macro": "A = config\n$(A) B\n\tbool\n",
  "a function that calls itself": "f = $(f,$(1))\n$(info,$(f,x))\n",
  "an assignment to a keyword": "config = x\n",
} as const;

for (const [name, text] of Object.entries(macroCases)) {
  test(`macros as conf has them: ${name}`, { skip }, () => {
    inFolder((folder) => {
      writeFileSync(join(folder, "Kconfig"), text);
      const environment = { ...process.env, KCONFIG_CONFIG: join(folder, ".config") };
      const theirs = spawnSync(conf ?? "", ["--olddefconfig", "Kconfig"], {
        cwd: folder,
        env: environment,
        encoding: "utf8",
      });
      const said: string[] = [];
      const warned: string[] = [];
      const read = () =>
        formatConfig(
          new Evaluation(
            readKconfig("Kconfig", {
              readFile: () => text,
              info: (line) => said.push(line),
              warning: (line) => warned.push(line),
            }),
            new Map(),
          ),
        );
      if (theirs.status !== 0) {
        assert.throws(read, KconfigError);
        return;
      }
      const ours = read();
      assert.deepEqual(
        said.filter(Boolean),
        theirs.stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#")),
      );
      assert.deepEqual(warned, theirs.stderr.split("\n").filter(Boolean));
      assert.equal(body(ours), body(readFileSync(join(folder, ".config"), "utf8")));
    });
  });
}

test("what depends on either of a bool's values is no loop, and an undefined name is compared by its text", {
  skip,
}, () => {
  const bodies = [
    'config A\n tristate "a"\n default y\n depends on H || !H\nconfig H\n bool "h"\n default y\n depends on A\n',
    'config A\n tristate "a"\n depends on H || X || !H\nconfig X\n bool\nconfig H\n bool "h"\n depends on A\n',
    'config A\n tristate "a"\n depends on H = y || H = n\nconfig H\n bool "h"\n depends on A\n',
    'config A\n tristate "a"\n depends on (X && H) || !H\nconfig X\n bool\nconfig H\n bool "h"\n depends on A\n',
    'config T\n tristate "t"\n depends on U = y || U = m || U = n\nconfig U\n tristate "u"\n depends on T\n',
    'config T\n tristate "t"\n depends on U || !U\nconfig U\n tristate "u"\n depends on T\n',
    'config A\n bool "a"\n default y\n depends on UNDEF != n\nconfig B\n def_bool UNDEF = "UNDEF"\nconfig C\n def_bool UNDEF\n',
    'config A\n hex\n default 0\nconfig B\n hex "b"\n range 10 0X14\n default 5\nconfig C\n hex\n default ABC\n',
  ];
  inFolder((folder) => {
    for (const text of bodies) {
      writeFileSync(join(folder, "Kconfig"), text);
      rmSync(join(folder, ".config"), { force: true });
      const environment = { ...process.env, KCONFIG_CONFIG: join(folder, ".config") };
      const theirs = spawnSync(conf ?? "", ["--olddefconfig", "Kconfig"], {
        cwd: folder,
        env: environment,
        encoding: "utf8",
      });
      const read = () => formatConfig(new Evaluation(readKconfig("Kconfig", { readFile: () => text }), new Map()));
      if (theirs.status !== 0) assert.throws(read, /recursive dependency/, text);
      else assert.equal(body(read()), body(readFileSync(join(folder, ".config"), "utf8")), text);
    }
  });
});
