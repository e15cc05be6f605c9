/** Completion knows every command and every option, in the words of a shell. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import type { Command } from "commander";
import type { Described, Finish } from "../../src/cli/command.js";
import { commands } from "../../src/cli/commands.js";
import { candidates, scripts } from "../../src/cli/completion.js";
import { describeProgram } from "../../src/cli/program.js";
import { main } from "../boot/booting.test-support.js";

const finish: Finish = () => async () => undefined;
/** Each with its options, made anew: describing one twice would add them again. */
const described: Described = async (name) =>
  (await describeProgram(name, finish)).commands.find((one) => one.name() === name);

async function words(...line: readonly string[]): Promise<string[]> {
  return (await candidates(await describeProgram(undefined, finish), described, line)).map(({ word }) => word);
}

test("every command, every subcommand and every option is offered", async () => {
  const names = commands.map(({ name }) => name);
  assert.deepEqual(
    (await words("")).filter((word) => !word.startsWith("-")),
    names,
  );
  const look = async (line: readonly string[], command: Command): Promise<number> => {
    const offered = await words(...line, "-");
    const options = command.options.filter(({ hidden }) => !hidden);
    let seen = options.length;
    for (const { long, short } of options) {
      if (long) assert.ok(offered.includes(long), `${line.join(" ")} ${long}`);
      if (short) assert.ok(offered.includes(short), `${line.join(" ")} ${short}`);
    }
    assert.ok(offered.includes("--help"), line.join(" "));
    const below = await words(...line, "");
    for (const one of command.commands) {
      assert.ok(below.includes(one.name()), `${line.join(" ")} ${one.name()}`);
      seen += await look([...line, one.name()], one);
    }
    return seen;
  };
  let options = 0;
  for (const name of names) options += await look([name], (await described(name)) as Command);
  assert.ok(options > 60, `${options} options`);
});

test("values that are known are offered, others are left to the shell's files", async () => {
  assert.deepEqual(await words("run", "--type", ""), ["hv", "pr"]);
  assert.deepEqual(await words("run", "--type", "h"), ["hv"]);
  assert.deepEqual(await words("run", "--kernel", ""), []);
  assert.deepEqual(await words("snapshot", "re"), ["restore"]);
  assert.ok((await words("completion", "")).includes("zsh"));
  assert.deepEqual(await words("exec", "--", "ls", "--"), []);
  assert.deepEqual(await words("nonsense", ""), []);
  assert.deepEqual(await words("snap"), ["snapshot"]);
});

test("bash asks and gets words; every script is printed, and another shell is refused", {
  skip: spawnSync("bash", ["--version"]).status !== 0 && "no bash here",
}, () => {
  const script = `unikvm() { '${process.execPath}' '${main}' "$@"; }
eval "$(unikvm completion bash)"
COMP_WORDS=(unikvm snapshot re); COMP_CWORD=2; _unikvm; echo "\${COMPREPLY[*]}"
COMP_WORDS=(unikvm exec --type ''); COMP_CWORD=3; _unikvm; echo "\${COMPREPLY[*]}"
complete -p unikvm`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.equal(stdout, "restore\nhv pr\ncomplete -o bashdefault -o default -F _unikvm unikvm\n", stderr);
  const own = spawnSync(process.execPath, [main, "completion", "words", "--", "completion", "z"], { encoding: "utf8" });
  assert.deepEqual([own.stdout, own.stderr], ["zsh\t\n", ""]);
  const one = spawnSync(process.execPath, [main, "completion", "tcsh"], { encoding: "utf8" });
  assert.deepEqual([one.status, /Allowed choices are bash, zsh, fish, powershell, words/.test(one.stderr)], [2, true]);
  for (const text of Object.values(scripts)) assert.match(text, /unikvm completion words/);
});

test("fish asks and gets words", {
  skip: spawnSync("fish", ["--version"]).status !== 0 && "no fish here",
}, () => {
  const script = `function unikvm; '${process.execPath}' '${main}' $argv; end
unikvm completion fish | source
complete -C 'unikvm snapshot re'; complete -C 'unikvm exec --type '; complete -C 'unikvm completion z'`;
  const { stdout, stderr } = spawnSync("fish", ["-c", script], { encoding: "utf8" });
  assert.match(stdout, /^restore\t.*\nhv\t?\npr\t?\nzsh\t?\n$/, stderr);
});

test("zsh asks and gets words", { skip: spawnSync("zsh", ["--version"]).status !== 0 && "no zsh here" }, () => {
  // What would be shown is printed.
  const script = `unikvm() { '${process.execPath}' '${main}' "$@" }
compdef() { }
_describe() { print -rl -- "\${(@P)2}" }
_files() { print files }
eval "$(unikvm completion zsh)"
for line in 'snapshot re' 'exec --type ' 'run --kernel '; do words=(unikvm "\${(@s. .)line}"); CURRENT=$#words; _unikvm; done`;
  const { stdout, stderr } = spawnSync("zsh", ["-f", "-c", script], { encoding: "utf8" });
  assert.match(stdout, /^restore:.*\nhv\npr\nfiles\n$/, stderr);
});
