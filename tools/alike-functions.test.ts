/** A module whose functions have other places does what it did. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { FunctionBuilder } from "../src/wasm/function-builder.js";
import { ModuleBuilder } from "../src/wasm/module-builder.js";
import { alikeOrder, alikeTogether } from "./alike-functions.js";

/** Two kinds of functions in turn, called by exports, by each other and through a table. */
function module({ names = false, imported = 128 } = {}): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  const [twice = 0] = Array.from({ length: imported }, () => m.importFunction("env", "twice", ["i32"], ["i32"]));
  const table = m.importTable("env", "table", 300);
  const indexes = Array.from({ length: 300 }, (_, i) => m.declare(`f${i}`, ["i32"], ["i32"]));
  for (const [i, index] of indexes.entries()) {
    const f = new FunctionBuilder(["i32"]);
    f.get(0);
    if (i % 2 === 0) for (let n = 0; n < 30; n++) f.i32("clz");
    else
      for (let n = 0; n < 10; n++) {
        f.i32Const(1000 + n);
        f.i32("mul");
      }
    f.i32Const(i);
    f.i32("add");
    if (i >= 2) f.call(indexes[i - 2] as number);
    if (i % 50 === 0) {
      f.get(0);
      f.if(undefined, "unlikely");
      f.end();
    }
    f.call(twice);
    m.define(index, f);
  }
  m.exportFunction("even", indexes[298] as number);
  m.exportFunction("odd", indexes[299] as number);
  m.elements(table, 0, indexes);
  return m.build({ names });
}

function results(bytes: Uint8Array<ArrayBuffer>): number[] {
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 300 });
  const env = { table, twice: (value: number) => (2 * value) | 0 };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
  const { even, odd } = exports as Record<string, (value: number) => number>;
  const called = Array.from({ length: 300 }, (_, i) => (table.get(i) as (value: number) => number)(i));
  return [even?.(7) ?? 0, odd?.(7) ?? 0, ...called];
}

test("functions that are alike come together, and do what they did", () => {
  const before = module();
  const after = alikeTogether(before);
  assert.equal(after.length, before.length);
  assert.notDeepEqual(after, before);
  assert.deepEqual(results(after), results(before));
  // The two kinds are not mixed any more.
  const kinds = Array.from({ length: 40 }, (_, i) => Uint8Array.from({ length: 60 }, (_, n) => n + 100 * (i % 2)));
  const order = alikeOrder(kinds).map((i) => i % 2);
  assert.equal(order.filter((kind, i) => i > 0 && kind !== order[i - 1]).length, 1, `${order}`);
  assert.deepEqual(alikeOrder([]), []);
});

test("a module is refused if what it says of its functions would be of others, or of other places", () => {
  assert.throws(() => alikeTogether(module({ names: true })), /section 0 may name functions/);
  // Numbers of one byte and of two.
  assert.throws(() => alikeTogether(module({ imported: 1 })), /hints of bodies whose lengths change/);
});

test("the interpreters that are delivered are in that order", () => {
  for (const architecture of ["powerpc", "x86"]) {
    const file = new URL(`../src/arch/${architecture}/engines/interpreter.shared.wasm`, import.meta.url);
    const bytes = new Uint8Array(readFileSync(file));
    const again = deflateRawSync(alikeTogether(bytes)).length;
    const [size, sorted] = [deflateRawSync(bytes).length, again];
    assert.ok(size < 1.02 * sorted, `${architecture}: ${size} bytes compressed, ${sorted} if put in order again`);
  }
});
