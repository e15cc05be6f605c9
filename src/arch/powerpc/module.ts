/**
 * The kvm module for POWER guests: one module that holds every implementation the platform allows.
 * `openKvm` is what most need: it loads the module and opens /dev/kvm.
 */
import { KvmError, messageOf } from "../../base/errors.js";
import { type Log, silent } from "../../base/log.js";
import { thisPackage } from "../../base/package.js";
import type { Implementation } from "../../kvm/implementation.js";
import { KvmCore } from "../../kvm/kvm.js";
import { platformShares } from "../../kvm/memory.js";
import { kvmParameters } from "../../kvm/parameters.js";
import type { SharedVm } from "../../kvm/uapi.js";
import { VmCore } from "../../kvm/vm.js";
import { defineModule, type ModuleContext, type ModuleDefinition } from "../../modules/define-module.js";
import { ModuleLoader } from "../../modules/loader.js";
import { vac, vacJoin } from "../../vac/module.js";
import { acquireVac } from "../../vac/vac.js";
import { powerpc } from "./arch.js";
import { type CompiledAssets, compileAssets, type LoadAsset, loadAssetHere } from "./assets.js";
import { type ImplementationName, initialise, type LoadOptions, rows } from "./implementations.js";
import type { PpcKvm, PpcVm } from "./uapi.js";

export { type AssetName, assetNames, type LoadAsset } from "./assets.js";
export type { ImplementationName } from "./implementations.js";
export type { PpcKvm, PpcVm } from "./uapi.js";

export interface KvmConfig {
  /** What is configured in. Default: both. */
  readonly implementations?: readonly ImplementationName[];
  /** Which VMs can be made. Default: shared where the platform has shared memory, else unshared. */
  readonly memory?: "shared" | "unshared" | "both";
  /** How the built WebAssembly is got: bytes, or compiled modules where the platform forbids compiling bytes. */
  readonly loadAsset?: LoadAsset;
}

export interface OpenKvmOptions extends KvmConfig {
  /** The kernel side's messages, e.g. why an implementation could not load. */
  readonly log?: Log;
}

/** What the module offers once it is live: /dev/kvm. */
export interface KvmOffer {
  open(): PpcKvm;
}

const imports = { join: vacJoin };

/** Defines the kvm module with what is configured in. */
export function kvmModule(config: KvmConfig = {}): ModuleDefinition {
  const { implementations = ["hv", "pr"], loadAsset = loadAssetHere } = config;
  const configured = rows.filter(({ name }) => implementations.includes(name));
  return defineModule({
    name: "kvm",
    description: "Kernel-based virtual machines for POWER guests",
    license: "MIT",
    version: thisPackage.version,
    inTree: true,
    aliases: configured.map(({ alias }) => alias),
    imports,
    params: kvmParameters,
    init: (context) =>
      init(context, configured, {
        kinds: kinds(config.memory),
        assets: compileOnce(loadAsset),
        module: import.meta.url,
      }),
  });
}

/** With all that there is, as `insmod` of this file loads it. */
export default kvmModule();

async function init(
  context: ModuleContext<typeof imports, typeof kvmParameters>,
  configured: typeof rows,
  options: LoadOptions,
): Promise<KvmOffer> {
  const member = await context.step(
    "kvm: vac",
    () => context.imports.join(thisPackage),
    (joined) => joined.leave(),
  );
  const loaded: Implementation[] = [];
  const reasons: string[] = [];
  for (const row of configured) {
    try {
      loaded.push(await context.attempt(() => initialise(row, context, options)));
    } catch (error) {
      const [errno, why] = error instanceof KvmError ? [error.errno, error.message] : [22, messageOf(error)];
      reasons.push(`${row.title}: could not load (-${errno}): ${why}`);
      context.log("error", reasons.at(-1) ?? "");
    }
  }
  if (loaded.length === 0) {
    throw new KvmError("EINVAL", `no implementation of KVM could load. ${reasons.join("; ")}`);
  }
  const kvm = await context.step("kvm: /dev/kvm", () => new KvmCore(loaded, context, member, context.parameters));
  // The architecture puts its own methods on every VM.
  return { open: () => kvm as unknown as PpcKvm };
}

/** Both implementations use the same modules. */
function compileOnce(load: LoadAsset): LoadOptions["assets"] {
  const compiled = new Map<boolean, Promise<CompiledAssets>>();
  return (shared) => {
    const known = compiled.get(shared) ?? compileAssets(shared, load);
    compiled.set(shared, known);
    return known;
  };
}

function kinds(memory: KvmConfig["memory"]): LoadOptions["kinds"] {
  switch (memory) {
    case "both":
      return platformShares() ? ["shared", "unshared"] : ["unshared"];
    case "shared":
    case "unshared":
      return [memory];
    case undefined:
      return [platformShares() ? "shared" : "unshared"];
    default:
      return memory satisfies never;
  }
}

/** A loader that knows the kvm module and what it depends on. */
export function createLoader({ log = silent, ...config }: OpenKvmOptions = {}): ModuleLoader {
  return new ModuleLoader([vac, kvmModule(config)], { log });
}

/**
 * Loads kvm and opens /dev/kvm. EINVAL: no implementation could load; the message says why for each.
 */
export async function openKvm(options: OpenKvmOptions = {}): Promise<PpcKvm> {
  const loader = createLoader(options);
  await loader.modprobe("kvm");
  return loader.offer<KvmOffer>("kvm").open();
}

/** What puts an instruction word into words. It brings the definitions of all instructions with it. */
export async function loadDisassembler(): Promise<(word: number, address: bigint) => string> {
  const { disassemble } = await import("./isa/disassembler.js");
  return (word, address) => disassemble(word, { address });
}

/**
 * Attaches this thread to a VM of another one, given what `Vm.share` gave there. EINVAL: not a POWER VM's. ESTALE: the VM
 * has moved to another kvm since.
 */
export async function attachVm(shared: SharedVm): Promise<PpcVm> {
  return (await prepareAttachVm(shared))();
}

/** Loads what attaching needs, as long as that takes; what it gives attaches at once. */
export async function prepareAttachVm(shared: SharedVm): Promise<() => PpcVm> {
  const row = rows.find(({ name }) => name === shared.implementation);
  if (shared.version !== 1 || shared.arch !== powerpc.name || !row) {
    throw new KvmError("EINVAL", `not a POWER VM of this version: ${shared.arch}, ${shared.implementation}`);
  }
  const engine = await row.engine(shared.engine as CompiledAssets);
  const { name, type } = row;
  const implementation: Implementation = { name, type, arch: powerpc, module: shared.module, engine: () => engine };
  return () => {
    const member = acquireVac(thisPackage, shared.vac).join(thisPackage);
    try {
      return VmCore.attach(implementation, engine, member, shared, () => member.leave()) as unknown as PpcVm;
    } catch (error) {
      member.leave();
      throw error;
    }
  };
}
