import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { memoryShared, withoutNames } from "./binary.js";

const engines = new URL("../arch/powerpc/engines/", import.meta.url);
const files = ["runtime", "interpreter"] as const;
const read = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(new URL(name, engines)));

test("what is for shared memory is made of what is for unshared", () => {
  for (const file of files) assert.deepEqual(memoryShared(read(`${file}.wasm`)), read(`${file}.shared.wasm`));
});

/** With a section of functions' names, of one module without any, behind the others. */
function named(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode("\x04name");
  const size = name.length + 12_000;
  const all = new Uint8Array(bytes.length + 3 + size);
  all.set(bytes);
  all.set([0, (size & 127) | 128, size >> 7, ...name], bytes.length);
  return all;
}

test("without names a module is smaller, and else the same", async () => {
  for (const file of files) {
    const given = named(read(`${file}.wasm`));
    const whole = await WebAssembly.compile(given);
    const bytes = withoutNames(given) as Uint8Array<ArrayBuffer>;
    const bare = await WebAssembly.compile(bytes);
    assert.equal(WebAssembly.Module.customSections(whole, "name").length, 1);
    assert.equal(WebAssembly.Module.customSections(bare, "name").length, 0);
    assert.ok(bytes.length + 10_000 < given.length);
    assert.deepEqual(WebAssembly.Module.exports(bare), WebAssembly.Module.exports(whole));
    assert.deepEqual(WebAssembly.Module.imports(bare), WebAssembly.Module.imports(whole));
    assert.deepEqual(withoutNames(bytes), bytes);
    assert.deepEqual(bytes, read(`${file}.wasm`));
  }
});

test("a damaged module ends in an error, or in bytes", () => {
  const whole = read("runtime.wasm").slice(0, 3000);
  for (let at = 0; at < whole.length; at++) {
    for (const damaged of [whole.slice(0, at), whole.with(at, 0xff)]) {
      for (const act of [memoryShared, withoutNames]) {
        try {
          assert.ok(act(damaged).length <= Math.max(damaged.length, 8));
        } catch (error) {
          assert.match(String(error), /the module|unexpected kind/);
        }
      }
    }
  }
});
