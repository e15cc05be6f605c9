import type { Engine } from "../../kvm/engine.js";
import {
  bindMemoryWritten,
  type EngineAssets,
  instantiateInterpreter,
  interpretedVcpu,
  interpretOnly,
  modulesFor,
} from "./interpreter.js";

/**
 * `pr`: everything is interpreted, and nothing is compiled after loading, so it runs where code generation is denied.
 */
export function loadPr(assets: EngineAssets): Engine {
  return {
    name: "pr",
    orders: assets.ordered !== undefined,
    share: assets,
    memoryWritten: (memory) => bindMemoryWritten(assets, memory),
    warmUp: (memory) => void instantiateInterpreter(assets, memory, interpretOnly()),
    attach: (memory, address, onEvent, missing, ordered) => {
      const modules = modulesFor(assets, ordered);
      const interpreter = instantiateInterpreter(modules, memory, interpretOnly(), onEvent, missing);
      return interpretedVcpu(interpreter, address);
    },
  };
}
