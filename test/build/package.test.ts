/** The npm package as a user gets it: packed, installed without a network, imported, and compiled against. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../src/cli/build/bundle.js";
import { dependencies, pack, packedLimit } from "./packing.test-support.js";

const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "unikvm-package-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const node = (...args: string[]) =>
  spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", timeout: 120_000 });

const packed = pack(packageRoot, folder);

test("the package holds what is needed, and no tests", (t) => {
  const paths = packed.files.map(({ path }) => path);
  const unwanted =
    /\.test\.|\.test-support\.|-fixture\.|\.as\.|^(test|tools|bench|docs)\/|\.inputs$|\.tsbuildinfo|\.config$/;
  assert.deepEqual(
    paths.filter((path) => unwanted.test(path)),
    [],
  );
  // TypeScript's sources stay at home; the declarations go.
  assert.deepEqual(
    paths.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts")),
    [],
  );
  for (const path of [
    "package.json",
    "README.md",
    "LICENSE",
    "Kconfig",
    "src/arch/powerpc/Kconfig",
    "src/arch/x86/Kconfig",
    "guests/selftest/Kconfig",
    "dist/src/index.js",
    "dist/src/index.d.ts",
    "dist/src/arch/powerpc/engines/runtime.wasm",
    "dist/src/arch/powerpc/engines/interpreter.shared.wasm",
    "dist/src/arch/x86/engines/interpreter.wasm",
    "dist/modules/kvm-amd.js",
    "dist/modules/modules.dep",
    "dist/command/node/unikvm.js",
  ]) {
    assert.ok(paths.includes(path), path);
  }
  t.diagnostic(`${packed.files.length} files, ${packed.size} bytes packed, ${packed.unpackedSize} unpacked`);
  assert.ok(packed.size < packedLimit, `${packed.size} bytes`);
});

test("what a public declaration names is packed; others may be left out", () => {
  const paths = new Set(packed.files.map(({ path }) => path));
  const { exports } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { exports: object };
  const todo = (JSON.stringify(exports).match(/dist[^"]*\.d\.ts/g) ?? []).slice();
  const seen = new Set<string>();
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    assert.ok(paths.has(path), path);
    const text = readFileSync(join(packageRoot, path), "utf8");
    for (const [, named = ""] of text.matchAll(/(?:from |import\()"(\.[^"]+)\.js"/g)) {
      todo.push(`${join(dirname(path), named)}.d.ts`);
    }
  }
  assert.ok(seen.size > 100);
});

/** Installs the tarball; what it depends on comes from our own node_modules, as tarballs would from a cache. */
function install(): void {
  writeFileSync(join(folder, "package.json"), '{ "name": "consumer", "type": "module", "private": true }\n');
  const target = join(folder, "node_modules", "unikvm");
  mkdirSync(target, { recursive: true });
  const unpacked = spawnSync("tar", ["-xzf", join(folder, packed.filename), "-C", target, "--strip-components=1"]);
  assert.equal(unpacked.status, 0, String(unpacked.stderr));
  for (const name of dependencies) {
    cpSync(join(packageRoot, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
  }
}

test("installed without a network, it is imported and runs", () => {
  install();
  assert.ok(dependencies.length <= 4, "runtime dependencies are few");
  const program = `
    import { openKvm, modprobe, lsmod, KVM_CAP_MAX_VCPUS } from "unikvm";
    import { createPseries } from "unikvm/vmm";
    import { tests } from "unikvm/selftest";
    const kvm = await openKvm();
    await modprobe("kvm-pr");
    console.log(kvm.checkExtension(KVM_CAP_MAX_VCPUS) > 0, lsmod().length, typeof createPseries, tests.length > 10);
  `;
  const ran = node("--input-type=module", "--eval", program);
  assert.equal(ran.stdout, "true 2 function true\n", ran.stderr);
  const main = join(folder, "node_modules/unikvm/dist/src/cli/main.js");
  assert.match(node(main, "selftest", "--test", "entry", "--threads", "single").stdout, /all passed/);
  assert.match(node(main, "modprobe", "-n", "--show-depends", "kvm-hv").stdout, /kvm\.js/);
});

test("without esbuild, build says what it needs", () => {
  const { status: end, stderr } = node(join(folder, "node_modules/unikvm/dist/src/cli/main.js"), "build");
  assert.equal(end, 3);
  assert.match(stderr, /^unikvm: build needs the package esbuild, which is not installed: npm install esbuild$/m);
});

test("a strict TypeScript program compiles against it", () => {
  writeFileSync(
    join(folder, "consumer.ts"),
    `import { type Exit, KVM_VM_PPC_PR, KvmError, openKvm, type PpcKvm, type PpcVm } from "unikvm";
import { loadKernelImage, runMachine } from "unikvm/vmm";
const kvm: PpcKvm = await openKvm({ implementations: ["pr"], memory: "unshared" });
const vm: PpcVm = kvm.createVm(KVM_VM_PPC_PR, { shared: false });
const exit: Exit = { reason: "intr" };
export const all = [vm.checkExtension(1), exit.reason, KvmError.name, typeof loadKernelImage, typeof runMachine] as const;
// @ts-expect-error there is no such implementation
await openKvm({ implementations: ["xx"] });
`,
  );
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        module: "nodenext",
        moduleResolution: "nodenext",
        target: "es2022",
        lib: ["es2024", "dom"],
        types: [],
        noEmit: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
      },
      files: ["consumer.ts"],
    }),
  );
  const tsc = join(dirname(require.resolve("@typescript/native/package.json")), "bin/tsc");
  const { status: end, stdout: messages } = node(tsc, "-p", ".");
  assert.equal(end, 0, messages);
});
