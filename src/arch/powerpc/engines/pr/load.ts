import type { Engine } from "../../../../kvm/engine.js";
import { type EngineAssets, instantiateInterpreter, interpretedVcpu } from "../emulate/interpreter.js";

/**
 * `pr`: everything is interpreted, and nothing is compiled after loading, so it runs where code generation is denied.
 */
export function loadPr(assets: EngineAssets): Engine {
  return {
    name: "pr",
    share: assets,
    attach: (memory, address) => {
      const noRegions = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
      const interpreter = instantiateInterpreter(assets, memory, noRegions, () => {});
      return interpretedVcpu(interpreter, address);
    },
  };
}
