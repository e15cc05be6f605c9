/**
 * Every module of unikvm, in the order of modules.order. A new module is one row here: the loader, modpost, `modinfo`,
 * and what `unikvm build` makes of its option come from the row.
 */
import { type KvmConfig, kvmModule } from "../arch/powerpc/module.js";
import { hostPci } from "../host/module.js";
import type { BuiltModule } from "../modules/modpost.js";
import { vac } from "../vac/module.js";
import { vfio } from "../vfio/module.js";

export interface ListedModule extends BuiltModule {
  /** The file whose default export is the module, from dist/. */
  readonly source: string;
  /** Without CONFIG_: whether a build has it, and linked in or to be loaded. */
  readonly option: string;
  /** Of a kvm: the guests that it runs, as `openKvm` is asked for one. */
  readonly guests?: readonly string[];
  /** Its init imports its code. Of the others the build takes the declaration apart from the file. */
  readonly importsCode?: true;
}

/** What `unikvm build` leaves of a module that is configured out. */
interface Absent {
  readonly definition: undefined;
}

/** `path` is where the build puts it under dist/modules/, as kernel modules lie under /lib/modules/VERSION/. */
export function moduleList(config: KvmConfig = {}): readonly ListedModule[] {
  const all: readonly (ListedModule | Absent)[] = [
    { path: "vac.js", option: "VAC", source: "src/vac/module.js", definition: vac },
    {
      path: "kvm.js",
      option: "KVM_BOOK3S_64",
      guests: ["ppc64le", "ppc64"],
      source: "src/arch/powerpc/module.js",
      importsCode: true,
      definition: kvmModule(config),
    },
    { path: "vfio.js", option: "VFIO", source: "src/vfio/module.js", definition: vfio },
    { path: "host_pci.js", option: "HOST_PCI", source: "src/host/module.js", definition: hostPci },
  ];
  return all.filter((module): module is ListedModule => module.definition !== undefined);
}
