import type { Engine, EngineEvents, EngineVcpu, ThreadBeside } from "../../kvm/engine.js";
import {
  bindMemoryWritten,
  type EngineAssets,
  instantiateInterpreter,
  interpretedVcpu,
  interpretOnly,
  modulesFor,
} from "../interpret/interpreter.js";
import type { TranslatorTarget } from "./target.js";
import { Translator } from "./translator.js";
import type { Workshop } from "./workshop.js";

/** A vCPU that can be told to translate; tests use it to run code translated that is not hot. */
export interface HvVcpu extends EngineVcpu {
  translateNow(addresses: Iterable<bigint>): void;
}

export interface HvEngine extends Engine {
  attach(
    memory: WebAssembly.Memory,
    address: number,
    onEvent?: EngineEvents,
    missing?: (address: number) => void,
    ordered?: boolean,
  ): HvVcpu;
}

/**
 * `hv`: hot code is translated to WebAssembly at run time, the rest interpreted. Needs the platform's leave to compile.
 * @param beside makes what each vCPU has its regions made by, if not by this thread.
 */
export function loadHv<V>(target: TranslatorTarget<V>, assets: EngineAssets, beside?: () => Workshop): HvEngine {
  // Of the vCPU that a thread beside works for.
  let nextRequest: (() => number) | undefined;
  return {
    name: "hv",
    orders: assets.ordered !== undefined,
    share: assets,
    memoryWritten: (memory) => bindMemoryWritten(assets, memory),
    warmUp: (memory) => {
      // The thread beside has its own.
      if (!beside) target.warmUp();
      instantiateInterpreter(assets, memory, interpretOnly());
    },
    attach: (memory, address, onEvent, missing, ordered = false) => {
      // Before the guest runs, which would stand still for it at its first region: a tenth of a second.
      if (!beside) target.warmUp();
      const translator = new Translator(target, memory, address, beside?.(), {
        ordered,
        firstRequest: nextRequest?.(),
      });
      if (beside) nextRequest = () => translator.nextRequest;
      const translation = {
        regions: translator.regions,
        codeDropped: (page: number, first: number, end: number) => translator.codeDropped(page, first, end),
        sampled: () => translator.sampled(),
      };
      const interpreter = instantiateInterpreter(modulesFor(assets, ordered), memory, translation, onEvent, missing);
      translator.bind(interpreter);
      return {
        ...interpretedVcpu(interpreter, address),
        stats: () => translator.stats(),
        translateNow: (addresses) => translator.translateNow(addresses),
      };
    },
  };
}

/** The same, with a thread beside the vCPU's, if there is one. */
export const loadHvBeside = async <V>(target: TranslatorTarget<V>, assets: EngineAssets, thread?: ThreadBeside) =>
  loadHv(target, assets, thread && (await import("./beside-workshop.js")).besideWorkshops(thread));
