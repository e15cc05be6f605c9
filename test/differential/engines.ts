/** The engines under test, from the files of the build. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { translatorTarget } from "../../src/arch/powerpc/engines/translator-target.js";
import type { EngineAssets } from "../../src/engine/interpret/interpreter.js";
import { loadPr } from "../../src/engine/interpret/load.js";
import { loadHv } from "../../src/engine/translate/load.js";
import type { Engine } from "../../src/kvm/engine.js";
import { enableRelaxedSimd } from "../../src/wasm/node/relaxed-simd.js";

function compiled(name: string): WebAssembly.Module {
  const path = fileURLToPath(new URL(`../../src/arch/powerpc/engines/${name}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${name} is not built: run "npm run build" first`);
  return new WebAssembly.Module(readFileSync(path));
}

let assets: EngineAssets | undefined;
/** The modules for unshared memory. */
export function engineAssets(): EngineAssets {
  assets ??= { runtime: compiled("runtime.wasm"), interpreter: compiled("interpreter.wasm") };
  return assets;
}

/** How to load each engine, by the name given to --engine. */
export const engines: Readonly<Record<string, () => Engine>> = {
  hv: () => {
    // As the command line does.
    enableRelaxedSimd();
    return loadHv(translatorTarget, engineAssets());
  },
  pr: () => loadPr(engineAssets()),
};
