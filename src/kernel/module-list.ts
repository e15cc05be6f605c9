/**
 * Every module of unikvm, in the order of modules.order. A new module is one row here: the loader, modpost, `modinfo`,
 * and what `unikvm build` makes of its option come from the row.
 */
import { kvmModule } from "../arch/powerpc/module.js";
import { kvmAmdModule } from "../arch/x86/module-amd.js";
import { kvmIntelModule } from "../arch/x86/module-intel.js";
import type { KvmConfig } from "../engine/kvm-config.js";
import { hostPci } from "../host/module.js";
import type { ModuleDefinition } from "../modules/define-module.js";
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
  /**
   * The files, from dist/, whose imports on demand are its code. Of a module without any the build takes the declaration
   * apart from the file.
   */
  readonly loaders?: readonly string[];
  /** What it is linked whole of. */
  readonly whole?: WholeModule;
}

/** A module that has a copy of its own of what it has in common with others. Files are named from dist/. */
export interface WholeModule {
  /** All its code. */
  readonly entry: string;
  /** What stands for that in the sources, and gives way to the linked module. */
  readonly stub: string;
  /** Which files mean others in it. */
  readonly meaning: Readonly<Record<string, string>>;
}

/** `unikvm build` leaves no definition of a module that is configured out. */
type Row = Omit<ListedModule, "definition"> & { readonly definition: ModuleDefinition | undefined };
type MakeModule = (config: KvmConfig) => ModuleDefinition | undefined;

const x86 = "src/arch/x86";
/** A vendor's module: `folder` has what differs. */
const vendor = (folder: "vmx" | "svm"): WholeModule => ({
  entry: `${x86}/whole.js`,
  stub: `${x86}/${folder}/linked.js`,
  meaning: { [`${x86}/vendor.js`]: `${x86}/${folder}/vendor.js` },
});
/** The guests of either vendor's module. */
const x86Guests = ["x86_64", "i386"] as const;

/** `path` is where the build puts it under dist/modules/, as kernel modules lie under /lib/modules/VERSION/. */
export function moduleList(config: KvmConfig = {}): readonly ListedModule[] {
  const all: readonly Row[] = [
    { path: "vac.js", option: "VAC", source: "src/vac/module.js", definition: vac },
    {
      path: "kvm.js",
      option: "KVM_BOOK3S_64",
      guests: ["ppc64le", "ppc64"],
      source: "src/arch/powerpc/module.js",
      loaders: ["src/arch/powerpc/module.js"],
      definition: (kvmModule as MakeModule)(config),
    },
    {
      path: "kvm-intel.js",
      option: "KVM_INTEL",
      guests: x86Guests,
      source: "src/arch/x86/module-intel.js",
      loaders: [`${x86}/module-intel.js`],
      whole: vendor("vmx"),
      definition: (kvmIntelModule as MakeModule)(config),
    },
    {
      path: "kvm-amd.js",
      option: "KVM_AMD",
      guests: x86Guests,
      source: "src/arch/x86/module-amd.js",
      loaders: [`${x86}/module-amd.js`],
      whole: vendor("svm"),
      definition: (kvmAmdModule as MakeModule)(config),
    },
    { path: "vfio.js", option: "VFIO", source: "src/vfio/module.js", definition: vfio },
    { path: "host_pci.js", option: "HOST_PCI", source: "src/host/module.js", definition: hostPci },
  ];
  return all.filter((module): module is ListedModule => module.definition !== undefined);
}
