/** depmod, modprobe and modinfo on Debian's trees of thousands of modules, against kmod's. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { root } from "../boot/booting.test-support.js";
import { missing } from "../oracles/oracles.js";
import {
  type Architecture,
  type DebianTree,
  debianTree,
  kmodReads,
  metapackages,
} from "./module-trees.test-support.js";

const none = join(root, "no-configuration");

function run(program: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "latin1", maxBuffer: 1 << 28 });
  return { status, stdout, stderr };
}
const kmod = (program: string, args: readonly string[]) => run(program, args);
const ours = (program: string, args: readonly string[]) =>
  run(process.execPath, [join(root, "dist/src/cli/main.js"), program, ...args]);

/** modules.dep's lines, and the others by kmod's headings. kmod before 33 knows no weak dependencies. */
function sections(output: string): Map<string, string[]> {
  const found = new Map<string, string[]>([["modules.dep", []]]);
  let lines = found.get("modules.dep") ?? [];
  for (const line of output.split("\n")) {
    if (line.startsWith("# ")) found.set(line, (lines = []));
    else lines.push(line);
  }
  found.delete("# Weak dependencies extracted from modules themselves.");
  return found;
}

const withoutBuildId = (output: string) => output.replace(/^build-id: .*\n|(?<=^|\0)build-id=[^\0]*\0/gm, "");

/** The tree, or the test is skipped and says why. */
async function treeFor(context: TestContext, architecture: Architecture): Promise<DebianTree | undefined> {
  const noKmod = missing("kmod");
  if (noKmod) return void context.skip(noKmod);
  const tree = await debianTree(architecture);
  if (typeof tree === "string") return void context.skip(`${tree}`);
  if (!kmodReads(tree)) return void context.skip("the installed kmod cannot unpack these modules");
  return tree;
}

for (const architecture of Object.keys(metapackages) as Architecture[]) {
  test(`${architecture}: depmod -n prints what kmod's prints`, async (context) => {
    const tree = await treeFor(context, architecture);
    if (!tree) return;
    const args = ["-n", "-b", tree.root, "-C", none, tree.version];
    const [theirs, mine] = [kmod("depmod", args), ours("depmod", args)];
    assert.deepEqual([mine.status, mine.stderr], [0, ""]);
    const [expected, got] = [sections(theirs.stdout), sections(mine.stdout)];
    assert.ok((expected.get("modules.dep")?.length ?? 0) > 1000);
    assert.equal(got.get("modules.dep")?.join("\n"), expected.get("modules.dep")?.join("\n"));
    assert.deepEqual([...got.keys()], [...expected.keys()]);
    for (const [name, lines] of expected) assert.deepEqual(got.get(name)?.sort(), lines.sort(), name);
  });

  test(`${architecture}: kmod's modprobe reads what depmod writes; both answer the same`, async (context) => {
    const tree = await treeFor(context, architecture);
    if (!tree) return;
    const copy = mkdtempSync(join(tmpdir(), "unikvm-tree-"));
    context.after(() => rmSync(copy, { recursive: true, force: true }));
    cpSync(tree.root, copy, { recursive: true });
    const folder = join(copy, "lib/modules", tree.version);
    const write = ["-b", copy, "-C", none, tree.version];
    const read = () =>
      new Map(
        readdirSync(folder)
          .filter((name) => name.startsWith("modules.") && !/weakdep|builtin\.ranges/.test(name))
          .map((name) => [name, readFileSync(join(folder, name), "latin1").split("\n").sort().join("\n")]),
      );
    assert.equal(kmod("depmod", write).status, 0);
    const expected = read();
    for (const name of expected.keys()) {
      if (!/order$|builtin$|modinfo$/.test(name)) rmSync(join(folder, name));
    }
    assert.deepEqual(ours("depmod", write), { status: 0, stdout: "", stderr: "" });
    const got = read();
    assert.deepEqual([...got.keys()], [...expected.keys()]);
    for (const [name, text] of expected) if (!name.endsWith(".bin")) assert.ok(got.get(name) === text, name);
    const place = ["-d", copy, "-S", tree.version, "-C", none];
    for (const name of [
      "virtio_pci",
      "vfio-pci",
      "btrfs",
      "tun",
      "devname:net/tun",
      "nosuch",
      "kvm",
      "symbol:vfio_group_set_kvm",
    ]) {
      for (const how of [["-D"], ["-R"], ["-D", "-i"]]) {
        const args = [...place, ...how, name];
        assert.deepEqual(ours("modprobe", args), kmod("modprobe", args), args.join(" "));
      }
    }
    // Both read an index of everything: kmod the binary ones that we wrote.
    assert.equal(ours("modprobe", [...place, "-c"]).stdout, kmod("modprobe", [...place, "-c"]).stdout);
    const info = ["-b", copy, "-k", tree.version];
    for (const name of ["ext4", "vfio-pci", "e1000e", "nosuch", "tun"]) {
      for (const how of [[], ["-F", "alias"], ["-p"], ["-0"], ["-n"], ["-m"]]) {
        const args = [...info, ...how, name];
        const [mine, theirs] = [ours("modinfo", args), kmod("modinfo", args)];
        // No release of kmod up to 34 shows it.
        if (!/^build-id/m.test(theirs.stdout)) mine.stdout = withoutBuildId(mine.stdout);
        assert.deepEqual(mine, theirs, args.join(" "));
      }
    }
  });
}
