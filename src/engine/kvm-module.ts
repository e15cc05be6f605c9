/** What the init of every kvm module does, of whatever architecture: its implementations brought up, /dev/kvm, attaching. */
import { KvmError, messageOf } from "../base/errors.js";
import { thisPackage } from "../base/package.js";
import type { Arch } from "../kvm/arch.js";
import type { Engine, ThreadBeside } from "../kvm/engine.js";
import type { Implementation } from "../kvm/implementation.js";
import { KvmCore } from "../kvm/kvm.js";
import { vmLayout } from "../kvm/layout.js";
import { platformShares, VmMemory } from "../kvm/memory.js";
import type { kvmModuleParameters } from "../kvm/parameters.js";
import type { AttachedVm, SharedVm } from "../kvm/uapi.js";
import { VmCore } from "../kvm/vm.js";
import type { ModuleContext } from "../modules/define-module.js";
import type { vacJoin } from "../vac/module.js";
import { acquireVac } from "../vac/vac.js";
import { compileAssets, type LoadAsset } from "./assets.js";
import type { EngineAssets, ImplementationRow } from "./implementation.js";

/** Of openKvm's options, what init needs. */
export interface InitOptions {
  readonly loadAsset: LoadAsset;
  readonly memory: "shared" | "unshared" | "both" | undefined;
  /** URL of the module that other threads attach with. */
  readonly module: string;
  /** VMs with several vCPUs on threads need ordered accesses. Default: no. */
  readonly ordered?: boolean;
}

/** For which kinds of memory an implementation is loaded. */
interface LoadOptions {
  readonly kinds: readonly ("shared" | "unshared")[];
  readonly module: string;
  readonly assets: (shared: boolean) => Promise<EngineAssets>;
}

/** What the init of a kvm module is given. */
export type InitContext = ModuleContext<{ join: typeof vacJoin }, typeof kvmModuleParameters>;

/** EINVAL: no implementation could load. EEXIST: another module has /dev/kvm, or what the parameter `node` names instead. */
export async function initialiseKvm(
  context: InitContext,
  arch: Arch,
  configured: readonly ImplementationRow[],
  { loadAsset, memory, module, ordered = false }: InitOptions,
): Promise<KvmCore> {
  const { node } = context.parameters;
  await context.step(
    "kvm: node",
    () => claimNode(context, node),
    (letGo) => letGo(),
  );
  const options = { kinds: kinds(memory), assets: compileOnce(arch.name, loadAsset, ordered), module };
  const member = await context.step(
    "kvm: vac",
    () => context.imports.join(thisPackage),
    (joined) => joined.leave(),
  );
  const loaded: Implementation[] = [];
  const reasons: string[] = [];
  for (const row of configured) {
    try {
      loaded.push(await context.attempt(() => initialise(row, arch, context, options)));
    } catch (error) {
      const [errno, why] = error instanceof KvmError ? [error.errno, error.message] : [22, messageOf(error)];
      reasons.push(`${row.title}: could not load (-${errno}): ${why}`);
      context.log("error", reasons.at(-1) ?? "");
    }
  }
  if (loaded.length === 0) {
    throw new KvmError("EINVAL", `no implementation of KVM could load. ${reasons.join("; ")}`);
  }
  return context.step("kvm: /dev/kvm", () => new KvmCore(loaded, context, member, context.parameters));
}

/** Nobody finds anything there before init has ended. */
function claimNode(context: InitContext, node: string): () => void {
  try {
    return context.createNode(node);
  } catch (error) {
    if (!(error instanceof KvmError) || error.code !== "EEXIST") throw error;
    throw new KvmError("EEXIST", `${error.message.replace("EEXIST: ", "")}; with node=NAME this one has another name`);
  }
}

/** Both implementations use the same modules. */
function compileOnce(arch: string, load: LoadAsset, ordered: boolean): LoadOptions["assets"] {
  const compiled = new Map<boolean, Promise<EngineAssets>>();
  return (shared) => {
    const known = compiled.get(shared) ?? compileAssets(shared, arch, load, ordered);
    compiled.set(shared, known);
    return known;
  };
}

function kinds(memory: InitOptions["memory"]): LoadOptions["kinds"] {
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

/** Brings one up, in steps that the module gives back if a later one fails. */
async function initialise(
  row: ImplementationRow,
  arch: Arch,
  context: InitContext,
  options: LoadOptions,
): Promise<Implementation> {
  const engines = new Map<boolean, Engine>();
  await context.step(`${row.alias}: platform`, row.require);
  for (const kind of options.kinds) {
    const shared = kind === "shared";
    const assets = await context.step(`${row.alias}: ${kind} assets`, () => options.assets(shared));
    await context.step(
      `${row.alias}: ${kind} engine`,
      async () => engines.set(shared, await row.engine(assets)),
      () => engines.delete(shared),
    );
  }
  return {
    name: row.name,
    type: row.type,
    arch,
    module: options.module,
    sharesByDefault: options.kinds.includes("shared"),
    engine: (shared) => {
      const engine = engines.get(shared);
      if (engine) return engine;
      const kind = shared ? "shared" : "unshared";
      throw new KvmError(
        "EOPNOTSUPP",
        `${row.title} is not loaded for ${kind} memory; openKvm's option \`memory\` says which`,
      );
    },
  };
}

/** The implementation that a VM of this architecture is of. EINVAL: it is another one's, or another version's. */
export function implementationOf(
  { version, arch: name, implementation }: SharedVm,
  arch: Arch,
  rows: readonly ImplementationRow[],
): ImplementationRow {
  const row = rows.find((one) => one.name === implementation);
  if (version === 1 && name === arch.name && row) return row;
  throw new KvmError("EINVAL", `not a VM of ${arch.name} of this version: ${name}, ${implementation}`);
}

/** What a thread beside a vCPU's of this VM does for it; undefined: nothing. EINVAL: as `implementationOf`. */
export async function serveBesideVm(
  shared: SharedVm,
  arch: Arch,
  rows: readonly ImplementationRow[],
  post: (answer: unknown) => void,
): Promise<((request: unknown) => void) | undefined> {
  const serve = await implementationOf(shared, arch, rows).serveBeside?.();
  return serve?.(shared.memory, post) as ((request: unknown) => void) | undefined;
}

/**
 * Loads what attaching needs, as long as that takes; what it gives attaches at once. `importExtension` gives what another
 * module, by its URL, adds to the VM.
 */
export async function prepareAttachVm(
  shared: SharedVm,
  arch: Arch,
  rows: readonly ImplementationRow[],
  beside?: ThreadBeside,
  importExtension?: (url: string) => Promise<unknown>,
): Promise<() => AttachedVm> {
  const row = implementationOf(shared, arch, rows);
  const engine = await row.engine(shared.engine as EngineAssets, beside);
  const mem = new VmMemory(shared.memory);
  // The guest of a VM that is on its way here will wait for what can be done now.
  if (mem.load(vmLayout.moves) !== shared.generation) {
    engine.warmUp(VmMemory.create(vmLayout.userStart, vmLayout.userStart, mem.shared).wasm);
  }
  const extensions = await Promise.all(
    (shared.extensions ?? []).map(async (url) => ({ url, value: await importExtension?.(url) })),
  );
  const { name, type } = row;
  const implementation: Implementation = {
    name,
    type,
    arch,
    module: shared.module,
    sharesByDefault: mem.shared,
    engine: () => engine,
  };
  return () => {
    const member = acquireVac(thisPackage, shared.vac).join(thisPackage);
    try {
      const vm = VmCore.attach(implementation, engine, member, shared, () => member.leave());
      vm.extensions = extensions;
      return vm;
    } catch (error) {
      member.leave();
      throw error;
    }
  };
}
