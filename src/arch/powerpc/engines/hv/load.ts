import type { Engine } from "../../../../kvm/engine.js";
import { type EngineAssets, instantiateInterpreter, interpretedVcpu } from "../emulate/interpreter.js";
import { Translator } from "./translator.js";

/** `hv`: hot code is translated to WebAssembly at run time, the rest interpreted. Needs the platform's leave to compile. */
export function loadHv(assets: EngineAssets): Engine {
  return {
    name: "hv",
    share: assets,
    attach: (memory, address) => {
      const translator = new Translator(memory, address);
      const interpreter = instantiateInterpreter(assets, memory, {
        regions: translator.regions,
        codeDropped: (page) => translator.codeDropped(page),
        sampled: () => translator.sampled(),
      });
      translator.bind(interpreter.runtime);
      return { ...interpretedVcpu(interpreter, address), stats: () => translator.stats() };
    },
  };
}
