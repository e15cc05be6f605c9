/**
 * `hv` and `pr` as the kvm module brings them up. Each engine is imported only when its implementation initialises, so
 * that a page that uses one fetches no code of the other.
 */
import { KvmError, messageOf } from "../../base/errors.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR } from "../../kvm/constants.js";
import type { Engine } from "../../kvm/engine.js";
import type { Implementation } from "../../kvm/implementation.js";
import type { ModuleContext } from "../../modules/define-module.js";
import { powerpc } from "./arch.js";
import type { CompiledAssets } from "./assets.js";

export type ImplementationName = "hv" | "pr";

/** For which kinds of memory an implementation is loaded. */
export interface LoadOptions {
  readonly kinds: readonly ("shared" | "unshared")[];
  /** URL of the module that other threads attach with. */
  readonly module: string;
  readonly assets: (shared: boolean) => Promise<CompiledAssets>;
}

interface Row {
  readonly name: ImplementationName;
  readonly type: number;
  /** As the kernel's messages and module aliases have it. */
  readonly title: string;
  readonly alias: string;
  /** Throws if the platform cannot run it. */
  readonly require: () => void;
  readonly engine: (assets: CompiledAssets) => Promise<Engine>;
}

/** In order of initialisation and of preference. */
export const rows: readonly Row[] = [
  {
    name: "hv",
    type: KVM_VM_PPC_HV,
    title: "KVM-HV",
    alias: "kvm-hv",
    require: requireCodeGeneration,
    engine: async (assets) => (await import("./engines/hv/load.js")).loadHv(assets),
  },
  {
    name: "pr",
    type: KVM_VM_PPC_PR,
    title: "KVM-PR",
    alias: "kvm-pr",
    require: () => {},
    engine: async (assets) => (await import("./engines/pr/load.js")).loadPr(assets),
  },
];

/** The smallest module there is. */
const emptyModule = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

function requireCodeGeneration(): void {
  try {
    new WebAssembly.Module(emptyModule);
  } catch (cause) {
    throw new KvmError("EPERM", `the platform does not let code be generated (${messageOf(cause)})`, { cause });
  }
}

/** Brings one up, in steps that the module gives back if a later one fails. */
export async function initialise(row: Row, context: ModuleContext, options: LoadOptions): Promise<Implementation> {
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
