import assert from "node:assert/strict";
import { test } from "node:test";
import { detectWasmFeatures } from "./features.js";
import { enableRelaxedSimd } from "./node/relaxed-simd.js";

test("what every supported Node has is found", () => {
  const features = detectWasmFeatures();
  assert.equal(features.codeGeneration, true);
  assert.equal(features.sharedMemory, true);
  assert.equal(features.simd, true);
  assert.equal(features.tailCalls, true);
});

test("relaxed SIMD can be turned on, and then madd can be tried", () => {
  assert.equal(enableRelaxedSimd(), true);
  const features = detectWasmFeatures();
  assert.equal(features.relaxedSimd, true);
  assert.equal(typeof features.fusedMadd, "boolean");
});

test("a platform that denies code generation is told apart", () => {
  const module = WebAssembly.Module;
  try {
    // As under a content security policy without 'wasm-unsafe-eval'.
    WebAssembly.Module = function denied() {
      throw new WebAssembly.CompileError("Wasm code generation disallowed by embedder");
    } as unknown as typeof module;
    const features = detectWasmFeatures();
    assert.equal(features.codeGeneration, false);
    assert.equal(features.fusedMadd, false);
    assert.equal(features.simd, true);
  } finally {
    WebAssembly.Module = module;
  }
});
