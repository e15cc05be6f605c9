/** Every command's help ends with examples, as they are typed: each is one that the parser takes, and what is quick is run. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { commands } from "../../src/cli/commands.js";
import { describeProgram } from "../../src/cli/program.js";
import { main } from "../boot/booting.test-support.js";
import { everyCommand, parse } from "./parsing.test-support.js";

/** What works without booting anything, and what it needs before; in a folder of its own. */
const quick: Readonly<Record<string, string>> = {
  "completion bash": "",
  "disk create data.qcow2 10G": "",
  "disk create today.qcow2 --backing data.qcow2": "unikvm disk create data.qcow2 1G",
  "disk info data.qcow2": "unikvm disk create data.qcow2 1G",
  "disk info --json data.qcow2": "unikvm disk create data.qcow2 1G",
  doctor: "",
  "doctor --json": "",
  "guest list": "",
  "guest list --json": "",
  lsmod: "",
  "modinfo -F alias kvm": "",
  "modinfo kvm": "",
  "modprobe -n --show-depends kvm-hv": "",
  "snapshot list": "",
  "snapshot list --json": "",
  "snapshot rm --cache": "",
};

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (written) => (text += written) });
  command.outputHelp();
  return text;
}

/** The lines behind "Examples:". */
const examplesIn = (help: string): readonly string[] =>
  (help.split("\nExamples:\n")[1] ?? "").split("\n").flatMap((line) => (line.trim() ? [line.trim()] : []));

/** Its words, as a shell has them: what unikvm gets, without pipes and comments. */
function wordsOf(line: string): readonly string[] {
  const [, behind = assert.fail(line)] = /\bunikvm (.*)/.exec(line) ?? [];
  const [own = ""] = behind.split(/\)"| +#| \| /);
  return [...own.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

/** Run by a shell that finds `unikvm`, in a folder where there is nothing. */
function works(script: string): void {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-help-"));
  try {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "unikvm"), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
    const env = {
      ...process.env,
      PATH: `${bin}${delimiter}${process.env["PATH"]}`,
      XDG_CACHE_HOME: folder,
      XDG_DATA_HOME: folder,
      XDG_RUNTIME_DIR: folder,
    };
    const { status, stderr } = spawnSync("bash", ["-ec", script], { cwd: folder, env, encoding: "utf8" });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const noBash = spawnSync("bash", ["--version"]).status !== 0 && "no bash here";
const ran = new Set<string>();
for await (const { words, command } of everyCommand()) {
  const name = words.join(" ");
  const lines = examplesIn(helpOf(command));

  test(`${name} --help ends with examples, which are what it takes`, async () => {
    assert.ok(
      lines.some((line) => line.includes(`unikvm ${name}`)),
      lines.join("\n"),
    );
    for (const line of lines) {
      const { status, stderr } = await parse(...wordsOf(line));
      assert.equal(status, undefined, `${line}: ${stderr}`);
    }
  });

  for (const line of lines) {
    const own = wordsOf(line).join(" ");
    const before = quick[own];
    if (before === undefined) continue;
    ran.add(own);
    test(`it works: ${line}`, { skip: noBash }, () => works(`${before}\n${line}`));
  }
}

test("what is quick is still among the examples", () => {
  assert.deepEqual([...ran].sort(), Object.keys(quick).sort());
});

test("a command with others below it has examples, too, and its line names them all", async () => {
  for (const { name, summary } of commands) {
    const program = await describeProgram(name, () => async () => {});
    const command = program.commands.find((one) => one.name() === name) ?? assert.fail(name);
    if (command.commands.length === 0) continue;
    assert.ok(examplesIn(helpOf(command)).length > 0, name);
    if (name !== "guest") continue;
    for (const below of command.commands) {
      const word = below.name() === "rm" ? "remove" : below.name();
      assert.ok(summary.includes(word), `${name}: "${summary}" does not say ${word}`);
    }
  }
});
