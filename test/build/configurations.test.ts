/** M5 and M8: what is configured is in a build, and nothing else. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { packageRoot } from "../../src/cli/build/bundle.js";
import { buildConfiguration, readOurKconfig } from "../../src/cli/build/configuration.js";
import { kbuild } from "../../src/cli/build/kbuild.js";
import type * as Unikvm from "../../src/index.js";
import { loopKernel } from "../loop-kernel.test-support.js";
import { kernelConf, missing } from "../oracles/oracles.js";
import { type Built, built, configs, loadedWith, outputsLoadedWith } from "./building.test-support.js";

const powerpc = "src/arch/powerpc";
const under = (inputs: ReadonlySet<string>, folder: string): string[] =>
  [...inputs].filter((input) => input.startsWith(`${folder}/`));
const importIndex = (folder: string): Promise<typeof Unikvm> =>
  import(pathToFileURL(join(folder, "index.js")).href) as Promise<typeof Unikvm>;
const unikvm = (folder: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(folder, "unikvm.js"), ...args], { encoding: "utf8", timeout: 300_000 });
/** All code, as text. */
const codeOf = (folder: string): string =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".js"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");

const folderSize = ({ sizes }: Built): number => sizes.reduce((sum, { bytes }) => sum + bytes, 0);

/** What a page or a program loads to run a guest with all that the build has: the library, machines, kvm, vac, threads. */
function fetchedSize(build: Built, measure = (bytes: Uint8Array): number => bytes.length): number {
  const scripts = outputsLoadedWith(build, [
    /^src\/(vmm\/|web\/)?index\.js$/,
    /\/vcpu-worker\.js$/,
    /^src\/vac\/module\.js\?code$/,
    /^src\/(arch\/powerpc\/module\/init|engine\/(translate|interpret)\/load|arch\/powerpc\/engines\/translator-target)\.js$/,
  ]);
  const wasm = build.sizes.map(({ file }) => file).filter((file) => file.endsWith(".wasm"));
  return [...scripts.map((path) => basename(path)), ...wasm]
    .map((file) => measure(readFileSync(join(build.folder, file))))
    .reduce((sum, size) => sum + size, 0);
}

for (const platform of ["node", "browser"] as const) {
  test(`M8: a build of one implementation holds no code of the other (${platform})`, async () => {
    const [both, hv, pr] = await Promise.all([built("both", platform), built("hv", platform), built("pr", platform)]);
    assert.ok(!hv.inputs.has("src/engine/interpret/load.js"));
    assert.deepEqual(under(pr.inputs, "src/engine/translate"), []);
    // Nor what only one of them uses: the translator's encoder of WebAssembly.
    assert.deepEqual(
      under(pr.inputs, "src/wasm").filter((input) => /builder/.test(input)),
      [],
    );
    for (const build of [hv, both]) assert.ok(build.inputs.has("src/engine/translate/translator.js"));
    for (const build of [pr, both]) assert.ok(build.inputs.has("src/engine/interpret/load.js"));
    assert.doesNotMatch(codeOf(hv.folder), /KVM-PR/);
    assert.doesNotMatch(codeOf(pr.folder), /KVM-HV/);
  });

  test(`M8: without the translator a build is at least 15 % smaller, and what a page or program gets of it too (${platform})`, async (t) => {
    const [both, hv, pr] = await Promise.all([built("both", platform), built("hv", platform), built("pr", platform)]);
    for (const [what, size] of [
      ["all files", folderSize],
      ["what a guest needs", fetchedSize],
      ["that, compressed", (build: Built) => fetchedSize(build, (bytes) => gzipSync(bytes).length)],
    ] as const) {
      const [all, ofHv, ofPr] = [size(both), size(hv), size(pr)];
      t.diagnostic(`${what}: both ${all}, hv ${ofHv}, pr ${ofPr} bytes`);
      assert.ok(ofPr <= 0.85 * all, `${what}: pr ${ofPr}, both ${all}`);
      // hv runs cold code with the interpreter, which is all that pr is.
      assert.ok(ofHv < all, `${what}: hv ${ofHv}, both ${all}`);
    }
    // The same WebAssembly serves both kinds of memory, and names are for profiles.
    const wasm = both.sizes.filter(({ file }) => file.endsWith(".wasm"));
    assert.deepEqual(wasm.map(({ file }) => basename(file)).sort(), ["interpreter.wasm", "runtime.wasm"]);
    for (const { file } of wasm) {
      const module = await WebAssembly.compile(readFileSync(join(both.folder, file)));
      assert.deepEqual(WebAssembly.Module.customSections(module, "name"), []);
    }
  });
}

test("M8: no symbol is exported that only hv or pr would use", async () => {
  const exported = async (name: "both" | "hv" | "pr"): Promise<string[]> =>
    readFileSync(join((await built(name, "node")).folder, "modules/Module.symvers"), "utf8")
      .split("\n")
      .flatMap((line) => (line.split("\t")[2] === "kvm" ? [line.split("\t")[1] ?? ""] : []));
  const symbols = await exported("both");
  // An implementation adds none, and asks for none.
  assert.deepEqual(await exported("hv"), symbols);
  assert.deepEqual(await exported("pr"), symbols);
  const { inputs } = await built("both", "node");
  for (const input of under(inputs, `${powerpc}/engines`)) {
    const text = readFileSync(join(packageRoot, "dist", input), "utf8");
    for (const symbol of symbols) assert.ok(!text.includes(symbol), `${input} uses ${symbol}`);
  }
});

test("M5: an alias is there if its implementation is configured in", async () => {
  for (const [name, other] of [
    ["hv", "pr"],
    ["pr", "hv"],
  ] as const) {
    const { folder } = await built(name, "node");
    assert.equal(unikvm(folder, "modprobe", "-n", "--show-depends", `kvm-${name}`).stdout.split("\n").length, 3);
    const absent = unikvm(folder, "modprobe", "-n", "--show-depends", `kvm-${other}`);
    assert.equal(absent.status, 1);
    assert.match(absent.stderr, new RegExp(`Module kvm-${other} not found`));
    assert.doesNotMatch(readFileSync(join(folder, "modules/modules.alias"), "utf8"), new RegExp(`kvm-${other}`));
    const { modprobe, rmmod, lsmod } = await importIndex(folder);
    await assert.rejects(modprobe(`kvm-${other}`), { code: "ENOENT" });
    await modprobe(`kvm-${name}`);
    assert.deepEqual(
      lsmod().map((module) => module.name),
      ["kvm", "vac"],
    );
    rmmod("kvm");
  }
});

for (const name of ["hv", "prSelftest", "both", "builtIn", "noModules"] as const) {
  test(`M8: the configuration ${name} passes the self-test, with threads`, async () => {
    const { folder } = await built(name, "node");
    for (const type of name === "hv" ? ["hv"] : name === "prSelftest" ? ["pr"] : ["hv", "pr"]) {
      const { status, stdout, stderr } = unikvm(folder, "selftest", "--type", type);
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, /all passed/);
    }
  });
}

test("y is linked into the file that is imported, m is fetched when its module is loaded", async () => {
  const code = [
    `${powerpc}/module/init.js`,
    "src/engine/translate/load.js",
    "src/engine/interpret/load.js",
    "src/vfio/container.js",
  ];
  const [modular, linked, plain] = await Promise.all([
    built("both", "browser"),
    built("builtIn", "browser"),
    built("noModules", "browser"),
  ]);
  for (const path of code) {
    assert.ok(modular.inputs.has(path), path);
    assert.ok(!loadedWith(modular, "index").has(path), `${path} is loaded before it is needed`);
    assert.ok(loadedWith(linked, "index").has(path), `${path} is not linked in`);
    assert.ok(loadedWith(plain, "index").has(path), `${path} is not linked in`);
  }
  const [files, modules] = [(await built("builtIn", "node")).folder, (await built("both", "node")).folder];
  assert.match(readFileSync(join(files, "modules/modules.builtin"), "utf8"), /kvm\.js/);
  assert.equal(readFileSync(join(modules, "modules/modules.builtin"), "utf8"), "");
});

test("what is linked in is seen as such by modprobe, modinfo, rmmod and lsmod, as by kmod", async () => {
  const out = (stdout: string) => ({ status: 0, stdout, stderr: "" });
  const error = (stderr: string) => ({ status: 1, stdout: "", stderr });
  const { folder } = await built("builtIn", "node");
  const runtime = mkdtempSync(join(tmpdir(), "unikvm-builtin-"));
  const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
  const call = (line: string, of = folder) => {
    const args = [join(of, "unikvm.js"), ...line.split(" ")];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 60_000, env });
    return { status, stdout, stderr };
  };
  assert.deepEqual(
    readdirSync(join(folder, "modules")).filter((name) => name.endsWith(".js")),
    [],
  );
  assert.deepEqual(call("modprobe -n --show-depends kvm-hv"), out("builtin kvm\n"));
  assert.deepEqual(call("modprobe -D host_pci"), out("builtin host_pci\n"));
  assert.deepEqual(call("modprobe -nv kvm"), out(""));
  assert.deepEqual(call("modprobe -R kvm-hv"), out("kvm\n"));
  assert.deepEqual(call("modprobe -n -r kvm-hv"), error("modprobe: FATAL: Module kvm is builtin.\n"));
  const already = "modprobe: ERROR: could not insert 'kvm': Module already in kernel\n";
  assert.deepEqual(call("modprobe -n --first-time kvm"), error(already));
  assert.deepEqual(call("rmmod kvm"), error("rmmod: ERROR: Module kvm is builtin.\n"));
  assert.deepEqual(call("modinfo -n kvm"), out("(builtin)\n"));
  assert.deepEqual(call("modinfo -F alias kvm-pr"), out("kvm-hv\nkvm-pr\n"));
  assert.match(
    call("modinfo kvm").stdout,
    /^name: {11}kvm\nfilename: {7}\(builtin\)\nversion: .*^file: {11}kvm$.*^parm: /ms,
  );
  // What is left to load needs only what is not linked in.
  const mixed = (await built("mixed", "node")).folder;
  assert.deepEqual(
    call("modprobe -D host_pci devices=edu", mixed),
    out(`insmod ${mixed}/modules/host_pci.js devices=edu\n`),
  );
  assert.deepEqual(call("modinfo -F depends host_pci", mixed), out("\n"));
  assert.deepEqual(call("modprobe -D vfio", mixed), out("builtin vfio\n"));
  // The same where an instance runs.
  const args = [join(folder, "unikvm.js"), "run", ...loopKernel(runtime), "--memory", "64M", "--timeout", "60"];
  const running = spawn(process.execPath, args, { env, stdio: "ignore" });
  try {
    for (let tries = 0; tries < 100 && call("modprobe vfio").status === 3; tries++) await sleep(100);
    assert.deepEqual(call("modprobe -v vfio"), out(""));
    assert.deepEqual(call("lsmod"), out("Module                  Size  Used by\n"));
    assert.deepEqual(call("rmmod vfio"), error("rmmod: ERROR: Module vfio is builtin.\n"));
    assert.deepEqual(call("modprobe -r vfio"), error("modprobe: FATAL: Module vfio is builtin.\n"));
    // A command of another build asks, and is refused.
    assert.deepEqual(
      call("rmmod vfio", (await built("both", "node")).folder),
      error("rmmod: ERROR: Module vfio is not currently loaded\n"),
    );
  } finally {
    running.kill("SIGTERM");
    await new Promise((resolve) => running.once("close", resolve));
    rmSync(runtime, { recursive: true, force: true });
  }
});

test("a module that is m comes up with what it exports", async () => {
  const { modprobe, lsmod, rmmod } = await importIndex((await built("both", "node")).folder);
  await modprobe("vfio");
  assert.ok(lsmod().some(({ name }) => name === "vfio"));
  rmmod("vfio");
});

test("options that are n leave nothing behind", async () => {
  const { inputs, folder } = await built("small", "node");
  // What the user side names of it stays.
  const left = [...under(inputs, "src/vfio"), ...under(inputs, "src/host")];
  assert.deepEqual(
    left.filter((input) => !/(index|module|uapi|names)\.js$/.test(input)),
    [],
  );
  for (const [controller, stays] of [
    ["xics", /(xics|state)\.js$/],
    ["xive", /(xive|pages)\.js$/],
  ] as const) {
    assert.deepEqual(
      under(inputs, `${powerpc}/interrupts/${controller}`).filter((input) => !stays.test(input)),
      [],
    );
  }
  const { openKvm, modprobe, ...constants } = await importIndex(folder);
  const { KVM_DEV_TYPE_XICS, KVM_CAP_IRQ_XICS, KVM_DEV_TYPE_XIVE, KVM_CAP_PPC_IRQ_XIVE } = constants;
  await assert.rejects(modprobe("vfio"), { code: "ENOENT" });
  const kvm = await openKvm();
  const vm = kvm.createVm(0);
  assert.equal(vm.checkExtension(KVM_CAP_IRQ_XICS), 0);
  assert.equal(vm.checkExtension(KVM_CAP_PPC_IRQ_XIVE), 0);
  for (const type of [KVM_DEV_TYPE_XICS, KVM_DEV_TYPE_XIVE]) {
    assert.throws(() => vm.createDevice(type), { code: "ENODEV" });
  }
  vm.close();
});

test("without the translator the declarations of instructions are there only if they are asked for", async () => {
  const [pr, asked] = await Promise.all([built("pr", "node"), built("prSelftest", "node")]);
  const declarations = (of: Built) => under(of.inputs, `${powerpc}/isa/instructions`);
  assert.deepEqual([declarations(pr), under(pr.inputs, "guests/selftest")], [[], []]);
  assert.ok(declarations(asked).length > 30);
  const folder = mkdtempSync(join(tmpdir(), "unikvm-trace-"));
  try {
    // A guest that branches to itself.
    const kernel = loopKernel(folder);
    for (const [of, text] of [
      [pr, ".long 0x48000000"],
      [asked, "b 0x0"],
    ] as const) {
      const file = join(folder, "trace");
      rmSync(file, { force: true });
      const args = ["run", ...kernel, "--memory", "64M", "--timeout", "60"];
      const running = spawn(process.execPath, [
        join(of.folder, "unikvm.js"),
        ...args,
        "--trace",
        "insn",
        "--trace-file",
        file,
      ]);
      const ended = new Promise((resolve) => running.once("close", resolve));
      const traced = (): string => (existsSync(file) ? readFileSync(file, "utf8") : "");
      for (let tries = 0; tries < 600 && !traced().includes("\n"); tries++) await sleep(50);
      running.kill("SIGKILL");
      await ended;
      assert.match(traced(), new RegExp(`insn 0{16} 48000000 ${text}$`, "m"));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  assert.ok(!existsSync(join(pr.folder, "selftest.js")) && existsSync(join(asked.folder, "selftest.js")));
  const { status, stdout, stderr } = unikvm(pr.folder, "selftest", "--type", "pr");
  assert.deepEqual([status, stdout], [3, ""]);
  assert.match(stderr, /^unikvm: this build has no self-test: CONFIG_SELFTEST was n\n$/);
});

test("every option of the build is declared, and every file it decides over exists", () => {
  const { symbols } = readOurKconfig(packageRoot);
  for (const { option, absent = {}, linked = [], module } of kbuild) {
    assert.ok(symbols.get(option)?.type, option);
    for (const path of [...Object.keys(absent), ...linked, ...(module ? [module] : [])]) {
      assert.ok(existsSync(join(packageRoot, "dist", path)), path);
    }
  }
});

test("a stub has the names of the file that it stands for", async () => {
  for (const { absent = {} } of kbuild) {
    for (const [path, text] of Object.entries(absent)) {
      const real = (await import(pathToFileURL(join(packageRoot, "dist", path)).href)) as object;
      const stub = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as object;
      for (const name of Object.keys(stub)) assert.ok(name in real, `${path}: ${name}`);
    }
  }
});

test("a configuration that cannot be is refused, with the options' names", () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-config-"));
  try {
    const refused = (text: string, why: RegExp): void => {
      const file = join(folder, "config");
      writeFileSync(file, text);
      const args = ["build", "--config", file, "--output", join(folder, "out")];
      const { status, stderr } = spawnSync(process.execPath, [join(packageRoot, "dist/src/cli/main.js"), ...args], {
        encoding: "utf8",
      });
      assert.equal(status, 3, stderr);
      assert.match(stderr, why);
      assert.ok(!existsSync(join(folder, "out", "node")));
    };
    refused(`${configs.hv}${configs.pr}`, /KVM_BOOK3S_PR_POSSIBLE=n cannot be: .*KVM_BOOK3S_HV_POSSIBLE is n/);
    refused(
      "# CONFIG_MODULES is not set\nCONFIG_KVM_BOOK3S_64=m\n",
      /KVM_BOOK3S_64=m cannot be: m needs MODULES, which is n/,
    );
    refused("# CONFIG_VIRTUALIZATION is not set\nCONFIG_KVM_XICS=y\n", /KVM_XICS=y cannot be: .*VIRTUALIZATION is n/);
    refused(
      ["BOOK3S_64", "INTEL", "AMD"].map((kvm) => `# CONFIG_KVM_${kvm} is not set\n`).join(""),
      /KVM_BOOK3S_64, KVM_INTEL, KVM_AMD are n: there is nothing to build/,
    );
    refused("CONFIG_KVM_XICS=m\n", /KVM_XICS is bool and cannot be m/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const conf = kernelConf();
const skip = missing("conf");

test("what the kernel's conf writes from our Kconfig files is read without change", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-config-"));
  const body = (text: string): string => text.split("\n").slice(4).join("\n");
  try {
    const file = join(folder, ".config");
    const run = (mode: string, seed: number): void => {
      const env = { ...process.env, KCONFIG_CONFIG: file, KCONFIG_SEED: String(seed) };
      const { status, stderr } = spawnSync(conf ?? "", [mode, "Kconfig"], { cwd: packageRoot, env, encoding: "utf8" });
      assert.equal(status, 0, stderr);
      const theirs = readFileSync(file, "utf8");
      const { text, unknown } = buildConfiguration(packageRoot, theirs, file);
      assert.equal(body(text), body(theirs), `${mode} ${seed}`);
      assert.deepEqual(unknown, []);
    };
    for (const mode of ["--alldefconfig", "--allyesconfig", "--allmodconfig", "--allnoconfig"]) run(mode, 0);
    for (let seed = 1; seed <= 40; seed++) run("--randconfig", seed);
    for (const text of Object.values(configs)) {
      writeFileSync(file, text);
      run("--olddefconfig", 0);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
