/**
 * Every module of unikvm, in the order of modules.order. A new module is one line here.
 */
import { type KvmConfig, kvmModule } from "./arch/powerpc/module.js";
import { hostPci } from "./host/module.js";
import type { BuiltModule } from "./modules/modpost.js";
import { vac } from "./vac/module.js";
import { vfio } from "./vfio/module.js";

export interface ListedModule extends BuiltModule {
  /** The file whose default export is the module, from dist/. */
  readonly source: string;
}

/** What `unikvm build` leaves of a module that is configured out. */
interface Absent {
  readonly definition: undefined;
}

/** `path` is where the build puts it under dist/modules/, as kernel modules lie under /lib/modules/VERSION/. */
export function moduleList(config: KvmConfig = {}): readonly ListedModule[] {
  const all: readonly (ListedModule | Absent)[] = [
    { path: "vac.js", source: "src/vac/module.js", definition: vac },
    { path: "kvm.js", source: "src/arch/powerpc/module.js", definition: kvmModule(config) },
    { path: "vfio.js", source: "src/vfio/module.js", definition: vfio },
    { path: "host_pci.js", source: "src/host/module.js", definition: hostPci },
  ];
  return all.filter((module): module is ListedModule => module.definition !== undefined);
}
