/** The kvm module's init, and all that it brings: imported when the module is loaded, not before. */
import { KvmError, messageOf } from "../../../base/errors.js";
import { thisPackage } from "../../../base/package.js";
import type { Engine, ThreadBeside } from "../../../kvm/engine.js";
import type { Implementation } from "../../../kvm/implementation.js";
import { KvmCore } from "../../../kvm/kvm.js";
import { vmLayout } from "../../../kvm/layout.js";
import { platformShares, VmMemory } from "../../../kvm/memory.js";
import type { kvmParameters } from "../../../kvm/parameters.js";
import type { AttachedVm, Kvm, SharedVm } from "../../../kvm/uapi.js";
import { VmCore } from "../../../kvm/vm.js";
import type { ModuleContext } from "../../../modules/define-module.js";
import { acquireVac } from "../../../vac/vac.js";
import { powerpc } from "../arch.js";
import { hcallByNumber } from "../papr/list.js";
import type { PpcKvm, PpcVm } from "../uapi.js";
import { type CompiledAssets, compileAssets, type LoadAsset } from "./assets.js";
import { type ImplementationRow, rows } from "./implementations.js";
import type { kvmImports } from "./imports.js";
import { importHcalls, type RegisterHcalls, registerHcalls } from "./register-hcalls.js";

/** Of openKvm's options, what init needs. */
export interface InitOptions {
  readonly loadAsset: LoadAsset;
  readonly memory: "shared" | "unshared" | "both" | undefined;
  /** URL of the module that other threads attach with. */
  readonly module: string;
}

/** For which kinds of memory an implementation is loaded. */
interface LoadOptions {
  readonly kinds: readonly ("shared" | "unshared")[];
  /** URL of the module that other threads attach with. */
  readonly module: string;
  readonly assets: (shared: boolean) => Promise<CompiledAssets>;
}

/** The module's init. EINVAL: no implementation could load. */
export async function initKvm(
  context: ModuleContext<typeof kvmImports, typeof kvmParameters>,
  configured: readonly ImplementationRow[],
  { loadAsset, memory, module }: InitOptions,
): Promise<{ open(): PpcKvm; registerHcalls: RegisterHcalls }> {
  const options = { kinds: kinds(memory), assets: compileOnce(loadAsset), module };
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
  // The architecture puts its own methods on every VM of any kvm that it is handed to.
  const opened: Kvm = kvm;
  return { open: () => opened as PpcKvm, registerHcalls: registerHcalls(kvm.extensions, hcallByNumber) };
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
  context: ModuleContext,
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
    arch: powerpc,
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

function implementationOf({ version, arch, implementation }: SharedVm): ImplementationRow {
  const row = rows.find(({ name }) => name === implementation);
  if (version === 1 && arch === powerpc.name && row) return row;
  throw new KvmError("EINVAL", `not a POWER VM of this version: ${arch}, ${implementation}`);
}

/** What a thread beside a vCPU's of this VM does for it; undefined: nothing. EINVAL: not a POWER VM's. */
export async function serveBeside(
  shared: SharedVm,
  post: (answer: unknown) => void,
): Promise<((request: unknown) => void) | undefined> {
  const serve = await implementationOf(shared).serveBeside?.();
  return serve?.(shared.memory, post) as ((request: unknown) => void) | undefined;
}

/** Loads an implementation's code. */
export const preload = async (implementation: string): Promise<void> =>
  rows.find(({ name }) => name === implementation)?.preload();

/** Loads what attaching needs, as long as that takes; what it gives attaches at once. */
export async function prepareAttach(shared: SharedVm, beside?: ThreadBeside): Promise<() => AttachedVm<PpcVm>> {
  const row = implementationOf(shared);
  const engine = await row.engine(shared.engine as CompiledAssets, beside);
  const mem = new VmMemory(shared.memory);
  // The guest of a VM that is on its way here will wait for what can be done now.
  if (mem.load(vmLayout.moves) !== shared.generation) {
    engine.warmUp(VmMemory.create(vmLayout.userStart, vmLayout.userStart, mem.shared).wasm);
  }
  const extensions = await Promise.all(
    (shared.extensions ?? []).map(async (url) => ({ url, value: await importHcalls(url) })),
  );
  const { name, type } = row;
  const implementation: Implementation = {
    name,
    type,
    arch: powerpc,
    module: shared.module,
    sharesByDefault: mem.shared,
    engine: () => engine,
  };
  return () => {
    const member = acquireVac(thisPackage, shared.vac).join(thisPackage);
    try {
      const vm = VmCore.attach(implementation, engine, member, shared, () => member.leave());
      vm.extensions = extensions;
      const attached: AttachedVm = vm;
      return attached as AttachedVm<PpcVm>;
    } catch (error) {
      member.leave();
      throw error;
    }
  };
}
