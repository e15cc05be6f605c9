/**
 * Runs a guest in a context of node:vm that forbids all generation of code, strings and WebAssembly, with the package's
 * own modules loaded in it; prints what happened as JSON. Needs --experimental-vm-modules.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createContext, SourceTextModule } from "node:vm";

const context = createContext(
  { performance, crypto, URL, TextDecoder, TextEncoder, setTimeout, clearTimeout },
  { codeGeneration: { strings: false, wasm: false } },
);
const modules = new Map<string, SourceTextModule>();

/** A built file, and by the linker all that it imports: nothing of Node's. */
function load(url: string): SourceTextModule {
  const known = modules.get(url);
  if (known) return known;
  const module = new SourceTextModule(readFileSync(fileURLToPath(url), "utf8"), {
    context,
    identifier: url,
    initializeImportMeta: (meta) => {
      meta.url = url;
    },
    importModuleDynamically: async (specifier) => {
      const imported = resolve(specifier, url);
      if (imported.status === "unlinked") await imported.link((name, from) => resolve(name, from.identifier));
      if (imported.status === "linked") await imported.evaluate();
      return imported;
    },
  });
  modules.set(url, module);
  return module;
}

function resolve(specifier: string, from: string): SourceTextModule {
  if (!specifier.startsWith(".")) throw new Error(`${from} imports ${specifier}`);
  return load(new URL(specifier, from).href);
}

async function namespace(name: string): Promise<Record<string, unknown>> {
  const module = load(new URL(name, import.meta.url).href);
  if (module.status === "unlinked") await module.link((specifier, from) => resolve(specifier, from.identifier));
  if (module.status === "linked") await module.evaluate();
  return module.namespace as Record<string, unknown>;
}

/** Compiled outside, as a platform does that lets no program compile. */
async function loadAsset(name: string): Promise<WebAssembly.Module> {
  return WebAssembly.compile(readFileSync(new URL(`../engines/${name}`, import.meta.url)));
}

const program = new SourceTextModule(
  `
  import { loadAsset, openKvm, createLoader } from "given";
  const refused = async (body) => {
    try {
      await body();
      return "allowed";
    } catch (error) {
      return error.name + (error.code ? " " + error.code : "");
    }
  };
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  export const result = {
    compile: await refused(() => WebAssembly.compile(empty)),
    construct: await refused(() => new WebAssembly.Module(empty)),
    strings: await refused(() => new Function("return 1")()),
  };
  const messages = [];
  const log = (_, message) => messages.push(message);
  const kvm = await openKvm({ loadAsset, log });
  result.messages = messages;
  result.hv = await refused(() => kvm.createVm(1));
  result.byDefault = kvm.createVm(0).implementation;
  const vm = kvm.createVm(2);
  result.implementation = vm.implementation;
  const ram = vm.allocate(1 << 20);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: 1n << 20n, userspaceAddr: ram });
  // li r4, 0; li r5, 1000; mtctr r5; addi r4, r4, 3; bdnz -4; li r3, 0x58; sc 1
  const code = [0x38800000, 0x38a003e8, 0x7ca903a6, 0x38840003, 0x4200fffc, 0x38600058, 0x44000022];
  const view = new DataView(vm.memory.buffer, ram);
  code.forEach((word, i) => view.setUint32(0x1000 + 4 * i, word));
  const vcpu = vm.createVcpu(0);
  vcpu.setRegs({ ...vcpu.getRegs(), pc: 0x1000n });
  const exit = vcpu.run({ deadline: performance.now() + 5000 });
  result.exit = exit.reason;
  result.number = exit.nr;
  result.sum = Number(vcpu.getRegs().gpr[4]);
  // M1: with bytes instead of compiled modules nothing loads, and nothing is left.
  const loader = createLoader({ loadAsset: async () => empty, log });
  result.bytes = await refused(() => loader.modprobe("kvm"));
  result.left = loader.lsmod().map(({ name, references }) => name + " " + references).join();
  `,
  { context, identifier: import.meta.url },
);
const { createLoader, openKvm } = await namespace("../../../kernel.js");
await program.link(async () => {
  const { SyntheticModule } = await import("node:vm");
  return new SyntheticModule(
    ["loadAsset", "openKvm", "createLoader"],
    function () {
      this.setExport("loadAsset", loadAsset);
      this.setExport("openKvm", openKvm);
      this.setExport("createLoader", createLoader);
    },
    { context },
  );
});
await program.evaluate();
process.stdout.write(JSON.stringify((program.namespace as { result: unknown }).result));
