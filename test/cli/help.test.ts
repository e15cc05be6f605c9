/** Every command's help ends with examples, as they are typed: each is one that the parser takes, and what is quick is run. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { commands } from "../../src/cli/commands.js";
import { describeProgram } from "../../src/cli/program.js";
import { buildModule } from "../../src/modules/elf/elf-builder.test-support.js";
import { root, main as unbundled } from "../boot/booting.test-support.js";
import { loopKernel } from "../loop-kernel.test-support.js";
import { everyCommand, parse } from "./parsing.test-support.js";

/** What ./unikvm and the package run, which a build of TypeScript alone has none of. */
const bundled = join(root, "dist/command/node/unikvm.js");
const main = existsSync(bundled) ? bundled : unbundled;

const depmod = "unikvm depmod -b rootfs 6.1.0-29-powerpc64le";

/** What works without booting anything, and what it needs before; in a folder of its own. */
const quick: Readonly<Record<string, string>> = {
  "build --config .config --platform browser --output public/unikvm":
    "echo '# CONFIG_KVM_BOOK3S_HV_POSSIBLE is not set' > .config",
  "build --defconfig x86": "",
  "completion bash": "",
  "depmod -b rootfs 6.1.0-29-powerpc64le": "",
  "depmod -n -b rootfs 6.1.0-29-powerpc64le": "",
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
  "modinfo rootfs/lib/modules/6.1.0-29-powerpc64le/kernel/drivers/block/virtio_blk.ko": "",
  "modprobe -n --show-depends kvm-hv": "",
  "modprobe -n -D -d rootfs -S 6.1.0-29-powerpc64le virtio_blk": depmod,
  "selftest --type pr --threads single --test entry": "",
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

/** Beside what the examples name, where they name what somebody has. */
function prepare(folder: string): void {
  const blocks = join(folder, "rootfs/lib/modules/6.1.0-29-powerpc64le/kernel/drivers/block");
  mkdirSync(blocks, { recursive: true });
  for (const list of ["order", "builtin", "builtin.modinfo"])
    writeFileSync(join(blocks, `../../../modules.${list}`), "");
  writeFileSync(join(blocks, "virtio_blk.ko"), buildModule({ info: ["license=GPL", "depends="] }));
  const index = JSON.stringify(pathToFileURL(join(root, "dist/src/index.js")).href);
  writeFileSync(
    join(folder, "my-module.js"),
    `import { defineModule } from ${index};
     const params = { verbose: { type: "bool", default: false, description: "Says more" } };
     export default defineModule({ name: "my_module", description: "Mine", license: "MIT", params, init() {} });`,
  );
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
}

/** Run by a shell that finds `unikvm`, in a folder where there is nothing else. What it prints. */
function works(script: string): string {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-help-"));
  try {
    prepare(folder);
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
    const { status, stdout, stderr } = spawnSync("bash", ["-ec", script], { cwd: folder, env, encoding: "utf8" });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const noBash = spawnSync("bash", ["--version"]).status !== 0 && "no bash here";
const ran = new Set<string>();
const all = new Set<string>();
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
    all.add(own);
    const before = quick[own];
    if (before === undefined) continue;
    ran.add(own);
    test(`it works: ${line}`, { skip: noBash }, () => void works(`${before}\n${line}`));
  }
}

test("what is quick is still among the examples", () => {
  assert.deepEqual([...ran].sort(), Object.keys(quick).sort());
});

/** What asks a unikvm that runs, in an order in which each finds what it needs. */
const whileOneRuns: readonly string[] = [
  "lsmod",
  "lsmod --pid 4711",
  "modprobe vfio",
  "modprobe -r vfio",
  "modprobe vfio",
  "rmmod vfio",
  "insmod ./my-module.js",
  "rmmod -f my-module",
  "insmod ./my-module.js verbose=1",
  "snapshot save booted",
  "snapshot info booted",
  "snapshot list",
  "snapshot rm booted",
  "snapshot save --pid 4711 ./booted.snapshot",
  "snapshot info --json ./booted.snapshot",
];

test("those work that are for a unikvm that runs; a module is as large by its name as by its file", {
  skip: noBash,
}, () => {
  for (const line of whileOneRuns) assert.ok(all.has(line), `${line} is no example`);
  const folder = mkdtempSync(join(tmpdir(), "unikvm-help-"));
  try {
    const kernel = loopKernel(folder).join(" ");
    const lines = whileOneRuns.map((line) => `unikvm ${line.replace("4711", "$pid")}`);
    const begin = `unikvm run ${kernel} --timeout 60 >/dev/null 2>&1 & pid=$!
      trap 'kill $pid; wait $pid || true' EXIT
      until unikvm lsmod | grep -q '^kvm '; do sleep 0.1; done`;
    const sizes = `file=$(unikvm modinfo -n vfio); unikvm insmod $file; unikvm lsmod | grep '^vfio' >by-file
      unikvm rmmod vfio; unikvm modprobe vfio; unikvm lsmod | grep '^vfio' | diff by-file -`;
    const said = works([begin, ...lines, sizes].join("\n"));
    assert.match(said, /^vac +\d+ {2}1 kvm$/m);
    assert.match(said, /^booted: .*; the guest stood still for \d+ ms$/m);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("unikvm help is --help, of a command with it behind", () => {
  for (const [words, same] of [
    ["help", "--help"],
    ["help disk create", "disk create --help"],
    ["help --json modinfo", "modinfo --help"],
  ]) {
    assert.equal(works(`unikvm ${words}`), works(`unikvm ${same}`), words);
  }
  assert.match(works("unikvm help nonsense 2>&1 || echo $?"), /^error: unknown command 'nonsense'\n.*\n2\n$/);
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
