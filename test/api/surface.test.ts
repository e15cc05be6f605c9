/**
 * All that the package exports: every function and every method of a class checks what it is given, from JavaScript too.
 * What is new and does not fails here: make it with `taking`, or put `guard` before the methods (src/base/takes.ts).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { signatureOf } from "../../src/base/takes.js";
import * as root from "../../src/index.js";
import * as powerpc from "../../src/index-powerpc.js";
import * as x86 from "../../src/index-x86.js";
import { moduleList } from "../../src/kernel/module-list.js";
import * as node from "../../src/node/index.js";
import { fakeDevice } from "../../src/vfio/fake-device.test-support.js";
import * as vmm from "../../src/vmm/index.js";
import * as web from "../../src/web/index.js";
import { type Called, refusesMisuse } from "./misuse.js";

/** What has no parameters. */
const takesNothing = new Set([
  "unikvm: kernel",
  "unikvm: lsmod",
  "unikvm: ModuleLoader.lsmod",
  "unikvm: ModuleLoader.nodes",
  "unikvm: ModuleLoader.tainted",
  "unikvm/vmm: Nvram.save",
  "unikvm/vmm: Rtc.read",
  "unikvm/vmm: Rtc.save",
  "unikvm/node: spawnVcpuThread",
  "unikvm/web: spawnVcpuThread",
]);
/** For other modules of unikvm: not in the declarations of what is exported. */
const internal = new Set(["loaded", "usedBy", "exported"]);

/** Good values for what comes before the parameter in question. */
const device = { connect: () => {}, read: () => 0n, write: () => {}, reset: () => {} };
const earlier: Readonly<Record<string, readonly unknown[]>> = {
  exportSymbol: [{ name: "a_symbol" }],
  hcall: [0xf000, "H_NAME", { enabled: true }],
  insmod: [{}],
  "ModuleLoader.insmod": [{}],
  modprobe: ["kvm"],
  "ModuleLoader.modprobe": ["kvm"],
  "ModuleLoader.remove": ["kvm"],
  "ModuleLoader.rmmod": ["kvm"],
  "ModuleLoader.setParameter": ["kvm", "halt_poll_ns"],
  "ModuleLoader.showDepends": ["kvm"],
  kvmVfioSpaprTce: [1],
  kvmXiveEsb: [1],
  rmmod: ["kvm"],
  hostPciDevice: ["0000:00:01.0", device],
  createPseriesVcpuSide: [0, { console: new ArrayBuffer(8), pci: false }],
  loadKernelImage: [new Uint8Array(1), 1],
  runVcpuThread: [{ cpu: 0, vm: {}, trace: [] }],
  "Nvram.fetch": [0],
  "Nvram.store": [0],
};

const instances: Readonly<Record<string, () => object>> = {
  ModuleLoader: () => new root.ModuleLoader([]),
  Nvram: () => new vmm.Nvram(),
  Rtc: () => new vmm.Rtc(),
};

interface Public {
  readonly name: string;
  readonly short: string;
  readonly call: Called;
}

/** The methods of a class and of those that it extends. */
function methodsOf(type: { readonly prototype: object }): [string, unknown][] {
  const found: [string, unknown][] = [];
  for (let at = type.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (name !== "constructor" && typeof value === "function" && !internal.has(name)) found.push([name, value]);
    }
  }
  return found;
}

function* publicFunctions(place: string, exports: object): Generator<Public> {
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function") continue;
    const isClass = /^class\b/.test(Function.prototype.toString.call(value));
    if (!isClass) {
      yield { name: `${place}: ${name}`, short: name, call: value as Called };
      continue;
    }
    if (value.prototype instanceof Error) continue;
    for (const [method, body] of methodsOf(value as { readonly prototype: object })) {
      yield { name: `${place}: ${name}.${method}`, short: `${name}.${method}`, call: body as Called };
    }
  }
}

const places = {
  unikvm: root,
  "unikvm/powerpc": powerpc,
  "unikvm/x86": x86,
  "unikvm/vmm": vmm,
  "unikvm/node": node,
  "unikvm/web": web,
};
const surface = Object.entries(places).flatMap(([place, exports]) => [...publicFunctions(place, exports)]);

test("every public function says what it takes", () => {
  assert.ok(surface.length > 30, `only ${surface.length} functions`);
  const unchecked = surface.filter(({ name, call }) => !signatureOf(call) && !takesNothing.has(name));
  assert.deepEqual(
    unchecked.map(({ name }) => name),
    [],
  );
});

for (const { name, short, call } of surface) {
  const signature = signatureOf(call);
  if (!signature) continue;
  test(`${name} refuses what it does not take`, async () => {
    const [type = "", method] = short.split(".");
    const object = method === undefined ? undefined : instances[type]?.();
    if (method !== undefined) assert.ok(object, `give an instance of ${type}`);
    await refusesMisuse((...given) => call.apply(object, given as never), signature, earlier[short] ?? []);
  });
}

/** What the modules offer, and the symbols that modules of other packages can import, whose names they have here. */
async function offered(): Promise<[string, unknown][]> {
  const definitions = moduleList().map(({ definition }) => definition);
  const loader = new root.ModuleLoader(definitions);
  const found: [string, unknown][] = [];
  for (const { name, exports = {}, params = {} } of definitions) {
    // Each kvm its own name in /dev.
    await loader.modprobe(name, "node" in params ? { node: name } : {});
    const offer = loader.offer<Readonly<Record<string, unknown>> | undefined>(name) ?? {};
    for (const [local, value] of Object.entries(offer)) {
      const { symbol, namespace } = exports[local] ?? {};
      // A symbol for named modules is none of the public's.
      if (namespace?.startsWith("module:")) continue;
      if (typeof value === "function") found.push([symbol?.name ?? `${name}: ${local}`, value]);
    }
  }
  return found;
}

test("what modules offer and export says what it takes, and refuses all else", async () => {
  const calls = await offered();
  const takeNothing = ["kvm: open", "kvm_intel: open", "kvm_amd: open", "vfio: groups"];
  const unchecked = calls.filter(([, call]) => !signatureOf(call)).map(([name]) => name);
  assert.deepEqual(unchecked, takeNothing);
  const before: Readonly<Record<string, readonly unknown[]>> = { vfio_register_group_dev: [fakeDevice("a"), 1] };
  const names = calls.map(([name]) => name);
  for (const name of ["kvmppc_register_hcalls", "vfio_register_group_dev"]) assert.ok(names.includes(name), name);
  for (const [name, call] of calls) {
    const signature = signatureOf(call);
    if (signature) await refusesMisuse(call as Called, signature, before[name] ?? []);
  }
});

test("hypercalls that are not whole are not registered", async () => {
  const register = new Map(await offered()).get("kvmppc_register_hcalls") as Called;
  const owner = { tryGet: () => true, put: () => {} };
  const good = { number: 0xf000, name: "H_MINE", enabled: true, handler: () => 0n };
  const bad: readonly (readonly [object, RegExp])[] = [
    [{ owner: {} }, /owner is an object, not the context/],
    [{ url: 7 }, /url is 7, not a string/],
    [{ hcalls: good }, /hcalls is an object, not an array/],
    [{ hcalls: [good, null] }, /hcalls\[1\] is null/],
    ...[0xefff, 0x10000].map((number) => [{ hcalls: [{ ...good, number }] }, /from 0xf000 to 0xffff, not/] as const),
    [{ hcalls: [{ ...good, number: "0xf000" }] }, /number is "0xf000"/],
    [{ hcalls: [{ ...good, name: undefined }] }, /name is missing/],
    [{ hcalls: [{ ...good, enabled: 1 }] }, /enabled is 1, not true or false/],
    [{ hcalls: [{ ...good, handler: undefined }] }, /handler is missing/],
  ];
  for (const [fields, sentence] of bad) {
    assert.throws(
      () => register({ owner, url: import.meta.url, hcalls: [good], ...fields }),
      (error) => error instanceof root.KvmError && error.code === "EINVAL" && sentence.test(error.message),
      String(sentence),
    );
  }
});

test("constructors refuse what they do not take", () => {
  const misuses: readonly (() => unknown)[] = [
    () => new root.ModuleLoader(7 as never),
    () => new root.ModuleLoader([null as never]),
    () => new root.ModuleLoader([], { nosuch: 1 } as never),
    () => new root.ModuleLoader([], { log: "loud" as never }),
    () => new vmm.Nvram("none" as never),
    () => new vmm.Nvram(new Uint8Array(5)),
    () => new vmm.Rtc({} as never),
    () => new vmm.Rtc({ offset: 0 }, 5 as never),
  ];
  for (const misuse of misuses) assert.throws(misuse, { name: "KvmError", code: "EINVAL" }, String(misuse));
});

test("a parameter of a type that does not exist is refused where it is declared, and by a loader", async () => {
  const init = () => ({});
  const params = { speed: { type: "float", default: 1, description: "how fast" } } as never;
  const declaration = { name: "fast", description: "a module", license: "MIT", init };
  assert.throws(() => root.defineModule({ ...declaration, params }), /EINVAL.*type is "float", not one of "bool"/);
  const forged = { ...root.defineModule(declaration), params };
  await assert.rejects(new root.ModuleLoader([]).insmod(forged as never), /ENOEXEC.*speed/);
});
