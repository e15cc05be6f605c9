/** A module of another package, as users have it: packed, installed beside unikvm without a network, and run. */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../boot/booting.test-support.js";
import { loopKernel } from "../loop-kernel.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-package-"));
const app = join(folder, "app");
const env = { ...process.env, XDG_RUNTIME_DIR: folder };
after(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, args: readonly string[], cwd: string): SpawnSyncReturns<string> {
  return spawnSync(program, args, { cwd, env, encoding: "utf8", timeout: 120_000 });
}

function npm(args: readonly string[], cwd: string): void {
  const cache = join(folder, "cache");
  const { status, stderr } = run("npm", [...args, "--ignore-scripts", "--silent", "--offline", "--cache", cache], cwd);
  assert.equal(status, 0, stderr);
}

before(() => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const packed = join(folder, "packed");
  mkdirSync(packed);
  mkdirSync(app);
  const sources = [
    root,
    join(root, "docs/examples/unikvm-checksum"),
    ...Object.keys(dependencies).map((name) => join(root, "node_modules", name)),
  ];
  for (const source of sources) npm(["pack", "--pack-destination", packed, source], folder);
  writeFileSync(join(app, "package.json"), `{"name":"app","private":true,"type":"module"}\n`);
  const files = readdirSync(packed).map((name) => join(packed, name));
  npm(["install", "--no-audit", "--no-fund", ...files], app);
});

/** Guests that ask for the sum of 16 bytes, in machine code, and then leave to the user side. */
const script = `
import { kernel, lsmod, modprobe, openKvm, rmmod } from "unikvm";
import checksum from "unikvm-checksum";

kernel().add(checksum);
await modprobe("checksum");
const kvm = await openKvm();
const results = [];
for (const type of [1, 2]) {
  const vm = kvm.createVm(type);
  const ram = vm.allocate(1 << 20);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: 1n << 20n, userspaceAddr: ram });
  vm.bytes(ram, 16).set(new TextEncoder().encode("sixteen letters!"));
  // lis r3,0; ori r3,r3,0xf800; li r4,ADDRESS; li r5,16; sc 1; mr r6,r3; li r3,0x58; sc 1
  for (const address of [0, -16]) {
    const code = [0x3c600000, 0x6063f800, 0x38800000 | (address & 0xffff), 0x38a00010, 0x44000022, 0x7c661b78, 0x38600058, 0x44000022];
    const view = new DataView(vm.memory.buffer, ram);
    code.forEach((word, i) => view.setUint32(0x1000 + 4 * i, word));
    const vcpu = vm.createVcpu(address === 0 ? 0 : 1);
    vcpu.setRegs({ ...vcpu.getRegs(), pc: 0x1000n });
    const exit = vcpu.run();
    results.push([exit.reason, exit.nr, String(exit.args[0]), String(BigInt.asIntN(64, exit.args[2]))]);
    vcpu.close();
  }
  const refused = [];
  for (const name of ["checksum", "kvm"]) {
    try {
      rmmod(name);
    } catch (error) {
      refused.push(error.code);
    }
  }
  results.push(refused);
  vm.close();
}
rmmod("checksum");
results.push(lsmod().map(({ name }) => name));
console.log(JSON.stringify(results));
`;

/** 64-bit FNV-1a. */
function sum(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

test("the worked example's hypercall is answered, on both implementations, and its module stays while it is used", () => {
  writeFileSync(join(app, "script.js"), script);
  const { status, stdout, stderr } = run(process.execPath, ["script.js"], app);
  assert.equal(status, 0, stderr);
  const each = [
    ["papr_hcall", 0x58, String(sum("sixteen letters!")), "0"],
    // An address that is not RAM: H_PARAMETER.
    ["papr_hcall", 0x58, String(BigInt.asUintN(64, -16n)), "-4"],
    ["EBUSY", "EBUSY"],
  ];
  assert.deepEqual(JSON.parse(stdout), [...each, ...each, ["kvm", "vac"]]);
});

test("the installed command line plans, and runs a guest with the module", async () => {
  const cli = join(app, "node_modules/unikvm/dist/src/cli/main.js");
  const unikvm = (...args: readonly string[]) => run(process.execPath, [cli, ...args], app);
  const depends = unikvm("modprobe", "-D", "kvm-hv").stdout.trim().split("\n");
  assert.deepEqual(
    depends.map((line) => line.replace(/^insmod .*\//, "").trim()),
    ["vac.js", "kvm.js"],
  );
  const bin = run(join(app, "node_modules/.bin/unikvm"), ["modinfo", "-F", "license", "kvm"], app);
  assert.equal(bin.stdout, "MIT\n", bin.stderr);
  const kernel = loopKernel(folder);
  const start = (module: string) =>
    spawn(process.execPath, [cli, "run", ...kernel, "--memory", "64M", "--module", module], {
      cwd: app,
      env,
      stdio: "ignore",
    });
  const child = start("node_modules/unikvm-checksum/module.js");
  try {
    let shown = "";
    for (let tries = 0; tries < 50 && !shown.includes("kvm "); tries++) {
      await sleep(200);
      shown = unikvm("lsmod").stdout;
    }
    assert.match(shown, /^checksum +\d+ {2}1$/m);
    assert.match(shown, /^kvm +\d+ {2}2 checksum$/m);
    assert.equal(unikvm("rmmod", "checksum").stderr, "rmmod: ERROR: Module checksum is in use\n");
  } finally {
    child.kill("SIGTERM");
  }
  const refused = await new Promise((resolve) => start("package.json").on("exit", resolve));
  assert.equal(refused, 3);
});
