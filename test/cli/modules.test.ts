import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { buildModule } from "../../src/modules/elf/elf-builder.test-support.js";
import { root } from "../boot/booting.test-support.js";
import { loopKernel } from "../loop-kernel.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-modules-"));
const env = { ...process.env, XDG_RUNTIME_DIR: folder };
after(() => rmSync(folder, { recursive: true, force: true }));

const built = (name: string) => join(root, "dist", "modules", `${name}.js`);

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [join(root, "dist/src/cli/main.js"), ...args], { env });
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      text[name] += chunk;
    });
  }
  const ended = new Promise<Result>((resolve) => child.on("close", (status) => resolve({ status, ...text })));
  return { child, ended };
}

/** A module of somebody else's. */
function writeModule(name: string, imports: readonly string[], init: string): string {
  const file = join(folder, `${name}.mjs`);
  const index = JSON.stringify(pathToFileURL(join(root, "dist/src/index.js")).href);
  writeFileSync(
    file,
    `import { defineModule, KvmError, vfioRegisterGroupDev } from ${index};
     const nothing = () => {};
     const device = { name: "0000:00:01.0", flags: 0, regions: [], irqs: [], open: nothing, close: nothing, read: nothing, write: nothing };
     export default defineModule({
       name: "${name}", description: "", license: "MIT", imports: { ${imports.join(", ")} }, init: ${init},
     });`,
  );
  return file;
}

const unikvm = (line: string): Promise<Result> => start(...line.split(" ")).ended;
const out = (stdout: string): Result => ({ status: 0, stdout, stderr: "" });
const error = (stderr: string, status = 1): Result => ({ status, stdout: "", stderr });

test("M5: modprobe -n --show-depends kvm-hv answers with vac and kvm", async () => {
  const depends = out(`insmod ${built("vac")} \ninsmod ${built("kvm")} \n`);
  assert.deepEqual(await unikvm("modprobe -n --show-depends kvm-hv"), depends);
  assert.deepEqual(await unikvm("modprobe -D kvm_pr"), depends);
  assert.deepEqual(await unikvm("modprobe -nv kvm"), depends);
  for (const vendor of ["kvm-intel", "kvm-amd"]) {
    const own = out(`insmod ${built("vac")} \ninsmod ${built(vendor)} node=x\n`);
    assert.deepEqual(await unikvm(`modprobe -D ${vendor.replace("-", "_")} node=x`), own);
    assert.match((await unikvm(`modinfo ${vendor}`)).stdout, /^parm: +node:.* \(charp\)$/m);
  }
  assert.deepEqual(await unikvm("modprobe -n kvm"), out(""));
  assert.deepEqual(await unikvm("modprobe -R kvm-hv"), out("kvm\n"));
  assert.deepEqual(await unikvm("modprobe -D vfio a=1 b"), out(`insmod ${built("vfio")} a=1 b\n`));
});

test("what modprobe and modinfo do not find they say as kmod does", async () => {
  const missing = `Module nope not found in directory ${join(root, "dist", "modules")}\n`;
  assert.deepEqual(await unikvm("modprobe -n nope"), error(`modprobe: FATAL: ${missing}`));
  assert.deepEqual(await unikvm("modprobe -q -n nope"), error(""));
  assert.deepEqual(await unikvm("modprobe -n -a nope kvm"), error(`modprobe: WARNING: ${missing}`));
  assert.deepEqual(await unikvm("modprobe -R nope"), error("modprobe: FATAL: Module nope not found.\n"));
  assert.deepEqual(await unikvm("modinfo nope"), error("modinfo: ERROR: Module nope not found.\n"));
  assert.deepEqual(await unikvm("modinfo"), error("modinfo: ERROR: missing module or filename.\n"));
});

test("modinfo shows a module's fields", async () => {
  const { status, stdout } = await unikvm("modinfo kvm-hv");
  assert.equal(status, 0);
  for (const line of [
    `filename:       ${built("kvm")}`,
    "license:        MIT",
    "alias:          kvm-hv",
    "depends:        vac",
    "intree:         Y",
    "name:           kvm",
  ]) {
    assert.ok(stdout.includes(`${line}\n`), line);
  }
  assert.deepEqual(await unikvm("modinfo -F alias kvm"), out("kvm-hv\nkvm-pr\n"));
  assert.deepEqual(await unikvm("modinfo -0 -n vac"), out(`${built("vac")}\0`));
});

test("called wrongly they end with kmod's status", async () => {
  for (const line of ["lsmod x", "modprobe --frobnicate", "rmmod --frobnicate", "insmod --frobnicate", "modinfo -F"]) {
    const { status, stdout, stderr } = await unikvm(line);
    assert.deepEqual([status, stdout], [1, ""], line);
    assert.match(stderr, /^error: /, line);
  }
  assert.deepEqual(await unikvm("rmmod"), error("rmmod: ERROR: missing module name.\n"));
  assert.deepEqual(await unikvm("insmod"), error("insmod: ERROR: missing filename.\n"));
  assert.deepEqual(
    await unikvm("insmod nope.js"),
    error("insmod: ERROR: could not load module nope.js: No such file or directory\n"),
  );
});

test("where nothing runs, lsmod prints its header and the others say so", async () => {
  assert.deepEqual(await unikvm("lsmod"), out("Module                  Size  Used by\n"));
  for (const [program, line] of [
    ["modprobe", "modprobe kvm"],
    ["rmmod", "rmmod kvm"],
    ["insmod", `insmod ${built("vac")}`],
  ] as const) {
    const said = `${program}: FATAL: no instance of unikvm is running; start one with unikvm run\n`;
    assert.deepEqual(await unikvm(line), error(said, 3));
  }
});

/** A guest that branches to itself, running; its modules once they are loaded. */
async function startLoop(...options: readonly string[]) {
  const running = start("run", ...loopKernel(folder), "--memory", "64M", "--timeout", "60", ...options);
  let shown = "";
  for (let tries = 0; tries < 100 && !/^kvm +\d+ {2}[1-9]/m.test(shown); tries++) {
    shown = (await unikvm("lsmod")).stdout;
    await sleep(100);
  }
  return { ...running, shown };
}

test("M16a: host_pci cannot be removed from under a guest that has its device", async () => {
  for (const end of ["kept", "forced out"]) {
    const running = await startLoop("--device", "vfio-pci,host=edu");
    try {
      // The machine takes the device when it is made.
      let held = "";
      for (let tries = 0; tries < 100 && held === ""; tries++) {
        held = /^host_pci +\d+ {2}([1-9].*)$/m.exec((await unikvm("lsmod")).stdout)?.[1] ?? "";
        await sleep(100);
      }
      assert.equal(held, "1");
      const inUse = "rmmod: ERROR: Module host_pci is in use\n";
      assert.deepEqual(await unikvm("rmmod host_pci"), error(inUse));
      assert.deepEqual(
        await unikvm("rmmod host_pci vfio"),
        error(`${inUse}rmmod: ERROR: Module vfio is in use by: host_pci\n`),
      );
      assert.deepEqual(await unikvm("modprobe -r host_pci"), error("modprobe: FATAL: Module host_pci is in use.\n"));
      if (end === "forced out") {
        assert.equal((await unikvm("rmmod -f host_pci")).status, 0);
        assert.deepEqual(await unikvm("rmmod vfio"), error("rmmod: ERROR: Module vfio is in use\n"));
        assert.equal(running.child.exitCode, null);
      }
    } finally {
      running.child.kill("SIGTERM");
      const { status, stderr } = await running.ended;
      assert.deepEqual([status, stderr], [143, ""], end);
    }
  }
});

test("M6: the modules of a running instance can be seen, loaded and removed, but not from under its VM", async () => {
  const module = join(folder, "hello.mjs");
  writeFileSync(
    module,
    `export default { name: "hello", description: "", license: "Proprietary", vermagic: "unikvm 0.1", init() {} };\n`,
  );
  const running = await startLoop();
  try {
    assert.match(running.shown, /^Module {18}Size {2}Used by\nkvm +\d+ {2}1\nvac +\d+ {2}1 kvm\n$/);
    assert.deepEqual(await unikvm("rmmod kvm"), error("rmmod: ERROR: Module kvm is in use\n"));
    assert.deepEqual(await unikvm("rmmod vac"), error("rmmod: ERROR: Module vac is in use by: kvm\n"));
    assert.deepEqual(await unikvm("rmmod nope"), error("rmmod: ERROR: Module nope is not currently loaded\n"));
    assert.deepEqual(await unikvm("modprobe -r kvm-hv"), error("modprobe: FATAL: Module kvm is in use.\n"));
    assert.deepEqual(await unikvm("modprobe -v vfio"), out(`insmod ${built("vfio")} \n`));
    assert.deepEqual(await unikvm("modprobe -v vfio"), out(""));
    const again = "modprobe: ERROR: could not insert 'vfio': Module already in kernel\n";
    assert.deepEqual(await unikvm("modprobe --first-time vfio"), error(again));
    assert.deepEqual(await unikvm("modprobe -rv vfio"), out("rmmod vfio\n"));
    assert.deepEqual(await unikvm(`insmod ${module}`), out(""));
    const { status, stderr } = await unikvm(`insmod ${module}`);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`^insmod: ERROR: could not insert module ${module}: File exists$`, "m"));
    assert.match((await unikvm(`lsmod --pid ${running.child.pid}`)).stdout, /^hello +\d+ {2}0\n/m);
    assert.deepEqual(await unikvm("rmmod -v hello"), out("rmmod hello\n"));

    // What an init answers is not what the loader would mean by that errno.
    for (const [code, words] of [
      ["EEXIST", "File exists"],
      ["ENOENT", "No such file or directory"],
      ["EINVAL", "Invalid argument"],
    ] as const) {
      const failing = writeModule(`fails_${code}`, [], `() => { throw new KvmError("${code}", "init says so"); }`);
      const said = `insmod: ERROR: could not insert module ${failing}: ${words}\ninsmod: ERROR: ${code}: init says so\n`;
      assert.deepEqual(await unikvm(`insmod ${failing}`), error(said));
    }
    // The parameters are the module's own, not of what it needs.
    assert.deepEqual(
      await unikvm("modprobe -v host_pci devices="),
      out(`insmod ${built("vfio")} \ninsmod ${built("host_pci")} devices=\n`),
    );
    await unikvm("rmmod host_pci");
    const register = "(own) => own.step('', () => own.imports.register(device, 9, own), (undo) => undo())";
    assert.deepEqual(
      await unikvm(`insmod ${writeModule("taken", ["register: vfioRegisterGroupDev"], register)}`),
      out(""),
    );
    const twice = await unikvm("modprobe -v host_pci devices=edu");
    assert.deepEqual([twice.status, twice.stdout], [1, ""]);
    assert.match(twice.stderr, /^modprobe: ERROR: could not insert 'host_pci': File exists$/m);
    assert.match(twice.stderr, /^modprobe: ERROR: EEXIST: VFIO has a device 0000:00:01.0 already$/m);
    assert.deepEqual(await unikvm("rmmod taken"), out(""));
    assert.deepEqual(await unikvm("modprobe host_pci devices=edu"), out(""));
  } finally {
    running.child.kill("SIGTERM");
    const { stderr } = await running.ended;
    assert.equal(stderr, "");
  }
  assert.deepEqual(await unikvm("lsmod"), out("Module                  Size  Used by\n"));
});

test("what -n, -r, -q and -v say of a kernel's tree is what kmod's modprobe says", {
  skip: spawnSync("modprobe", ["--version"]).status === 0 ? false : "SKIPPED: kmod is not installed",
}, async () => {
  const tree = join(folder, "kmod/lib/modules/6.1");
  mkdirSync(tree, { recursive: true });
  writeFileSync(join(tree, "modules.dep"), "a.ko: b.ko\nb.ko:\nd.ko:\ne.ko:\nr.ko:\n");
  for (const name of "abder") writeFileSync(join(tree, `${name}.ko`), buildModule({ exports: [{ name: `f${name}` }] }));
  writeFileSync(join(tree, "a.ko"), buildModule({ imports: [{ name: "fb" }] }));
  writeFileSync(join(tree, "modules.order"), "a.ko\nb.ko\nd.ko\ne.ko\nr.ko\n");
  writeFileSync(join(tree, "modules.builtin"), "built-in.ko\n");
  writeFileSync(join(tree, "modules.builtin.modinfo"), "built_in.license=GPL\0");
  assert.equal((await unikvm(`depmod -b ${folder}/kmod 6.1`)).status, 0);
  const config = join(folder, "modprobe.conf");
  writeFileSync(
    config,
    "softdep a pre: d post: e\nsoftdep b post: e\nremove r echo r $CMDLINE_OPTS\nsoftdep e pre: d\n",
  );
  for (const line of [
    "-n -r a",
    "-D -r a",
    "-D -r built-in b",
    "-D -r -i a",
    "-n -r -v r",
    "-n -r built-in",
    "-n -r --first-time a",
    "-D -r a nosuch b",
    "-D -r -a a nosuch b",
    "-n -qv a",
    "-n -vq a",
    "-n -q -vvvvv a",
    "-n -v a",
    "-n -q",
    "-c",
  ]) {
    const args = ["-d", `${folder}/kmod`, "-S", "6.1", "-C", config, ...line.split(" ")];
    const { status, stdout, stderr } = spawnSync("modprobe", args, { encoding: "utf8" });
    assert.deepEqual(await unikvm(["modprobe", ...args].join(" ")), { status, stdout, stderr }, line);
  }
});

test("a FIFO or a device where a file should be ends in a sentence", async () => {
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  const tree = join(folder, "root/lib/modules/6.1");
  mkdirSync(tree, { recursive: true });
  writeFileSync(join(tree, "modules.dep"), `${fifo}.ko:\nzero.ko:\n`);
  execFileSync("mkfifo", [`${fifo}.ko`]);
  symlinkSync("/dev/zero", join(tree, "zero.ko"));
  const of = `-b ${folder}/root -k 6.1`;
  const place = `-d ${folder}/root -S 6.1`;
  for (const [line, sentence] of [
    [`modinfo ${of} fifo`, /could not get modinfo from 'fifo': .*fifo\.ko is a FIFO, and only regular files are read/],
    [`modinfo ${of} zero`, /zero\.ko is a device, and only regular files are read/],
    [`modinfo ${fifo}.ko`, /not found/],
    [`modprobe ${place} -C ${fifo} -D fifo`, /fifo is a FIFO/],
    [`modprobe ${place} --show-exports ${fifo}.ko`, /is a FIFO/],
    [`depmod -n -b ${folder}/root -E /dev/zero 6.1`, /FATAL: could not load \/dev\/zero: \/dev\/zero is a device/],
    [`depmod -n -b ${folder}/root -F ${fifo} 6.1`, /FATAL: could not load .* is a FIFO/],
    [`depmod -n -b ${folder}/root -C ${fifo} 6.1`, /ERROR: file parse .*fifo is a FIFO/],
    [`run --kernel ${fifo}`, /the kernel .*fifo cannot be read: .* is a FIFO/],
    ["run --kernel /dev/zero", /the kernel \/dev\/zero cannot be read: .* is a device/],
    [`build --config ${fifo} --output ${folder}/build`, /the configuration .* is a FIFO/],
  ] as const) {
    const { stderr, stdout } = await unikvm(line);
    assert.match(stderr + stdout, sentence, line);
  }
});
