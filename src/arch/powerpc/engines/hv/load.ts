import type { Engine, EngineVcpu } from "../../../../kvm/engine.js";
import { type EngineAssets, instantiateInterpreter, interpretedVcpu } from "../emulate/interpreter.js";
import { Translator } from "./translator.js";

/** A vCPU that can be told to translate; tests use it to run code translated that is not hot. */
export interface HvVcpu extends EngineVcpu {
  translateNow(addresses: Iterable<bigint>): void;
}

export interface HvEngine extends Engine {
  attach(memory: WebAssembly.Memory, address: number): HvVcpu;
}

/** `hv`: hot code is translated to WebAssembly at run time, the rest interpreted. Needs the platform's leave to compile. */
export function loadHv(assets: EngineAssets): HvEngine {
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
      return {
        ...interpretedVcpu(interpreter, address),
        stats: () => translator.stats(),
        translateNow: (addresses) => translator.translateNow(addresses),
      };
    },
  };
}
