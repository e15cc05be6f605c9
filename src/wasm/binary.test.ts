import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { memoryShared, withoutCustomSections } from "./binary.js";

const engines = new URL("../arch/powerpc/engines/", import.meta.url);
const files = ["runtime", "interpreter"] as const;
const read = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(new URL(name, engines)));

test("what is for shared memory is made of what is for unshared", () => {
  for (const file of files) assert.deepEqual(memoryShared(read(`${file}.wasm`)), read(`${file}.shared.wasm`));
});

test("without names a module is smaller, and else the same", async () => {
  for (const file of files) {
    const whole = await WebAssembly.compile(read(`${file}.wasm`));
    const bytes = withoutCustomSections(read(`${file}.wasm`)) as Uint8Array<ArrayBuffer>;
    const bare = await WebAssembly.compile(bytes);
    assert.equal(WebAssembly.Module.customSections(whole, "name").length, 1);
    assert.equal(WebAssembly.Module.customSections(bare, "name").length, 0);
    assert.ok(bytes.length + 10_000 < read(`${file}.wasm`).length);
    assert.deepEqual(WebAssembly.Module.exports(bare), WebAssembly.Module.exports(whole));
    assert.deepEqual(WebAssembly.Module.imports(bare), WebAssembly.Module.imports(whole));
    assert.deepEqual(withoutCustomSections(bytes), bytes);
  }
});

test("a damaged module ends in an error, or in bytes", () => {
  const whole = read("runtime.wasm").slice(0, 3000);
  for (let at = 0; at < whole.length; at++) {
    for (const damaged of [whole.slice(0, at), whole.with(at, 0xff)]) {
      for (const act of [memoryShared, withoutCustomSections]) {
        try {
          assert.ok(act(damaged).length <= Math.max(damaged.length, 8));
        } catch (error) {
          assert.match(String(error), /the module|unexpected kind/);
        }
      }
    }
  }
});
