/**
 * Every module of unikvm, in the order of modules.order: of two that export one symbol the first is its owner. A new
 * module is one line here.
 */
import { type KvmConfig, kvmModule } from "./arch/powerpc/module.js";
import type { BuiltModule } from "./modules/modpost.js";
import { vac } from "./vac/module.js";
import { vfio } from "./vfio/module.js";

/** `path` is the built file, from dist/; its default export is the module. */
export const moduleList = (config: KvmConfig = {}): readonly BuiltModule[] => [
  { path: "src/vac/module.js", definition: vac },
  { path: "src/arch/powerpc/module.js", definition: kvmModule(config) },
  { path: "src/vfio/module.js", definition: vfio },
];
