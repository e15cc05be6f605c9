/**
 * M12: kvm-intel and kvm-amd, each linked whole; the combinations of the two with what both may export, in every order, built
 * in and as modules; and what each configuration that comes along builds.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { errno } from "../../src/base/errno.test-support.js";
import { withFaults } from "../../src/base/fault.js";
import { dist, packageRoot } from "../../src/cli/build/bundle.js";
import { buildConfiguration, defconfigPath, defconfigs } from "../../src/cli/build/configuration.js";
import type * as Unikvm from "../../src/index.js";
import { createLoader } from "../../src/index.js";
import { moduleList } from "../../src/kernel/module-list.js";
import {
  declareSymbol,
  defineModule,
  exportSymbol,
  type ModuleContext,
  type ModuleDefinition,
} from "../../src/modules/define-module.js";
import { ModuleLoader } from "../../src/modules/loader.js";
import { modpost } from "../../src/modules/modpost.js";
import { linkModules } from "../../tools/link-modules.js";
import { type Built, builtOf, configs, outputsLoadedWith } from "./building.test-support.js";

const vendors = ["kvm_intel", "kvm_amd"] as const;
const orders = [vendors, [...vendors].reverse()] as const;
const file = (name: string): string => readFileSync(join(dist, "modules", `${name.replace("_", "-")}.js`), "utf8");

test("M12: each vendor's module is one file, with its own copy of common code, and nothing of the other vendor's", () => {
  for (const [name, own, other] of [
    ["kvm_intel", "GenuineIntel", "AuthenticAMD"],
    ["kvm_amd", "AuthenticAMD", "GenuineIntel"],
  ] as const) {
    const text = file(name);
    assert.ok(text.includes(own) && !text.includes(other), name);
    // The neutral core is in it; engines, errors and what other modules bring are not.
    assert.ok(text.includes("no address space for a memory"), name);
    for (const [, path = ""] of text.matchAll(/(?:from|import\()"([^"]+)"/g)) {
      assert.match(
        path,
        /^\.\.\/src\/(base|vac|modules|wasm|semantics|engine|arch\/x86\/(isa|engines|mmu|module\/assets|module-))/,
      );
      assert.doesNotMatch(path, /src\/kvm\/|vendor/);
    }
  }
});

test("M12: what a vendor lacks that common code calls does not link", async () => {
  const modules = moduleList()
    .filter(({ whole }) => whole)
    .map((module) => ({
      ...module,
      whole: {
        ...(module.whole as NonNullable<typeof module.whole>),
        meaning: { "src/arch/x86/vendor.js": "src/kvm/clock.js" },
      },
    }));
  await assert.rejects(
    linkModules(modules, dist, () => ""),
    /"signature"/,
  );
});

/** As KVM_EXTERNAL_WRITE_TRACKING would have it: both export one symbol, for one module alone. */
const track = declareSymbol<() => string>("kvm_page_track_register_notifier");
const tracking = (definition: ModuleDefinition): ModuleDefinition => ({
  ...definition,
  exports: { track: exportSymbol(track, { namespace: "module:kvmgt" }) },
  init: async (context) => ({ ...((await definition.init(context)) as object), track: () => definition.name }),
});
const kvmgt = defineModule({
  name: "kvmgt",
  description: "",
  license: "MIT",
  imports: { track },
  init: ({ imports }: ModuleContext<{ track: typeof track }>) => ({ provider: imports.track }),
});
const list = (order: readonly string[]) => {
  const all = moduleList();
  const of = (name: string) => all.filter(({ definition }) => definition.name === name);
  return [...of("vac"), ...order.flatMap(of)];
};
const path = "kvmgt.js";

for (const order of orders) {
  const [first = "", second = ""] = order;
  const firstFile = `${first.replace("_", "-")}.js`;

  test(`M9, M11, M12: with tracking modpost takes both vendors, and all files name ${first} where it comes first`, () => {
    const modules = [
      ...list(order).map((one) => ({ ...one, definition: one.whole ? tracking(one.definition) : one.definition })),
      { path, definition: kvmgt },
    ];
    const { errors, warnings, files } = modpost(modules);
    assert.deepEqual([errors, warnings], [[], []]);
    assert.match(
      files.get("Module.symvers") ?? "",
      new RegExp(`\\tkvm_page_track_register_notifier\\t${firstFile.slice(0, -3)}\\t`),
    );
    assert.match(
      files.get("modules.symbols") ?? "",
      new RegExp(`^alias symbol:kvm_page_track_register_notifier ${first}$`, "m"),
    );
    assert.match(files.get("modules.dep") ?? "", new RegExp(`^kvmgt.js: ${firstFile} vac.js$`, "m"));
    // One built in: nothing depends on it, and the other exports what it does.
    for (const builtIn of order) {
      const mixed = modpost(modules.map((one) => ({ ...one, builtIn: one.definition.name === builtIn })));
      assert.deepEqual(mixed.errors, [], builtIn);
    }
    const stranger = { ...tracking(list([])[0]?.definition as ModuleDefinition), name: "stranger" };
    assert.match(modpost([...modules, { path: "stranger.js", definition: stranger }]).errors.join(), /exported twice/);
    const thief = { ...kvmgt, name: "thief" };
    assert.match(
      modpost([...modules, { path: "thief.js", definition: thief }]).errors.join(),
      /namespace module:kvmgt/,
    );
  });

  for (const on of [false, true]) {
    test(`M10 to M12: ${first} is loaded, then ${second}, tracking ${on ? "on" : "off"}; nothing is left behind`, async () => {
      const held = new Map<string, number>();
      const definitions = [
        ...list(order).map(({ definition: one }) => (on && one.alternative ? tracking(one) : one)),
        kvmgt,
      ];
      const loader = new ModuleLoader(definitions, {
        onHeld: (module, step, is) =>
          held.set(`${module} ${step}`, (held.get(`${module} ${step}`) ?? 0) + (is ? 1 : -1)),
      });
      const names = () => loader.lsmod().map(({ name }) => name);
      await loader.modprobe(first);
      const before = [names(), [...loader.nodes()], [...held]];
      // Without tracking it comes to its init, which finds the name in /dev taken.
      await assert.rejects(loader.modprobe(second), errno(on ? "ENOEXEC" : "EEXIST"));
      assert.deepEqual([names(), [...loader.nodes()], [...held].filter(([, count]) => count !== 0)], before);
      if (on) {
        await assert.rejects(loader.modprobe(second, { node: "another" }), /exports duplicate symbol .* \(owned by/);
        await loader.modprobe("kvmgt");
        assert.equal(loader.offer<{ provider: () => string }>("kvmgt").provider(), first);
        assert.throws(() => loader.rmmod(first), errno("EBUSY"));
        loader.rmmod("kvmgt");
      } else {
        await assert.rejects(loader.modprobe("kvmgt"), errno("ENOENT"));
        await loader.modprobe(second, { node: "another" });
        loader.rmmod(second);
      }
      // After the first has gone the second loads, and who needs the symbol does not bring the first back.
      loader.rmmod(first);
      await loader.modprobe(second);
      if (on) {
        assert.deepEqual(loader.showDepends("kvmgt", names()), ["kvmgt"]);
        await loader.modprobe("kvmgt");
        assert.deepEqual(names(), ["kvmgt", second, "vac"]);
        loader.rmmod("kvmgt");
      }
      loader.rmmod(second);
      loader.rmmod("vac");
      assert.deepEqual([names(), [...loader.nodes()], [...held.values()].filter((count) => count !== 0)], [[], [], []]);
    });
  }
}

test("M1, M12: a vendor's module without an implementation, or without vectors, is EOPNOTSUPP; where none loads, EINVAL", async () => {
  const { validate } = WebAssembly;
  for (const vendor of vendors) {
    const none = createLoader({ implementations: [] });
    await assert.rejects(none.modprobe(vendor), errno("EOPNOTSUPP"));
    const gone = createLoader({ loadAsset: () => Promise.reject(new Error("gone")) });
    await assert.rejects(gone.modprobe(vendor), errno("EINVAL"));
    const plain = createLoader();
    try {
      WebAssembly.validate = () => false;
      await assert.rejects(plain.modprobe(vendor), errno("EOPNOTSUPP"));
    } finally {
      WebAssembly.validate = validate;
    }
    for (const loader of [none, gone, plain]) assert.deepEqual([...loader.nodes()], []);
    await plain.modprobe(vendor);
    plain.rmmod(vendor);
  }
});

test("M3, M6, M17: a VM holds its vendor's module; one that cannot be made leaves no reference", async () => {
  const loader = createLoader({ memory: "unshared" });
  for (const vendor of vendors) await loader.modprobe(vendor, { node: vendor });
  for (const vendor of vendors) {
    const kvm = loader.offer<{ open(): Unikvm.Kvm }>(vendor).open();
    const references = () => loader.lsmod().find(({ name }) => name === vendor)?.references;
    // Linux's protected VMs, POWER's types, and none.
    for (const type of [1, 2, 3, 4, 5, 0x100, 0x103, -1]) assert.throws(() => kvm.createVm(type), errno("EINVAL"));
    await withFaults(
      () => {
        throw new Error("no memory");
      },
      async () => assert.throws(() => kvm.createVm()),
    );
    assert.equal(references(), 0);
    const vms = [kvm.createVm(), kvm.createVm(0x101), kvm.createVm(0x102)];
    assert.deepEqual(
      vms.map(({ implementation }) => implementation),
      ["hv", "hv", "pr"],
    );
    assert.throws(() => loader.rmmod(vendor), errno("EBUSY"));
    for (const vm of vms) vm.close();
    assert.equal(references(), 0);
    loader.rmmod(vendor);
    assert.throws(() => kvm.createVm(), errno("ENOENT"));
  }
});

test("the configurations that come along say what they are for, and none contradicts itself", () => {
  assert.deepEqual(defconfigs(), ["everything", "page", "powerpc", "pr", "x86"]);
  const settings = Object.fromEntries(
    defconfigs().map((name) => {
      const { setting, unknown } = buildConfiguration(packageRoot, readFileSync(defconfigPath(name), "utf8"), name);
      assert.deepEqual(unknown, [], name);
      return [name, ["KVM_BOOK3S_64", "KVM_INTEL", "KVM_AMD", "KVM_X86_HV_POSSIBLE", "VFIO"].map(setting).join("")];
    }),
  );
  assert.deepEqual(settings, { everything: "mmmym", page: "mmnyn", powerpc: "mnnnm", pr: "mmmnm", x86: "nmmym" });
});

test("M12: at most one vendor is built in", () => {
  const of = (intel: string, amd: string) => () =>
    buildConfiguration(packageRoot, `CONFIG_KVM_INTEL=${intel}\nCONFIG_KVM_AMD=${amd}\n`, "config").setting("KVM_AMD");
  assert.throws(of("y", "y"), /KVM_AMD=y cannot be/);
  assert.deepEqual([of("y", "m")(), of("m", "y")(), of("m", "m")()], ["m", "y", "m"]);
});

const importIndex = (folder: string): Promise<typeof Unikvm> =>
  import(pathToFileURL(join(folder, "index.js")).href) as Promise<typeof Unikvm>;

for (const [name, builtIn] of [
  ["x86", undefined],
  ["x86BuiltIn", "kvm_amd"],
] as const) {
  test(`M8, M12: the configuration ${name} has no code of POWER's kvm, and opens both vendors`, async () => {
    const config = name === "x86" ? readFileSync(defconfigPath("x86"), "utf8") : configs.x86BuiltIn;
    const { folder, inputs } = await builtOf(name, config, "node");
    assert.ok(!inputs.has("src/arch/powerpc/arch.js") && !inputs.has("src/arch/powerpc/module/init.js"));
    for (const vendor of vendors) assert.ok(inputs.has(`${vendor}:src/kvm/vm.js`), vendor);
    const { openKvm } = await importIndex(folder);
    for (const [module, letters] of [
      ["kvm-intel", 0x756e6547],
      ["kvm-amd", 0x68747541],
    ] as const) {
      const kvm = await openKvm({ module, memory: "unshared" });
      assert.equal(kvm.getSupportedCpuid()[0]?.ebx, letters);
      for (const type of [0x101, 0x102]) kvm.createVm(type).close();
      const shown = spawnSync(process.execPath, [join(folder, "unikvm.js"), "modprobe", "-D", module], {
        encoding: "utf8",
      });
      const isBuiltIn = module.replace("-", "_") === builtIn;
      assert.match(shown.stdout, isBuiltIn ? /^builtin kvm_amd$/m : /modules\/kvm-(intel|amd)\.js/);
    }
    await assert.rejects(openKvm(), { code: "EINVAL" });
  });
}

/** What a program or page has got when it has opened a kvm, by name of the module. */
const loadedFor = (build: Built, module: RegExp) =>
  outputsLoadedWith(build, [/^src\/(vmm\/|web\/)?index(-web)?\.js$/, module]).flatMap((output) =>
    Object.keys(build.metafile.outputs[output]?.inputs ?? {}),
  );

test("M8, M12: a page of the configuration for pages gets nothing of the architecture that it does not open", async () => {
  const build = await builtOf("page", readFileSync(defconfigPath("page"), "utf8"), "browser");
  const power = loadedFor(build, /^src\/arch\/powerpc\/module\/init\.js$|engine\/translate\/load\.js$/);
  const x86 = power.filter(
    (input) =>
      /arch\/x86\//.test(input) &&
      !/module-(intel|amd)|module\/(define|assets|parameters|untracked-symbols)|uapi/.test(input),
  );
  assert.deepEqual(x86, []);
  const others = loadedFor(build, /kvm_intel:|linked\.js$|whole\.js$/).filter((input) =>
    /arch\/powerpc\/(arch|exits|isa|engines\/(?!hv|pr))/.test(input),
  );
  assert.deepEqual(others, []);
});

test("M8: the configuration pr has no translator, of neither architecture", async () => {
  const build = await builtOf("pr", readFileSync(defconfigPath("pr"), "utf8"), "node");
  assert.deepEqual(
    [...build.inputs].filter((input) => /engine\/translate\//.test(input)),
    [],
  );
  const { openKvm } = await importIndex(build.folder);
  for (const module of ["kvm-intel", "kvm"]) {
    const kvm = await openKvm({ module, memory: "unshared" });
    const vm = kvm.createVm();
    assert.equal(vm.implementation, "pr");
    vm.close();
  }
});
