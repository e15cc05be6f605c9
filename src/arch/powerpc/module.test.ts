import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../base/errno.test-support.js";
import { KvmError } from "../../base/errors.js";
import { thisPackage } from "../../base/package.js";
import { attachVm } from "../../kernel/attach.js";
import { createLoader, openKvm } from "../../kernel.js";
import { KVM_CAP_MAX_VCPUS } from "../../kvm/constants.js";
import { defineModule } from "../../modules/define-module.js";
import { ModuleLoader } from "../../modules/loader.js";
import { vac, vacJoin } from "../../vac/module.js";
import { ProcessPage } from "../../vac/page.js";
import { acquireVac } from "../../vac/vac.js";
import { type LoadAsset, loadAssetHere } from "./module/assets.js";
import { type KvmConfig, type KvmOffer, kvmModule } from "./module.js";

const log: string[] = [];
const collect = (_: string, message: string) => log.push(message);

/** Runs `body` where the platform refuses to compile bytes. */
async function withoutCodeGeneration(body: () => Promise<void>): Promise<void> {
  const { Module } = WebAssembly;
  const refusal = () => {
    throw new WebAssembly.CompileError("Wasm code generation disallowed by embedder");
  };
  WebAssembly.Module = new Proxy(Module, { construct: refusal });
  try {
    await body();
  } finally {
    WebAssembly.Module = Module;
  }
}

/** Assets compiled beforehand, as a platform that forbids compiling has them. */
const precompiled: LoadAsset = async (name, arch) => {
  const asset = await loadAssetHere(name, arch);
  return asset instanceof WebAssembly.Module ? asset : WebAssembly.compile(asset as Uint8Array<ArrayBuffer>);
};

const missing: LoadAsset = async (name) => {
  throw new Error(`${name}: gone`);
};

test("M1: without any implementation there is no /dev/kvm, and nothing stays loaded", async () => {
  log.length = 0;
  const loader = createLoader({ log: collect, loadAsset: missing });
  await assert.rejects(loader.modprobe("kvm"), errno("EINVAL"));
  assert.deepEqual(
    loader.lsmod().map(({ name }) => name),
    ["vac"],
  );
  assert.deepEqual(
    log.map((line) => line.replace(/: \S+\.wasm.*/, "")),
    ["KVM-HV: could not load (-5): EIO", "KVM-PR: could not load (-5): EIO"],
  );
  assert.throws(() => loader.offer("kvm"), errno("ENOENT"));
  loader.rmmod("vac");
});

test("M2: where code generation is denied, pr is the default and hv is refused", async () => {
  log.length = 0;
  await withoutCodeGeneration(async () => {
    const kvm = await openKvm({ log: collect, loadAsset: precompiled });
    assert.match(log.join("\n"), /^KVM-HV: could not load \(-1\): EPERM: .*disallowed by embedder/);
    assert.equal(kvm.createVm(0).implementation, "pr");
    assert.equal(kvm.createVm(2).implementation, "pr");
    assert.throws(() => kvm.createVm(1), errno("EINVAL"));
  });
});

test("M2: where the interpreter's code is denied to pr, hv is the default and pr is refused", async () => {
  const loader = createLoader({ log: collect });
  const refusing = new ModuleLoader(loader.available, {
    onStep: (_, step) => {
      if (step === "kvm-pr: platform") throw new KvmError("ENODEV", "injected for the test");
    },
  });
  await refusing.modprobe("kvm");
  const kvm = refusing.offer<KvmOffer>("kvm").open();
  assert.equal(kvm.createVm(0).implementation, "hv");
  assert.equal(kvm.createVm(1).implementation, "hv");
  assert.throws(() => kvm.createVm(2), errno("EINVAL"));
});

test("M2: hv initialises before pr, and pr leaves before hv", async () => {
  const order: string[] = [];
  const note = (what: string, step: string) => {
    const alias = /^kvm-(hv|pr): /.exec(step)?.[1];
    if (alias && order.at(-1) !== `${alias} ${what}`) order.push(`${alias} ${what}`);
  };
  const loader = new ModuleLoader(createLoader().available, {
    onStep: (_, step) => note("initialises", step),
    onHeld: (_, step, held) => held || note("leaves", step),
  });
  await loader.modprobe("kvm");
  loader.rmmod("kvm");
  assert.deepEqual(order, ["hv initialises", "pr initialises", "pr leaves", "hv leaves"]);
});

test("M2, M6, M7: both live side by side; the default is hv", async () => {
  const loader = createLoader();
  await loader.modprobe("kvm-hv");
  const kvm = loader.offer<KvmOffer>("kvm").open();
  const vms = [kvm.createVm(0), kvm.createVm(1), kvm.createVm(2)];
  assert.deepEqual(
    vms.map((vm) => vm.implementation),
    ["hv", "hv", "pr"],
  );
  assert.equal(kvm.checkExtension(KVM_CAP_MAX_VCPUS), 32);
  assert.throws(() => kvm.createVm(3), errno("EINVAL"));
  assert.throws(() => kvm.createVm(1, { memoryLimit: 1 }), errno("EINVAL"));
  assert.throws(() => kvm.createVm(1, { shared: false }), errno("EOPNOTSUPP"));
  // Those that failed left no reference.
  assert.equal(loader.lsmod().find(({ name }) => name === "kvm")?.references, 3);
  for (const vm of vms) {
    assert.throws(() => loader.rmmod("kvm"), errno("EBUSY"));
    vm.close();
  }
  loader.rmmod("kvm");
  assert.throws(() => kvm.createVm(), errno("ENOENT"));
  loader.rmmod("vac");
});

const vacAlone = { name: "vac", state: "live", references: 0, users: [], taints: "" };

test("M20: vac stays while a kvm is loaded, and has nothing for others", async () => {
  const loader = createLoader();
  await loader.modprobe("kvm-hv");
  assert.throws(() => loader.rmmod("vac"), errno("EBUSY"));
  const intruder = (name: string) =>
    defineModule({
      name,
      description: "",
      license: "GPL",
      imports: { join: vacJoin },
      init: (context) => context.imports.join(thisPackage).leave(),
    });
  await assert.rejects(loader.insmod(intruder("vfio")), /EINVAL: vfio: .*vac_join.*module:kvm,kvm-\*/);
  await loader.insmod(intruder("kvm-other"));
  loader.rmmod("kvm");
  assert.throws(() => loader.rmmod("vac"), errno("EBUSY"));
  loader.rmmod("kvm-other");
  loader.rmmod("vac");
  assert.deepEqual(loader.lsmod(), []);
});

/** Loads kvm with what is configured, counting what its steps hold; the step `failing` fails. */
function injected(config: KvmConfig, failing?: string) {
  const steps: string[] = [];
  const held = new Map<string, number>();
  const loader: ModuleLoader = new ModuleLoader([vac, kvmModule({ loadAsset: precompiled, ...config })], {
    onStep: (module, step) => {
      if (module !== "kvm") return;
      steps.push(step);
      // M4: nothing can be opened in between, whatever has initialised already.
      assert.throws(() => loader.offer("kvm"), errno("ENOENT"), step);
      if (step === failing) throw new KvmError("ENOMEM", "injected for the test");
    },
    onHeld: (module, step, isHeld) => {
      if (module === "kvm") held.set(step, (held.get(step) ?? 0) + (isHeld ? 1 : -1));
    },
  });
  const holding = () => [...held].filter(([, count]) => count !== 0).map(([step]) => step);
  return { loader, steps, holding, load: () => loader.modprobe("kvm") };
}

const configurations: readonly KvmConfig[] = (["shared", "unshared", "both"] as const).flatMap((memory) => [
  { memory },
  { memory, implementations: ["hv"] },
  { memory, implementations: ["pr"] },
]);

for (const config of configurations) {
  const of = (config.implementations ?? ["hv", "pr"]).join(" and ");
  test(`M3: a fault at any step of ${of} (${config.memory} memory) leaves nothing of it`, async () => {
    const whole = injected(config);
    await whole.load();
    const kinds = config.memory === "both" ? 2 : 1;
    const each = config.implementations?.length ?? 2;
    assert.equal(whole.steps.length, each * (1 + 2 * kinds) + 3, whole.steps.join());
    assert.equal(
      whole.holding().length,
      each * kinds + 2,
      "an engine for each kind of memory, vac, and the name in /dev",
    );
    whole.loader.rmmod("kvm");
    assert.deepEqual(whole.holding(), [], "removed and still holding");

    for (const step of whole.steps) {
      const { loader, holding, load } = injected(config, step);
      const lpid = freeLpid();
      const code = ProcessPage.here().codeBytes;
      const alias = /^kvm-(hv|pr): /.exec(step)?.[1];
      const other = config.implementations || !alias ? undefined : alias === "hv" ? "pr" : "hv";
      if (other) {
        await load();
        const kvm = loader.offer<KvmOffer>("kvm").open();
        assert.throws(() => kvm.createVm(alias === "hv" ? 1 : 2), errno("EINVAL"), step);
        const vm = kvm.createVm(0, { shared: config.memory !== "unshared" });
        assert.equal(vm.implementation, other, step);
        const holders = new Set(holding().map((held) => held.replace(/:.*/, "")));
        assert.deepEqual(holders, new Set(["kvm", `kvm-${other}`]), step);
        vm.close();
        loader.rmmod("kvm");
      } else {
        await assert.rejects(load(), errno(alias ? "EINVAL" : "ENOMEM"), step);
        assert.throws(() => loader.offer("kvm"), errno("ENOENT"), step);
      }
      assert.deepEqual(holding(), [], `left by a fault in ${step}`);
      assert.deepEqual(loader.lsmod(), [vacAlone], step);
      assert.equal(freeLpid(), lpid, `a partition number was lost by ${step}`);
      assert.equal(ProcessPage.here().codeBytes, code, `generated code was lost by ${step}`);
      // What failed once may succeed the next time.
      const again = injected(config);
      await again.load();
      again.loader.rmmod("kvm");
    }
  });
}

/** The partition number that the next VM would get. */
function freeLpid(): number {
  const member = acquireVac(thisPackage).join(thisPackage);
  const lpid = member.allocateNumber("lpid");
  member.leave();
  return lpid;
}

test("M4: nobody gets at /dev/kvm before init has ended", async () => {
  const loader = createLoader();
  const loading = loader.modprobe("kvm");
  assert.throws(() => loader.offer("kvm"), errno("ENOENT"));
  await loading;
  loader.offer("kvm");
});

test("M5: an implementation's alias is there if it is configured in", async () => {
  const of = (config: KvmConfig) => createLoader(config);
  assert.equal(of({}).resolve("kvm_pr"), "kvm");
  assert.equal(of({ implementations: ["hv"] }).resolve("kvm-pr"), undefined);
  const loader = of({ implementations: ["pr"] });
  await assert.rejects(loader.modprobe("kvm-hv"), errno("ENOENT"));
  await loader.modprobe("kvm-pr");
  const kvm = loader.offer<KvmOffer>("kvm").open();
  assert.equal(kvm.createVm(0).implementation, "pr");
  assert.throws(() => kvm.createVm(1), errno("EINVAL"));
});

test("bytes that a platform does not compile are refused in words", async () => {
  log.length = 0;
  const loadAsset: LoadAsset = async () => new Uint8Array([1, 2, 3]);
  await assert.rejects(openKvm({ log: collect, loadAsset }), errno("EINVAL"));
  assert.match(log[0] ?? "", /KVM-HV: could not load \(-1\): EPERM: runtime.*refused/);
});

test("only a POWER VM's handle can be attached", async () => {
  const kvm = await openKvm({ implementations: ["pr"] });
  const vm = kvm.createVm();
  const attached = await attachVm(vm.share());
  assert.equal(attached.implementation, "pr");
  assert.throws(() => attached.createVcpu(0), errno("EINVAL"));
  await assert.rejects(attachVm({ ...vm.share(), arch: "x86" }), errno("EINVAL"));
});
